"""JSON log lines: their fields, that each is one object, and that they hold no secret."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import re
import runpy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from connectors import outbox
from connectors.outbox import Order
from connectors.secrets import RedactingFilter
from kubegraf import logs
from kubegraf.env import BASE_DIR
from tests.making import make_connector, make_message, written
from tests.running import Processes

SECRET = "xoxb-1234567890-abcdefghij"

Log = Callable[..., dict[str, Any]]


@pytest.fixture
def log() -> Log:
    """Logs something with the filter and the format of the product; the line, decoded."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.JSONFormatter())
    handler.addFilter(RedactingFilter())
    logger = logging.Logger("connectors.engine.record")  # noqa: LOG001  # one that nobody else has handlers on
    logger.addHandler(handler)

    def written(*args: Any, level: int = logging.INFO, **more: Any) -> dict[str, Any]:
        stream.seek(0)
        stream.truncate()
        logger.log(level, *args, **more)
        (line,) = stream.getvalue().splitlines()
        decoded: dict[str, Any] = json.loads(line)
        return decoded

    return written


def test_a_line_has_time_level_logger_and_message(log: Log) -> None:
    line = log("delivery %s", 7)
    assert list(line) == ["time", "level", "logger", "message"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert abs(datetime.fromisoformat(line["time"]) - datetime.now(UTC)).total_seconds() < 60
    assert (line["level"], line["logger"], line["message"]) == (
        "INFO",
        "connectors.engine.record",
        "delivery 7",
    )


def test_a_line_for_people_has_local_time_level_logger_and_message() -> None:
    record = logging.makeLogRecord(
        {"name": "connectors", "levelname": "INFO", "msg": "sent %d", "args": (7,)}
    )
    formatter = logs.LineFormatter()
    for record.created, record.msecs in (
        (1736937000.25, 250.0),
        (1736937000.999, 999.9),
        (1736937061.0, 0.0),
    ):
        moment = datetime.fromtimestamp(int(record.created)).isoformat(" ")  # noqa: DTZ006
        assert formatter.format(record) == f"{moment},{int(record.msecs):03} INFO connectors: sent 7"


def test_what_it_is_about_has_fields_of_its_own(log: Log) -> None:
    number = UUID(int=7)
    line = log("sent", extra={"delivery": number, "connector": "hook", "event": "event-1", "attempt": 2})
    assert {name: line[name] for name in ("delivery", "connector", "event", "attempt")} == {
        "delivery": str(number),
        "connector": "hook",
        "event": "event-1",
        "attempt": 2,
    }


def test_what_is_no_plain_value_is_left_out(log: Log) -> None:
    assert "request" not in log("asked", extra={"request": object(), "data": {"a": 1}})


def test_an_extra_cannot_stand_in_for_the_message(log: Log) -> None:
    assert log("said", extra={"level": "none", "time": "never"})["level"] == "INFO"


def test_an_exception_is_in_the_same_line(log: Log) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        line = log("failed", level=logging.ERROR, exc_info=True)
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: two\nlines")


def test_whatever_it_holds_it_is_one_line(log: Log) -> None:
    text = 'new\nline \x00 \u2028 "quoted" \ud800 ü'
    assert log("%s", text)["message"] == text


def test_no_secret_is_in_message_field_or_traceback(log: Log) -> None:
    try:
        raise ValueError(f"with {SECRET}")
    except ValueError:
        line = log("token %s", SECRET, extra={"connector": f"of {SECRET}"}, exc_info=True)
    assert SECRET not in json.dumps(line)
    assert (line["message"], line["connector"]) == ("token ***", "of ***")
    assert "ValueError: with ***" in line["exception"]


# --- The setting ----------------------------------------------------------------------------------------


def configured(monkeypatch: pytest.MonkeyPatch, name: str) -> Any:
    """LOGGING as the settings make it of that format."""
    monkeypatch.setenv("KUBEGRAF_LOG_FORMAT", name)
    return runpy.run_path(str(BASE_DIR / "kubegraf" / "settings.py"))["LOGGING"]


def test_lines_are_for_people_unless_it_is_said_otherwise() -> None:
    assert settings.LOGGING["handlers"]["stderr"]["formatter"] == "line"


@pytest.mark.parametrize("name", logs.FORMATS)
def test_either_format_hides_secrets(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    logging_settings = configured(monkeypatch, name)
    assert logging_settings["handlers"]["stderr"]["formatter"] == name
    assert logging_settings["handlers"]["stderr"]["filters"] == ["secrets"]
    assert name in logging_settings["formatters"]


def test_a_format_there_is_not_is_named_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        ImproperlyConfigured, match=r"^KUBEGRAF_LOG_FORMAT is 'xml'; it can be line or json\.$"
    ):
        configured(monkeypatch, "xml")


def test_a_worker_writes_one_object_for_each_delivery(processes: Processes, receiver: Any) -> None:
    worker = processes.worker(KUBEGRAF_LOG_FORMAT="json")
    connector = make_connector(url=receiver.url)
    (delivery,) = written(outbox.enqueue([Order(connector, make_message(), "test")]))
    worker.wait_for(f'"delivery": "{delivery.pk}"')

    (line,) = [json.loads(line) for line in worker.output().splitlines() if str(delivery.pk) in line]
    assert (line["connector"], line["event"], line["outcome"]) == ("hook", "event-1", "delivered")
    assert receiver.url not in worker.output()


@pytest.mark.parametrize("name", ["DEBUG", "debug"])
def test_a_level_may_be_written_in_small_letters(name: str) -> None:
    assert logs.level(name) == "DEBUG"


def test_a_level_that_there_is_not_is_refused_with_those_there_are() -> None:
    with pytest.raises(ImproperlyConfigured, match=r"KUBEGRAF_LOG_LEVEL is 'loud'; it can be DEBUG, INFO"):
        logs.level("loud")
