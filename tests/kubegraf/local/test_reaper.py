"""The reaper: what was started ends, whatever happens to the one who started it."""

from __future__ import annotations

import signal
import sys
import uuid
from pathlib import Path

import pytest

from kubegraf.local.reaper import Reaper
from tests.running import marked
from tests.waiting import PATIENCE, until

SLEEP = [sys.executable, "-c", "import threading; threading.Event().wait()"]
DEAF = [
    sys.executable,
    "-c",
    "import pathlib, signal, sys, threading\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "pathlib.Path(sys.argv[1]).touch()\n"
    "threading.Event().wait()",
]


@pytest.fixture
def mark() -> str:
    return uuid.uuid4().hex


def test_closing_ends_what_still_runs(mark: str) -> None:
    reaper = Reaper(grace=5)
    process = reaper.start([*SLEEP, mark])
    reaper.close()
    assert process.wait(PATIENCE) == -signal.SIGTERM
    assert marked(mark) == []


def test_a_program_that_ignores_sigterm_is_killed(mark: str, tmp_path: Path) -> None:
    reaper = Reaper(grace=0.3)
    process = reaper.start([*DEAF, str(tmp_path / "deaf"), mark])
    until((tmp_path / "deaf").exists)
    reaper.close()
    assert process.wait(PATIENCE) == -signal.SIGKILL


def test_grandchildren_end_too(mark: str) -> None:
    reaper = Reaper(grace=5)
    process = reaper.start(["/bin/sh", "-c", f"'{SLEEP[0]}' -c '{SLEEP[2]}' {mark} & wait"])
    until(lambda: len(marked(mark)) == 2, what="the shell and its child")
    reaper.close()
    process.wait(PATIENCE)
    assert until(lambda: marked(mark) == [])


def test_a_forgotten_group_is_left_alone(mark: str) -> None:
    reaper = Reaper(grace=5)
    process = reaper.start([*SLEEP, mark])
    until(lambda: marked(mark) and "-c" in marked(mark)[0].cmdline())
    reaper.forget(process.pid)
    reaper.close()
    assert process.poll() is None
    process.kill()
    process.wait(PATIENCE)


def test_an_adopted_group_ends_with_the_others(mark: str) -> None:
    first, second = Reaper(), Reaper(grace=0.5)
    process = first.start([*SLEEP, mark])
    second.adopt(process.pid)
    second.close()
    assert process.wait(PATIENCE) == -signal.SIGTERM
    first.forget(process.pid)
    first.close()


def test_programs_are_groups_of_their_own_and_read_nothing() -> None:
    reaper = Reaper()
    program = "import os, sys; print(os.getpid() == os.getpgrp() == os.getsid(0), sys.stdin.read())"
    process = reaper.start([sys.executable, "-c", program], stdout=-1)
    out, _ = process.communicate(timeout=PATIENCE)
    reaper.close()
    assert out == b"True \n"


def test_arguments_arrive_as_they_are() -> None:
    reaper = Reaper()
    arguments = ["a b", "$HOME", "'", '"', "", "*", "é"]
    process = reaper.start([sys.executable, "-c", "import sys; print(sys.argv[1:])", *arguments], stdout=-1)
    out, _ = process.communicate(timeout=PATIENCE)
    reaper.close()
    assert out.decode().strip() == repr(arguments)
