"""The supervisor, with small programs in place of KubeGraf's."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from kubegraf.env import BASE_DIR
from kubegraf.local.supervisor import next_delay
from tests.running import START_TIMEOUT, Process, marked
from tests.waiting import until

RUN = """
import os, signal, sys, threading
from pathlib import Path
from kubegraf.local.supervisor import Program, Supervisor

def python(name, code, **options):
    start = "import os, signal, sys, threading\\nfrom pathlib import Path\\n"
    return Program(name, [sys.executable, "-u", "-c", start + code, os.environ["MARK"]], **options)

def on_term(text):
    return f'''signal.signal(signal.SIGTERM, lambda *_: (print({text!r}), os._exit(0)))
print("up", os.getpid())
threading.Event().wait()'''

WAIT = "print('up', os.getpid()); threading.Event().wait()"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT
"""


class Supervised(Process):
    """A supervisor running in a process of its own, and what it says."""

    mark: str

    def pid_of(self, name: str, after: int = 0) -> int:
        """The process id that the program has said, once it is another than `after`."""

        def said() -> int:
            pids = re.findall(rf"^{name} +\| up (\d+)$", self.output(), re.MULTILINE)
            return int(pids[-1]) if pids and int(pids[-1]) != after else 0

        return until(said, START_TIMEOUT, what=f"{name} to come up")

    def left(self) -> list[psutil.Process]:
        """What of it still runs."""
        return marked(self.mark)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    """Runs a supervisor: `supervise("Supervisor([…], sys.stdout).run()")`."""
    started: list[Supervised] = []

    def start(code: str) -> Supervised:
        mark = uuid.uuid4().hex
        environment = {"PATH": os.environ["PATH"], "MARK": mark, "PYTHONPATH": str(BASE_DIR)}
        process = Supervised("supervisor", [sys.executable, "-c", RUN + code], environment, tmp_path)
        process.mark = mark
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill9()
        for left in process.left():
            left.kill()
        sys.stdout.write(process.output())


def test_each_line_is_signed_with_its_programs_name(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""Supervisor([python("a", "print('one'); print('two'); " + WAIT),
        python("longer", WAIT)], sys.stdout, name="all").run()""")
    process.pid_of("longer")
    process.wait_for("a      | two\n")
    process.terminate()
    assert "a      | one\na      | two\n" in process.output()
    assert "all    | stopping longer, a\n" in process.output()


def test_a_last_line_without_a_line_end_is_shown(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""Supervisor([python("a", "print('last words', end='')")], sys.stdout).run()""")
    process.wait_for("last words\nsupervisor | a ended with exit code 0")


def test_hidden_lines_are_not_shown(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""Supervisor([python("a", "print('seen'); print('not seen: noise'); " + WAIT,
        hidden=["noise"])], sys.stdout).run()""")
    process.pid_of("a")
    assert "seen" in process.output()
    assert "noise" not in process.output()


def test_a_program_that_dies_is_started_again_a_little_later_each_time(
    supervise: Callable[..., Supervised],
) -> None:
    process = supervise("""Supervisor([python("a", "sys.exit(3)")], sys.stdout).run()""")
    process.wait_for("a ended with exit code 3; starting it again in 2 s")
    news = [line for line in process.output().splitlines() if "ended" in line]
    assert news == [
        f"supervisor | a ended with exit code 3; starting it again in {delay} s"
        for delay in ("0.5", "1", "2")
    ]


@pytest.mark.parametrize(
    ("last", "lasted", "delay"),
    [(0, 0, 0.5), (0, 100, 0.5), (0.5, 1, 1.0), (16, 1, 30.0), (30, 29, 30.0), (30, 30, 0.5)],
)
def test_the_delay_doubles_to_half_a_minute_and_is_short_again_after_that_long(
    last: float, lasted: float, delay: float
) -> None:
    assert next_delay(last, lasted) == delay


def test_a_program_that_does_not_exist_is_said_to_be_missing(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""Supervisor([Program("a", ["/no/such/program"])], sys.stdout).run()""")
    process.wait_for("a ended with exit code 127")
    assert "/no/such/program" in process.output()


def test_a_killed_program_comes_back(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""Supervisor([python("a", WAIT)], sys.stdout).run()""")
    before = process.pid_of("a")
    os.kill(before, signal.SIGKILL)
    assert process.pid_of("a", after=before) != before
    assert "a ended by SIGKILL" in process.output()


def test_what_a_killed_program_had_started_ends_before_it_comes_back(
    supervise: Callable[..., Supervised],
) -> None:
    process = supervise("""Supervisor([python("a", '''import subprocess
grandchild = subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"])
print("grandchild", grandchild.pid)
''' + WAIT)], sys.stdout).run()""")
    before = process.pid_of("a")
    grandchild = psutil.Process(int(re.findall(r"grandchild (\d+)", process.output())[0]))
    os.kill(before, signal.SIGKILL)
    process.pid_of("a", after=before)
    assert not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE


def test_a_program_waits_until_the_one_before_it_is_ready(
    supervise: Callable[..., Supervised], tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    process = supervise(f"""gate = Path({str(gate)!r})
Supervisor([python("a", WAIT, ready=gate.exists), python("b", WAIT)],
        sys.stdout).run(lambda: print("everything is up", flush=True))""")
    process.pid_of("a")
    assert "b          | up" not in process.output()
    assert "everything is up" not in process.output()
    gate.touch()
    process.pid_of("b")
    process.wait_for("everything is up")
    assert process.output().count("everything is up") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_the_programs_last_one_first(
    supervise: Callable[..., Supervised], number: signal.Signals
) -> None:
    process = supervise("""Supervisor([python(name, on_term(f"{name} ends")) for name in "abc"],
        sys.stdout).run()""")
    for name in "abc":
        process.pid_of(name)
    assert process.signal(number) == 0
    assert re.findall(r"(\w) ends", process.output()) == ["c", "b", "a"]
    assert process.left() == []


def test_a_program_that_ignores_sigterm_is_killed_when_its_time_is_up(
    supervise: Callable[..., Supervised],
) -> None:
    process = supervise("""Supervisor([python("a", DEAF)], sys.stdout, stop_timeout=0.5).run()""")
    process.pid_of("a")
    assert process.terminate() == 0
    assert "a is killed: it had 0.5 s" in process.output()
    assert process.left() == []


def test_a_second_signal_kills_at_once(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""Supervisor([python("a", DEAF)], sys.stdout, stop_timeout=60).run()""")
    process.pid_of("a")
    process.popen.send_signal(signal.SIGINT)
    process.wait_for("stopping a")
    assert process.signal(signal.SIGINT, timeout=30) == 0
    assert process.left() == []


def test_killing_the_supervisor_leaves_nothing_behind(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""shell = Program("b", ["/bin/sh", "-c", "sleep 1000 & wait"])
Supervisor([python("a", WAIT), shell],
        sys.stdout).run(lambda: print("everything is up", flush=True))""")
    process.wait_for("everything is up")
    until(lambda: any("1000" in left.cmdline() for left in process.left()), what="the grandchild")
    process.popen.kill()
    until(lambda: process.left() == [], what="nothing left")


def test_a_killed_reaper_is_replaced(supervise: Callable[..., Supervised]) -> None:
    process = supervise("""Supervisor([python("a", WAIT)], sys.stdout).run()""")
    process.pid_of("a")

    def reapers() -> list[psutil.Process]:
        return [left for left in process.left() if any("reaper.py" in part for part in left.cmdline())]

    (first,) = reapers()
    first.kill()
    until(lambda: [reaper for reaper in reapers() if reaper.pid != first.pid], what="another reaper")
    process.popen.kill()
    until(lambda: process.left() == [], what="nothing left")


def test_what_is_kept_is_held_until_the_last_process_has_ended(
    supervise: Callable[..., Supervised], tmp_path: Path
) -> None:
    held = tmp_path / "held"
    os.mkfifo(held)
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    process = supervise(f"""file = open({str(held)!r}, "w")
Supervisor([python("a", DEAF)], sys.stdout, keep=[file.fileno()]).run()""")
    pid = process.pid_of("a")

    def is_held() -> bool:
        try:
            os.read(reader, 1)
        except BlockingIOError:
            return True
        return False  # end of file: nobody has it open any more

    process.popen.kill()
    process.popen.wait()
    assert is_held()
    assert psutil.pid_exists(pid)
    until(lambda: not is_held())
    assert process.left() == []
    os.close(reader)


def test_it_stops_when_nobody_reads_what_it_says(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    environment = {"PATH": os.environ["PATH"], "MARK": mark, "PYTHONPATH": str(BASE_DIR)}
    code = (
        RUN
        + """Supervisor([python("a", "print('x' * 100); threading.Event().wait(0.1)")], sys.stdout).run()"""
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        process.wait()
    assert marked(mark) == []
