"""Ends what a supervisor started once the supervisor is gone, however it went: kill -9, a crash, no memory.

A small process in a session of its own reads a pipe that the supervisor holds open. Every program announces
its process group on that pipe before it becomes itself, and the supervisor takes ended groups off the list.
When the pipe ends, whatever is still on the list is asked to stop (SIGTERM) and, a little later, killed.
Linux' PR_SET_PDEATHSIG would be shorter, but it forgets grandchildren and does not exist on macOS.

This file is also the reaper's own program: run as a script it needs the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

GRACE = 3.0
"""Seconds between SIGTERM and SIGKILL."""

# The shell's standard input is the pipe. Announcing comes before exec and the pipe stays open until then, so
# there is no moment at which the supervisor can die and a program run unknown to the reaper.
_ANNOUNCE_THEN_EXEC = 'echo "+$$" >&0 && exec "$@" </dev/null'


class Reaper:
    """The supervisor's side: starts the reaper process and programs that it knows of.

    `keep` are open file descriptors that the reaper holds for as long as it lives, such as a lock that must
    not be free before everything has ended.
    """

    def __init__(self, keep: Iterable[int] = (), grace: float = GRACE) -> None:
        self._started: dict[int, subprocess.Popen[bytes]] = {}
        read, self._pipe = os.pipe()
        try:
            self._process = subprocess.Popen(  # noqa: S603 (this file, by this interpreter)
                # Isolated and without site-packages: it starts in 20 ms and holds 8 MB.
                [sys.executable, "-I", "-S", __file__, str(grace)],
                stdin=read,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=tuple(keep),
                start_new_session=True,
            )
        finally:
            os.close(read)

    @property
    def alive(self) -> bool:
        """False once somebody killed it: then make another and `adopt` what runs."""
        return self._process.poll() is None

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:
        """Start a program in a session and process group of its own, known to the reaper before it runs.

        `options` are those of `subprocess.Popen`; standard input is /dev/null.
        """
        process = subprocess.Popen(  # noqa: S603 (running what it is given is its purpose)
            ["/bin/sh", "-c", _ANNOUNCE_THEN_EXEC, "sh", *command],
            stdin=self._pipe,
            start_new_session=True,
            **options,
        )
        self._started[process.pid] = process
        return process

    def adopt(self, group: int) -> None:
        """Put a process group that runs already on the list."""
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        """Take a process group that has ended off the list; its number may be given to another."""
        self._started.pop(group, None)
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Let the reaper end what is on its list, if anything is, and itself."""
        os.close(self._pipe)
        while self.alive:
            for process in self._started.values():
                process.poll()  # to the reaper a process that nobody has waited for is still there
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)

    def _tell(self, line: str) -> None:
        # A reaper that was killed is replaced by whoever asks `alive`.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._pipe, line.encode())


def signal_group(group: int, number: int) -> bool:
    """Send a signal (0: none) to a process group; False when nothing of it is left."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS answers EPERM where only zombies are left
        return False
    return True


def _end(groups: Sequence[int], grace: float) -> None:
    """SIGTERM, then SIGKILL after `grace` seconds; returns when all are gone or are beyond being killed."""
    left = list(groups)
    pause = threading.Event()
    for number in (signal.SIGTERM, signal.SIGKILL):
        left = [group for group in left if signal_group(group, number)]
        deadline = time.monotonic() + grace
        while left and time.monotonic() < deadline:
            pause.wait(0.05)
            left = [group for group in left if signal_group(group, 0)]


def _main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it goes when the pipe ends, not before
    groups: dict[int, None] = {}  # a set that keeps its order
    for line in sys.stdin:
        if line.startswith("+"):
            groups[int(line[1:])] = None
        else:
            groups.pop(int(line[1:]), None)
    _end(list(reversed(groups)), float(sys.argv[1]))


if __name__ == "__main__":
    _main()
