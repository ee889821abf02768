"""Reading connectors out of files and writing them back. The database is in test_import_connectors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from events.files.seed_format import Entry, SeedError, parse, to_json

EXAMPLES = sorted((Path(__file__).parents[2] / "data" / "connectors").glob("*.json"))

REAL = {
    "https://hooks.slack.com/services/YOUR/WEBHOOK/URL": "https://hooks.slack.com/services/T01/B02/made0up",
    "ghp_xxxxxxxxxxxx": "ghp_made0up1token2for3tests4567890abcdef",
    "xxxxxxxxxxxxxxxx": "0123456789abcdef0123456789abcdef",
    "Bearer YOUR_TOKEN": "Bearer made0up1token2for3tests",
    "your-api-key": "made0up1key2for3tests",
}
DOTS = {
    "webhook_url": "https://hooks.slack.com/services/T01/B02/made0up",
    "integration_key": "0123456789abcdef0123456789abcdef",
}


def filled_in(value: Any, name: str = "") -> Any:
    """An example with plausible values in place of its placeholders."""
    if isinstance(value, dict):
        return {key: filled_in(item, key) for key, item in value.items()}
    if isinstance(value, list):
        return [filled_in(item) for item in value]
    return DOTS[name] if value == "..." else REAL.get(value, value)


def example(path: Path) -> Any:
    """A decoded example, filled in."""
    return filled_in(json.loads(path.read_text()))


def webhook(**config: Any) -> dict[str, Any]:
    """A connector as a file says it; arguments are its config."""
    return {"name": "hook", "type": "webhook", "config": {"url": "https://hooks.example.com/a", **config}}


def errors_of(document: Any) -> list[str]:
    """All that is wrong with it."""
    with pytest.raises(SeedError) as caught:
        parse(document)
    return caught.value.errors


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_of_the_documentation_is_read(path: Path) -> None:
    document = example(path)
    said = document.get("connectors", [document])
    entries = parse(document)
    assert [(entry.name, entry.provider) for entry in entries] == [(c["name"], c["type"]) for c in said]
    assert [entry.enabled for entry in entries] == [connector.get("enabled") for connector in said]


def test_there_are_examples_of_every_kind() -> None:
    assert len(EXAMPLES) == 9


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("production_alerts", "config.webhook_url: “YOUR/WEBHOOK/URL” is a placeholder"),
        ("auto_issue_creator", "config.token: “xxxxxxxxxxxx” is a placeholder"),
        ("critical_alerts", "config.integration_key: “xxxxxxxxxxxxxxxx” is a placeholder"),
        ("custom_webhook", "config.headers.Authorization: “YOUR_TOKEN” is a placeholder"),
        ("custom_format", "config.headers.X-API-Key: “your-api-key” is a placeholder"),
        ("production_alerting_setup", "connectors[1].config.webhook_url: “...” is a placeholder"),
    ],
)
def test_a_placeholder_is_refused_by_name_with_what_belongs_there(name: str, error: str) -> None:
    (path,) = (path for path in EXAMPLES if path.stem == name)
    found = [text for text in errors_of(json.loads(path.read_text())) if text.startswith(error)]
    assert len(found) == 1
    assert "enter the real value. " in found[0]


def test_three_dots_in_prose_are_no_placeholder() -> None:
    (entry,) = parse(webhook(body_template='{"text": "please wait..."}'))
    assert entry.config["body_template"] == '{"text": "please wait..."}'


def test_what_is_said_of_events_is_taken_out_of_the_config() -> None:
    (entry,) = parse(
        webhook(
            events=["pod_crash", "all"],
            severity="high",
            conditions={"namespace": "production"},
            namespaces="prod-*, staging",
            clusters=["eu"],
        )
    )
    assert entry.config == {"url": "https://hooks.example.com/a"}
    assert entry.subscription == {
        "event_types": ["pod_crash", "all"],
        "min_severity": "high",
        "conditions": {"namespace": "production"},
        "namespaces": ["prod-*", "staging"],
        "clusters": ["eu"],
    }


def test_what_is_not_said_is_not_made_up() -> None:
    (entry,) = parse(webhook(conditions={"cost_threshold": 1000, "namespace": "production"}))
    assert entry.subscription == {"conditions": {"cost_threshold": 1000, "namespace": "production"}}
    assert (entry.enabled, entry.deliver_brief, entry.subscriptions) == (None, None, None)


@pytest.mark.parametrize(
    "document", [webhook(), [webhook()], {"connectors": [webhook()]}], ids=["object", "list", "connectors"]
)
def test_a_file_is_one_connector_or_a_list_of_them(document: Any) -> None:
    assert [entry.name for entry in parse(document)] == ["hook"]


@pytest.mark.parametrize(
    ("document", "error"),
    [
        ("hook", "A connector is an object with name, type and config."),
        ({"connectors": {}}, "connectors: This must be a list."),
        ({"connectors": [], "version": 1}, "version: Only “connectors” may stand here."),
        ([webhook(), 7], "[1]: A connector is an object with name, type and config."),
        ({**webhook(), "name": ""}, "name: Every connector needs a name."),
        ({**webhook(), "name": "a" * 121}, "name: A name has at most 120 characters."),
        ({**webhook(), "enabled": "yes"}, "enabled: This must be true or false."),
        ({**webhook(), "config": []}, 'config: This must be an object, such as {"url": "https://…"}.'),
        (
            {**webhook(), "colour": "red"},
            "colour: There is no such field. There are: name, type, enabled, deliver_brief, config,"
            " subscriptions.",
        ),
        (
            webhook(events=["pod_crash", "pod_crush"]),
            "config.events[1]: There is no event type 'pod_crush'. Did you mean 'pod_crash'?",
        ),
        (webhook(events=7), 'config.events: This must be a list of texts, such as ["production"].'),
        (
            webhook(severity="awful"),
            "config.severity: There is no severity 'awful'. There are: critical, high, medium, low, info.",
        ),
        (
            webhook(conditions={"namespac": "a"}),
            "config.conditions.namespac: There is no condition 'namespac'. Did you mean 'namespace'?",
        ),
        (webhook(note="\0"), "config.note: NUL characters (\\u0000) are not allowed."),
        ({**webhook(), "subscriptions": {}}, "subscriptions: This must be a list."),
        (
            {**webhook(events=["all"]), "subscriptions": []},
            "subscriptions: Say it either here or in the config (events, conditions, …), not in both.",
        ),
        (
            {**webhook(), "subscriptions": [{"event": ["all"]}]},
            "subscriptions[0].event: There is no such field. There are: events, conditions, severity,"
            " namespaces, clusters, schedule, enabled, send_resolved.",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(document: Any, error: str) -> None:
    assert errors_of(document) == [error]


def test_an_empty_list_holds_no_connectors() -> None:
    assert parse([]) == []


def test_an_unknown_type_is_said_with_those_there_are() -> None:
    (error,) = errors_of({"connectors": [{**webhook(), "type": "carrier-pigeon"}]})
    assert error.startswith("connectors[0].type: There is no connector type 'carrier-pigeon'. There are: ")


def test_all_errors_of_a_file_are_said_at_once() -> None:
    document = [webhook(events=["nope"]), {**webhook(severity="awful"), "name": "other", "type": 7}]
    assert [error.split(":")[0] for error in errors_of(document)] == [
        "[0].config.events[0]",
        "[1].type",
        "[1].config.severity",
    ]


def test_two_connectors_of_one_name_are_an_error() -> None:
    assert errors_of([webhook(), webhook()]) == ["[1].name: 'hook' is already the name of [0]."]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_what_is_written_back_reads_the_same(path: Path) -> None:
    defaults = {"conditions": {}, "min_severity": "info", "namespaces": [], "clusters": []}
    for entry in parse(example(path)):
        block = {**defaults, "enabled": True, "send_resolved": True, "event_types": [], **entry.subscription}
        whole = Entry(
            name=entry.name, provider=entry.provider, config=entry.config, subscriptions=[block], enabled=True
        )
        (again,) = parse(to_json(whole))
        assert (again.name, again.provider, again.config) == (entry.name, entry.provider, entry.config)
        assert {**block, **again.subscription} == block


def test_several_subscriptions_are_written_beside_the_config() -> None:
    blocks = [{"event_types": ["all"], "send_resolved": False}, {"event_types": ["hpa_maxed"]}]
    said = to_json(Entry(name="hook", provider="webhook", subscriptions=blocks))
    assert said["subscriptions"] == [{"events": ["all"], "send_resolved": False}, {"events": ["hpa_maxed"]}]
    (again,) = parse(said)
    assert again.subscriptions is not None
    assert [block["event_types"] for block in again.subscriptions] == [["all"], ["hpa_maxed"]]
    assert [block["send_resolved"] for block in again.subscriptions] == [False, True]
