"""What the measurements start is gone when they are."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Process, marked
from tests.waiting import until

HOLD = """
import sys, threading
from pathlib import Path
from bench import stack

with stack.postgresql(Path(sys.argv[1])):
    print("up", flush=True)
    threading.Event().wait()
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Not pytest's own: as root the server runs as another user, who has to reach it."""
    made = Path(tempfile.mkdtemp(prefix="kubegraf-bench-"))
    yield made
    shutil.rmtree(made)


@pytest.mark.any_database
def test_a_measurement_that_is_told_to_end_leaves_no_server_behind(folder: Path) -> None:
    bench = Process("bench", [sys.executable, "-c", HOLD, str(folder)], os.environ, folder)
    bench.wait_for("up")

    assert bench.terminate() == 128 + signal.SIGTERM
    until(lambda: not marked(str(folder)), what="that nothing of it runs")
