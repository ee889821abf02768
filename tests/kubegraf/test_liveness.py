"""The heartbeats of real processes: while they work, while the broker is away, and when a loop is stuck."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors import heartbeat
from kubegraf.celery import app
from kubegraf.liveness import Liveness
from tests.running import Broker, Process, Processes
from tests.waiting import until

pytestmark = pytest.mark.any_database

# A worker whose heartbeat is quicker, and which can be told to stand still.
WORKER = """
import os, pathlib, time
from connectors import heartbeat
heartbeat.INTERVAL = 0.1
from kubegraf import liveness
from kubegraf.celery import app

class Quick(liveness.Liveness):
    name = "Quick"
    def __init__(self, consumer, **options):
        super().__init__(consumer, stuck=1.0, **options)

    def _went_round(self):
        super()._went_round()
        while pathlib.Path(os.environ["STAND_STILL"]).exists():
            pass

app.steps["consumer"].discard(liveness.Liveness)
app.steps["consumer"].add(Quick)
app.worker_main(["worker", "--loglevel", "INFO", "-n", "liveness@test", "--concurrency", "1"])
"""


@pytest.fixture
def sign(tmp_path: Path) -> Path:
    """The file that the worker touches."""
    return tmp_path / "heartbeat"


@pytest.fixture
def stand_still(tmp_path: Path) -> Path:
    """While this file exists, the worker's loop does not go round."""
    return tmp_path / "stand-still"


@pytest.fixture
def worker(processes: Processes, sign: Path, stand_still: Path) -> Process:
    """A worker that has not yet begun to connect."""
    environment = {heartbeat.VARIABLE: str(sign), "STAND_STILL": str(stand_still)}
    return processes.start("worker", [sys.executable, "-c", WORKER], **environment)


def _beats(sign: Path, times: int = 3) -> None:
    """Wait until the file has changed that often."""
    for _ in range(times):
        _next_beat(sign)


def _next_beat(sign: Path) -> None:
    before = _age(sign)
    until(lambda: _age(sign) != before, 60, what="a beat")


def _age(sign: Path) -> int:
    return sign.stat().st_mtime_ns if sign.exists() else 0


def test_a_worker_that_waits_for_tasks_beats(worker: Process, sign: Path) -> None:
    worker.wait_for(" ready.")
    _beats(sign)


def test_a_worker_beats_while_its_broker_is_away(worker: Process, sign: Path, broker: Broker) -> None:
    worker.wait_for(" ready.")
    broker.stop()
    worker.wait_for("Connection to broker lost")
    _beats(sign, 15)  # longer than a loop may take


def test_a_worker_that_has_never_reached_its_broker_beats(
    processes: Processes, sign: Path, stand_still: Path
) -> None:
    environment = {heartbeat.VARIABLE: str(sign), "STAND_STILL": str(stand_still)}
    nowhere = "redis://127.0.0.1:1/0"
    worker = processes.start("worker", [sys.executable, "-c", WORKER], REDIS_URL=nowhere, **environment)
    worker.wait_for("Cannot connect to ")
    _beats(sign, 15)


def test_a_worker_beats_again_when_its_broker_is_back(worker: Process, sign: Path, broker: Broker) -> None:
    worker.wait_for(" ready.")
    broker.stop()
    worker.wait_for("Connection to broker lost")
    broker.start()
    worker.wait_for("Connected to redis+socket")
    _beats(sign, 15)


def test_a_worker_whose_loop_is_stuck_stops_beating(worker: Process, sign: Path, stand_still: Path) -> None:
    worker.wait_for(" ready.")
    _beats(sign)
    stand_still.touch()
    seen = [_age(sign)]

    def silent_for_two_seconds() -> bool:
        seen.append(_age(sign))
        return len(seen) > 100 and len(set(seen[-100:])) == 1

    until(silent_for_two_seconds, 30, what="the heartbeat's end")
    assert worker.running


def test_every_worker_of_the_product_has_a_heartbeat() -> None:
    assert Liveness in app.steps["consumer"]


def test_the_products_beat_has_a_heartbeat() -> None:
    assert app.conf.beat_scheduler == "kubegraf.liveness:Scheduler"


@pytest.fixture
def beat(processes: Processes, sign: Path) -> Callable[..., Process]:
    """Starts a beat; arguments add to its environment."""
    arguments = ("--scheduler", "kubegraf.liveness:Scheduler")
    return lambda **env: processes.beat(*arguments, **{heartbeat.VARIABLE: str(sign)}, **env)


def _sent(broker: Broker) -> int:
    with broker.client() as client:
        return int(client.llen("celery"))


def test_a_beat_that_sends_what_is_due_beats(
    beat: Callable[..., Process], sign: Path, broker: Broker
) -> None:
    beat()
    until(lambda: _sent(broker), 60, what="a task on the queue")
    _beats(sign, 2)


def test_a_beat_whose_broker_goes_away_beats(
    beat: Callable[..., Process], sign: Path, broker: Broker
) -> None:
    process = beat()
    until(lambda: _sent(broker), 60, what="a task on the queue")
    broker.stop()
    process.wait_for("the broker takes no tasks (")
    _beats(sign, 2)


def test_a_beat_says_in_a_line_what_the_broker_does_not_take(
    beat: Callable[..., Process], broker: Broker
) -> None:
    process = beat()
    until(lambda: _sent(broker), 60, what="a task on the queue")
    broker.stop()
    process.wait_for("the broker takes no tasks (")
    assert "Traceback" not in process.output()


def test_a_beat_that_has_never_reached_its_broker_beats(beat: Callable[..., Process], sign: Path) -> None:
    process = beat(REDIS_URL="redis://127.0.0.1:1/0")
    process.wait_for("The broker cannot be reached: ")
    _beats(sign, 2)


def test_a_watcher_with_nothing_to_watch_beats(processes: Processes, sign: Path) -> None:
    processes.watcher(**{heartbeat.VARIABLE: str(sign)})
    _beats(sign, 2)


def test_nobody_who_did_not_ask_gets_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(heartbeat.VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    heartbeat.beat()
    assert list(tmp_path.iterdir()) == []


def test_a_beat_makes_the_file_and_then_renews_it(monkeypatch: pytest.MonkeyPatch, sign: Path) -> None:
    monkeypatch.setenv(heartbeat.VARIABLE, str(sign))
    heartbeat.beat()
    first = _age(sign)

    def renewed() -> bool:
        heartbeat.beat()
        return _age(sign) > first

    until(renewed, what="a newer time")


def test_a_file_that_cannot_be_written_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(heartbeat.VARIABLE, str(tmp_path / "nowhere" / "heartbeat"))
    with pytest.raises(FileNotFoundError, match="nowhere/heartbeat"):
        heartbeat.beat()
