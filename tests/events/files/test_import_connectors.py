"""`import_connectors` and `export_connectors`, as they are run: files in, rows and words out."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from connectors.configuration import setup
from connectors.models import Connector
from events.models import Subscription
from tests.events.files.test_seed_format import EXAMPLES, example, webhook
from tests.making import make_connector, make_subscription

pytestmark = pytest.mark.django_db

HUSH = "hush-hush-4711"


@pytest.fixture
def import_(tmp_path: Path) -> Any:
    """Imports documents, each as a file; gives what was printed."""

    def run(*documents: Any, **options: Any) -> str:
        paths = []
        for number, document in enumerate(documents):
            path = tmp_path / f"{number}.json"
            path.write_bytes(document if isinstance(document, bytes) else json.dumps(document).encode())
            paths.append(str(path))
        out = io.StringIO()
        call_command("import_connectors", *paths, stdout=out, **options)
        return out.getvalue()

    return run


def export(*names: str, **options: Any) -> tuple[Any, str]:
    """The exported document, and what was said beside it."""
    out, err = io.StringIO(), io.StringIO()
    call_command("export_connectors", *names, stdout=out, stderr=err, **options)
    return json.loads(out.getvalue()), err.getvalue()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_of_the_documentation_is_imported_and_the_second_time_changes_nothing(
    import_: Any, path: Path
) -> None:
    document = example(path)
    said = document.get("connectors", [document])
    import_(document)
    assert list(Connector.objects.order_by("pk").values_list("name", "provider", "enabled")) == [
        (connector["name"], connector["type"], True) for connector in said
    ]
    assert [s.event_types for s in Subscription.objects.order_by("pk")] == [
        connector["config"].get("events", []) for connector in said
    ]
    for connector in Connector.objects.all():
        setup.config_of(connector)
    before = list(Connector.objects.values("pk", "updated_at"))
    assert import_(document) == "".join(f"{connector['name']}: unchanged\n" for connector in said)
    assert list(Connector.objects.values("pk", "updated_at")) == before


def test_a_new_connector_of_which_nothing_is_said_receives_everything(import_: Any) -> None:
    assert import_(webhook()) == "hook: created\n  config.url: set anew\n  config: a new subscription\n"
    subscription = Subscription.objects.get()
    assert (subscription.event_types, subscription.min_severity) == ([], "info")


def test_a_pagerduty_severity_is_the_minimum_that_triggers(import_: Any) -> None:
    (path,) = (path for path in EXAMPLES if path.stem == "critical_alerts")
    import_(example(path))
    assert Subscription.objects.get().min_severity == "critical"


def test_a_dry_run_tells_and_writes_nothing(import_: Any) -> None:
    printed = import_(webhook(events=["all"]), dry_run=True)
    assert printed.startswith("hook: created\n")
    assert printed.endswith("This was a dry run: nothing was written.\n")
    assert Connector.objects.count() == 0


def test_a_dry_run_tells_changes_and_leaves_them(import_: Any) -> None:
    connector = make_connector(url="https://hooks.example.com/a", method="POST")
    assert "  config.method: 'POST' → 'PUT'\n" in import_(webhook(method="PUT"), dry_run=True)
    assert setup.join(Connector.objects.get()) == setup.join(connector)


def test_one_error_keeps_everything_out_and_all_errors_are_told(import_: Any) -> None:
    good, bad = webhook(), {**webhook(url="ftp://x", method="GET"), "name": "bad"}
    with pytest.raises(CommandError) as caught:
        import_([good, bad, {**webhook(events=["all"], mehtod="PUT"), "name": "worse"}])
    words = str(caught.value)
    assert "[1].config.url: Enter the whole address" in words
    assert "[1].config.method: " in words
    assert "[2].config.mehtod: There is no such option. Is method meant?" in words
    assert Connector.objects.count() == 0


def test_an_update_merges_the_config(import_: Any) -> None:
    make_connector(url="https://hooks.example.com/a", headers={"X-Api-Key": HUSH}, format="kubegraf")
    printed = import_({"name": "hook", "type": "webhook", "config": {"method": "PUT"}})
    assert printed == "hook: changed\n  config.method: nothing → 'PUT'\n"
    assert setup.join(Connector.objects.get()) == {
        "url": "https://hooks.example.com/a",
        "headers": {"X-Api-Key": HUSH},
        "format": "kubegraf",
        "method": "PUT",
    }


def test_a_changed_secret_is_told_without_either(import_: Any) -> None:
    make_connector(url="https://hooks.example.com/old-and-secret")
    printed = import_({**webhook(), "config": {"url": "https://hooks.example.com/new-and-secret"}})
    assert printed == "hook: changed\n  config.url: set anew\n"


def test_a_secret_that_is_stored_under_another_name_of_its_field_is_not_told_either(import_: Any) -> None:
    key = "0123456789abcdef0123456789abcdef"
    make_connector("on-call", "pagerduty", routing_key=key)
    printed = import_({"name": "on-call", "type": "pagerduty", "config": {"region": "eu"}})
    assert "config.routing_key: set anew\n" in printed
    assert key not in printed


def test_another_name_of_a_field_means_the_same_field(import_: Any) -> None:
    token = "ghp_made0up1token2for3tests4567890abcdef"
    make_connector("issues", "github", token=token, repo="myorg/old")
    printed = import_({"name": "issues", "type": "github", "config": {"repository": "myorg/new"}})
    assert printed == "issues: changed\n  config.repo: 'myorg/old' → 'myorg/new'\n"


def test_enabled_is_changed_only_where_it_is_said(import_: Any) -> None:
    make_connector(url="https://hooks.example.com/a")
    Connector.objects.update(enabled=False)
    import_(webhook())
    assert Connector.objects.get().enabled is False
    assert "  enabled: False → True\n" in import_({**webhook(), "enabled": True})
    assert Connector.objects.get().enabled is True


def test_the_type_cannot_be_changed(import_: Any) -> None:
    make_connector(url="https://hooks.example.com/a")
    with pytest.raises(CommandError, match="type: 'hook' is a connector of type 'webhook', and a type"):
        import_({"name": "hook", "type": "slack", "config": {}})
    assert Connector.objects.get().provider == "webhook"


def test_what_is_said_of_events_changes_the_one_subscription(import_: Any) -> None:
    connector = make_connector(url="https://hooks.example.com/a")
    make_subscription(connector, "hpa_maxed", namespaces=["production"])
    assert import_(webhook(events=["all"])) == "hook: changed\n  config.events: ['hpa_maxed'] → ['all']\n"
    subscription = Subscription.objects.get()
    assert (subscription.event_types, subscription.namespaces) == (["all"], ["production"])


def test_a_connector_with_several_subscriptions_is_left_alone_where_nothing_is_said(import_: Any) -> None:
    connector = make_connector(url="https://hooks.example.com/a")
    make_subscription(connector, "hpa_maxed")
    make_subscription(connector, "http_500")
    assert import_(webhook()) == "hook: unchanged\n"
    with pytest.raises(CommandError, match="several subscriptions"):
        import_(webhook(events=["all"]))


def test_a_list_of_subscriptions_replaces_those_there_are(import_: Any) -> None:
    connector = make_connector(url="https://hooks.example.com/a")
    for event_type in ("hpa_maxed", "http_500", "http_502"):
        make_subscription(connector, event_type)
    document = {**webhook(), "subscriptions": [{"events": ["hpa_maxed"]}, {"events": ["node_down"]}]}
    assert import_(document).splitlines() == [
        "hook: changed",
        "  subscriptions[1].events: ['http_500'] → ['node_down']",
        "  subscriptions[2]: deleted",
    ]
    assert [s.event_types for s in Subscription.objects.order_by("pk")] == [["hpa_maxed"], ["node_down"]]
    assert import_(document) == "hook: unchanged\n"


def test_several_files_are_one_import(import_: Any) -> None:
    with pytest.raises(CommandError, match=r"1\.json: config\.events\[0\]: There is no event type"):
        import_(webhook(), {**webhook(events=["nope"]), "name": "other"})
    assert Connector.objects.count() == 0


def test_two_files_cannot_speak_of_one_connector(import_: Any) -> None:
    with pytest.raises(CommandError, match="'hook' is in more than one file"):
        import_(webhook(), webhook(method="PUT"))

    assert Connector.objects.count() == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"name": ', "This is not JSON: Expecting value in line 1, column 10."),
        (b"\xff\xfe", "This is not UTF-8 text."),
        (b'{"name": "a", "name": "b"}', "the same name is twice in one object"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused_with_the_place(import_: Any, content: bytes, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        import_(content)
    assert words in str(caught.value)


def test_a_byte_order_mark_is_no_harm(import_: Any) -> None:
    assert import_(b"\xef\xbb\xbf" + json.dumps(webhook()).encode()).startswith("hook: created")


def test_a_file_that_is_not_there_is_said() -> None:
    with pytest.raises(CommandError, match="The file cannot be read: No such file or directory"):
        call_command("import_connectors", "/nowhere/at/all.json")


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(webhook()).encode())))
    call_command("import_connectors", "-", stdout=io.StringIO())
    assert Connector.objects.get().name == "hook"


# --- And back -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_export_holds_no_secret_and_imported_again_changes_nothing(import_: Any, path: Path) -> None:
    import_(example(path))
    document, said = export()
    for connector in Connector.objects.all():
        for secret in setup.secret_values(setup.config_of(connector)):
            assert secret not in json.dumps(document) + said
    assert set(import_(document).splitlines()) == {f"{c.name}: unchanged" for c in Connector.objects.all()}


def test_what_is_left_out_is_told_beside_it() -> None:
    make_connector(url="https://hooks.example.com/a", headers={"X-Api-Key": HUSH})
    assert export()[1] == "hook: without url, headers\n"


def test_references_stand_in_for_secrets_on_request(import_: Any) -> None:
    make_connector("My hook", url="https://hooks.example.com/a", headers={"X-Api-Key": HUSH})
    document, _ = export(references=True)
    config = document["connectors"][0]["config"]
    assert config["url"] == "env:KUBEGRAF_SECRET_MY_HOOK_URL"
    assert config["headers"] == {"X-Api-Key": "env:KUBEGRAF_SECRET_MY_HOOK_HEADERS_X_API_KEY"}
    Connector.objects.all().delete()
    assert import_(document).startswith("My hook: created")


def test_what_is_a_reference_already_stays() -> None:
    make_connector(url="env:KUBEGRAF_SECRET_HOOK")
    document, said = export()
    assert (document["connectors"][0]["config"], said) == ({"url": "env:KUBEGRAF_SECRET_HOOK"}, "")


def test_only_those_named_are_exported() -> None:
    make_connector("one")
    make_connector("two")
    assert [c["name"] for c in export("two")[0]["connectors"]] == ["two"]
    with pytest.raises(CommandError, match="There is no connector named 'three'"):
        export("two", "three")


def test_several_subscriptions_survive_the_way_out_and_back(import_: Any) -> None:
    connector = make_connector()
    make_subscription(connector, "hpa_maxed", send_resolved=False)
    make_subscription(connector, "http_500", conditions={"namespace": "production"})
    document, _ = export()
    assert document["connectors"][0]["subscriptions"] == [
        {"events": ["hpa_maxed"], "send_resolved": False},
        {"events": ["http_500"], "conditions": {"namespace": "production"}},
    ]
    assert import_(document) == "hook: unchanged\n"
