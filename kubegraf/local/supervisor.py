"""Runs programs side by side in one terminal: starts and restarts them, shows what they say, stops them.

It knows nothing of what it runs. It must be used from the main thread, because it handles signals.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from kubegraf.local.reaper import Reaper, signal_group

FIRST_DELAY = 0.5
"""Seconds before a program that died is started again; doubled each time it dies soon after."""
LONGEST_DELAY = 30.0
SETTLED = 30.0
"""A program that ran this many seconds is started again as if it had never died."""
STOP_TIMEOUT = 10.0
"""Seconds between SIGTERM and SIGKILL."""

_READY_EVERY = 0.1
_LONGEST_LINE = 65_536
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Readable on light and dark grounds alike.
_COLOURS = (36, 33, 32, 35, 34, 31)


@dataclass(frozen=True)
class Program:
    """What to run. `env` is the whole environment (None: the supervisor's own).

    The programs after it are started once `ready` has said True; it is asked ten times a second and should
    answer at once. Lines that contain one of `hidden` are not shown.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str] | None = None
    ready: Callable[[], bool] | None = None
    hidden: Sequence[str] = ()


@dataclass
class _Child:
    """A program's state: running (`process`), or waiting to be started at `due`."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    delay: float = 0.0
    ready: bool = False

    @property
    def name(self) -> str:
        return self.program.name


@dataclass
class _Output:
    """One pipe from a program and its line that has not ended yet; it may outlive the process."""

    program: Program
    partial: bytes = b""


@dataclass
class Supervisor:
    """Runs `programs` in order until SIGINT, SIGTERM or SIGHUP, then stops them in reverse order.

    `name` signs the supervisor's own lines. `keep` are file descriptors held open until every process has
    ended, even if the supervisor is killed. A second signal while stopping kills what is left at once.
    """

    programs: Sequence[Program]
    out: TextIO
    name: str = "supervisor"
    keep: Sequence[int] = ()
    stop_timeout: float = STOP_TIMEOUT

    _children: list[_Child] = field(init=False, repr=False)
    _signals: list[signal.Signals] = field(init=False, default_factory=list, repr=False)
    _out_closed: bool = field(init=False, default=False, repr=False)

    def __post_init__(self) -> None:
        self._children = [_Child(program) for program in self.programs]
        self._width = max(len(name) for name in (self.name, *(child.name for child in self._children)))
        self._colours = {child.name: _COLOURS[i % len(_COLOURS)] for i, child in enumerate(self._children)}
        self._coloured = self.out.isatty() and "NO_COLOR" not in os.environ

    def run(self, when_ready: Callable[[], None] | None = None) -> None:
        """Run until told to stop. `when_ready` is called once, when every program is up."""
        with selectors.DefaultSelector() as self._selector, self._listening_for_signals():
            self._reaper = Reaper(self.keep)
            try:
                while not self._signals and not self._out_closed:
                    self._keep_reaper()
                    self._keep_programs()
                    if when_ready and all(child.ready for child in self._children):
                        when_ready()
                        when_ready = None
                    self._wait(self._until_next())
            finally:
                try:
                    self._stop_all()
                finally:
                    self._reaper.close()

    def say(self, line: str) -> None:
        """Write a line signed with the supervisor's own name."""
        self._write(self.name, line)

    # --- Starting -----------------------------------------------------------------------------------------

    def _keep_programs(self) -> None:
        """Start what is due, as far as the programs before it are ready."""
        now = time.monotonic()
        for child in self._children:
            if child.process is not None and child.process.poll() is not None:
                self._bury(child)
            if child.process is None and child.due <= now:
                self._start(child)
            if not child.ready and child.process is not None:
                child.ready = child.program.ready is None or child.program.ready()
            if not child.ready:
                break

    def _start(self, child: _Child) -> None:
        child.process = self._reaper.start(
            child.program.command,
            env=child.program.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        child.started = time.monotonic()
        assert child.process.stdout is not None  # noqa: S101 (asked for above; for the type checker)
        os.set_blocking(child.process.stdout.fileno(), False)
        self._selector.register(child.process.stdout, selectors.EVENT_READ, _Output(child.program))

    def _bury(self, child: _Child) -> None:
        """Take note that a program ended by itself, end what it left behind, and set when it starts again."""
        self._wait(0)  # its last words come before the news of its end
        code = self._clear(child)
        lasted = time.monotonic() - child.started
        child.delay = next_delay(child.delay, lasted)
        child.due = time.monotonic() + child.delay
        self.say(f"{child.name} ended {_how(code)}; starting it again in {child.delay:g} s")

    def _clear(self, child: _Child) -> int:
        """Forget an ended process and kill the rest of its group; its exit code."""
        assert child.process is not None  # noqa: S101 (for the type checker)
        code = child.process.wait()
        # Its number cannot have been given to another while a member of the group is alive.
        signal_group(child.process.pid, signal.SIGKILL)
        self._reaper.forget(child.process.pid)
        child.process = None
        return code

    def _keep_reaper(self) -> None:
        if not self._reaper.alive:
            self._reaper.close()
            self._reaper = Reaper(self.keep)
            for child in self._children:
                if child.process is not None:
                    self._reaper.adopt(child.process.pid)

    # --- Waiting ------------------------------------------------------------------------------------------

    def _until_next(self) -> float | None:
        """Seconds until something has to be done that no file descriptor tells of."""
        now = time.monotonic()
        waits = []
        for child in self._children:
            if child.process is None:
                waits.append(max(child.due - now, 0.0))
            if not child.ready:
                if child.process is not None:
                    waits.append(_READY_EVERY)
                break
        return min(waits, default=None)

    def _wait(self, timeout: float | None) -> None:
        """Pass on what programs write, until `timeout` or a signal (SIGCHLD too: a program has ended)."""
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, _Output):
                self._read(key)
            else:
                numbers = self._wakeup.recv(1024)
                self._signals += [signal.Signals(number) for number in numbers if number in _STOP_SIGNALS]

    def _read(self, key: selectors.SelectorKey) -> None:
        output: _Output = key.data
        try:
            data = os.read(key.fd, _LONGEST_LINE)
        except BlockingIOError:
            return
        *lines, output.partial = (output.partial + data).split(b"\n")
        if output.partial and (not data or len(output.partial) > _LONGEST_LINE):
            lines.append(output.partial)
            output.partial = b""
        for line in lines:
            self._pass_on(output.program, line.decode(errors="replace").rstrip())
        if not data:
            self._selector.unregister(key.fileobj)
            key.fileobj.close()  # type: ignore[union-attr]  # a pipe, registered as a file object

    def _pass_on(self, program: Program, line: str) -> None:
        if line and not any(text in line for text in program.hidden):
            self._write(program.name, line)

    def _write(self, name: str, line: str) -> None:
        label = f"{name:<{self._width}} |"
        if self._coloured:
            label = f"\x1b[{self._colours.get(name, 1)}m{label}\x1b[0m"
        try:
            self.out.write(f"{label} {line}\n")
            self.out.flush()
        except (OSError, ValueError):  # nobody reads any more: `run` stops, quietly
            self._out_closed = True

    @contextmanager
    def _listening_for_signals(self) -> Iterator[None]:
        """Signals only wake the loop up, through a socket; so no handler interrupts anything half-done."""
        self._wakeup, writer = socket.socketpair()
        with self._wakeup, writer:
            self._wakeup.setblocking(False)
            writer.setblocking(False)
            self._selector.register(self._wakeup, selectors.EVENT_READ)
            before = {
                number: signal.signal(number, lambda *_: None) for number in (*_STOP_SIGNALS, signal.SIGCHLD)
            }
            fd_before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
            try:
                yield
            finally:
                signal.set_wakeup_fd(fd_before)
                for number, handler in before.items():
                    signal.signal(number, handler)

    # --- Stopping -----------------------------------------------------------------------------------------

    def _stop_all(self) -> None:
        asked = len(self._signals)
        running = [child for child in self._children if child.process is not None]
        if running:
            self.say(f"stopping {', '.join(child.name for child in reversed(running))}")
        for child in reversed(running):
            self._stop(child, impatient=lambda: len(self._signals) > asked)
        self._read_what_is_left()

    def _stop(self, child: _Child, impatient: Callable[[], bool]) -> None:
        assert child.process is not None  # noqa: S101 (for the type checker)
        if child.process.poll() is None:
            child.process.terminate()
        deadline = time.monotonic() + self.stop_timeout
        while child.process.poll() is None:
            left = deadline - time.monotonic()
            if left <= 0 or impatient():
                self.say(
                    f"{child.name} is killed" + ("" if impatient() else f": it had {self.stop_timeout:g} s")
                )
                signal_group(child.process.pid, signal.SIGKILL)
                break
            self._wait(left)
        self._clear(child)

    def _read_what_is_left(self) -> None:
        """Every process has ended: show what is in the pipes, but do not wait for one that escaped."""
        deadline = time.monotonic() + 1.0
        while len(self._selector.get_map()) > 1 and time.monotonic() < deadline:
            self._wait(_READY_EVERY)
        for key in list(self._selector.get_map().values()):
            if isinstance(key.data, _Output):
                key.fileobj.close()  # type: ignore[union-attr]  # a pipe, registered as a file object


def next_delay(last: float, lasted: float) -> float:
    """Seconds to wait after a program ran for `lasted` seconds; it had waited for `last` before (0: not)."""
    return min(last * 2, LONGEST_DELAY) if last and lasted < SETTLED else FIRST_DELAY


def _how(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
