"""The history of the configuration: who, what, from where; no secret, and nothing of what the engine does."""

from __future__ import annotations

import io
import itertools
import json
import logging
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse
from django.utils import timezone

from connectors import history, outbox, text
from connectors.fields import EncryptedJSONText
from connectors.models import Connector
from kubegraf import roles, tokens
from kubegraf.pruning import prune
from tests.calling import Caller, mistakes
from tests.making import make_cluster, make_connector, make_silence, make_subscription

pytestmark = pytest.mark.django_db

PBKDF2 = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
HUSH = "hush-hush-very-secret"


def told(kind: str) -> list[tuple[str, dict[str, tuple[Any, Any]], str]]:
    """The lines about things of a kind, oldest first: verb, differences, remark."""
    return [
        (
            history.verb(line),
            {change["field"]: (change["old"], change["new"]) for change in line.changes},
            line.history_change_reason,
        )
        for _, line in reversed(history.lines([kind], limit=100))
    ]


# --- What makes a line ----------------------------------------------------------------------------------


def test_a_change_is_told_with_old_and_new_and_a_secret_only_as_set_anew() -> None:
    connector = make_connector(url=f"https://hooks.example.com/{HUSH}", method="POST")
    connector.enabled = False
    connector.options = {**connector.options, "method": "PUT"}
    connector.secrets = json.dumps({"url": f"https://hooks.example.com/{HUSH}-2"})
    connector.save()
    connector.delete()
    made, changed, deleted = told("connector")
    assert made[0] == "made"
    assert made[1]["name"] == (None, "hook")
    assert made[2] == "config.url: set anew"
    assert changed == (
        "changed",
        {"enabled": (True, False), "options.method": ("POST", "PUT")},
        "config.url: set anew",
    )
    assert deleted == ("deleted", {}, "")


def test_no_secret_is_in_any_line() -> None:
    make_connector(url=f"https://hooks.example.com/{HUSH}", headers={"X-Api-Key": HUSH})
    make_cluster(access="kubeconfig", kubeconfig=f"token: {HUSH}")
    user = User.objects.create_user("somebody", password=HUSH)
    _, text = tokens.issue(user, "CI")
    for model in history.kinds().values():
        rows = repr(list(model._default_manager.values()))
        assert HUSH not in rows
        assert text not in rows
        assert user.password not in rows


def test_a_save_that_changes_nothing_makes_no_line() -> None:
    connector, cluster = make_connector(), make_cluster()
    subscription = make_subscription(connector, "hpa_maxed")
    for row in (connector, cluster, subscription):
        type(row).objects.get(pk=row.pk).save()
    assert [len(told(kind)) for kind in ("connector", "cluster", "subscription")] == [1, 1, 1]


def test_what_the_engine_writes_makes_no_line() -> None:
    connector, cluster = make_connector(), make_cluster()
    connector.breaker, connector.tokens, connector.last_failure = "open", [1.0], "no answer"
    connector.save(update_fields=["breaker", "tokens", "last_failure"])
    connector.save(update_fields=["breaker"])
    outbox.resume(connector)
    Connector.objects.update(paused_reason="its token was revoked", paused_at=timezone.now())
    cluster.state, cluster.problems, cluster.nodes_known = "watching", {"nodes": "forbidden"}, 3
    cluster.save(update_fields=["state", "problems", "nodes_known"])
    assert [len(told(kind)) for kind in ("connector", "cluster")] == [1, 1]


ENGINE = {
    "connector": {
        "tokens", "tokens_at", "held_until", "breaker", "failures_in_row", "breaker_trips", "breaker_until",
        "paused_at", "paused_reason", "last_success_at", "last_failure_at", "last_failure",
        "created_at", "updated_at",
    },
    "subscription": {"begun_at", "created_at", "updated_at"},
    "silence": {"created_by", "created_at", "ended_at", "ended_by"},  # itself a record of who did it
    "cluster": {
        "state", "state_message", "problems", "connected_since", "last_change_at", "heartbeat_at",
        "lag_seconds", "objects_known", "stream_restarts", "nodes_known", "nodes_not_ready", "health",
        "created_at",
    },
    "user": {"is_staff", "last_login", "date_joined"},
    "group": set(),
    "apitoken": {"digest", "shown", "created_at", "last_used_at"},
}  # fmt: skip


def test_every_column_is_tracked_or_a_secret_or_the_engines() -> None:
    for kind, model in history.kinds().items():
        columns = {column.name for column in model.instance_type._meta.fields if not column.primary_key}
        assert model.records.tracked | model.records.hidden | ENGINE[kind] == columns, kind


def test_a_secret_that_cannot_be_read_is_not_said_to_be_set_anew(settings: Any) -> None:
    connector = make_connector()
    settings.FIELD_ENCRYPTION_KEY = ["HZYTAqV8wDuJnP5SnmYkcsdMmZPqRTZvtMVhJ1EyLMs="]
    stored = Connector.objects.get(pk=connector.pk)
    stored.name = "renamed"
    stored.save()
    assert told("connector")[1] == ("changed", {"name": ("hook", "renamed")}, "")


def test_every_model_whose_secrets_are_encrypted_keeps_them_out() -> None:
    for model in history.kinds().values():
        assert not [column for column in model._meta.fields if isinstance(column, EncryptedJSONText)]


# --- Who, and from where ----------------------------------------------------------------------------------


def newest(kind: str) -> Any:
    """The newest line about things of a kind."""
    return history.lines([kind], limit=1)[0][1]


def test_a_change_in_the_console_is_told_with_the_person(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    client.post(reverse("admin:events_cluster_add"), {"name": "production", "access": "in_cluster"})
    line = newest("cluster")
    assert (line.who, line.source, line.token, line.object_name) == ("root", "console", "", "production")


def test_a_change_over_http_is_told_with_the_person_and_the_token() -> None:
    caller = Caller(everything=True)
    connector = make_connector()
    caller.patch(f"connectors/{connector.pk}/", {"enabled": False})
    line = newest("connector")
    assert (line.who, line.source, line.token) == (caller.user.username, "api", "tests")


def test_an_import_by_command_is_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "connectors.json"
    config = {"url": "https://hooks.example.com/kubegraf"}
    file.write_text(json.dumps({"name": "hook", "type": "webhook", "config": config}))
    call_command("import_connectors", str(file), stdout=io.StringIO())
    for kind in ("connector", "subscription"):
        line = newest(kind)
        assert (history.verb(line), line.who, line.source) == ("made", "", "command")


def test_what_was_refused_makes_no_line() -> None:
    connector = make_connector()
    Caller("view_connector").patch(f"connectors/{connector.pk}/", {"enabled": not connector.enabled}, 403)
    assert len(told("connector")) == 1


def test_the_name_of_who_did_it_outlives_them(client: Client) -> None:
    boss = User.objects.create_superuser("boss")
    client.force_login(boss)
    client.post(reverse("admin:events_cluster_add"), {"name": "production", "access": "in_cluster"})
    boss.delete()
    assert newest("cluster").who == "boss"


# --- People, roles and tokens -------------------------------------------------------------------------------


def test_roles_and_passwords_of_people_are_told() -> None:
    user = User.objects.create_user("somebody", password="as it was")
    roles.give(user, Group.objects.filter(name="Viewer"))
    roles.give(user, Group.objects.filter(name="Viewer"))
    roles.give(user, Group.objects.filter(name="Operator"))
    user.set_password("another")
    user.save()
    assert told("user")[1:] == [
        ("changed", {"roles": ([], ["Viewer"])}, ""),
        ("changed", {"roles": (["Viewer"], ["Operator"])}, ""),
        ("changed", {}, "password: set anew"),
    ]


def test_signing_in_makes_no_line(client: Client, settings: Any) -> None:
    user = User.objects.create_superuser("root", password="the same one")
    with override_settings(PASSWORD_HASHERS=[PBKDF2]):
        former = make_password("the same one")
    User.objects.update(password=former)
    with override_settings(PASSWORD_HASHERS=[*settings.PASSWORD_HASHERS, PBKDF2]):
        client.post(reverse("admin:login"), {"username": "root", "password": "the same one"})
    user.refresh_from_db()
    assert user.last_login is not None
    assert user.password != former  # hashed anew
    assert len(told("user")) == 1


def test_making_and_revoking_a_token_is_told() -> None:
    token, _ = tokens.issue(User.objects.create_user("somebody"), "CI", "read")
    tokens.used(token)
    tokens.revoke(token)
    made, revoked = told("apitoken")
    assert made[1] == {"user": (None, "somebody"), "name": (None, "CI"), "scope": (None, "read")}
    assert list(revoked[1]) == ["revoked_at"]


# --- Reading it -------------------------------------------------------------------------------------------


def test_pages_go_on_where_the_last_ended_and_miss_nothing() -> None:
    moment = timezone.now()
    for number in range(7):
        make_cluster(f"cluster-{number}")
        make_connector(f"hook-{number}")
    for model in history.kinds().values():  # all at one moment: only kind and number tell them apart
        model._default_manager.update(history_date=moment)
    caller = Caller("view_historicalconnector", "view_historicalcluster")
    seen: list[str] = []
    path = "history/?limit=3"
    while path:
        page = caller.get(path)
        seen += [line["id"] for line in page["results"]]
        path = (page["next"] or "").removeprefix("http://testserver")
    assert len(seen) == len(set(seen)) == 14


def test_a_page_has_the_way_back() -> None:
    for number in range(5):
        make_cluster(f"cluster-{number}")
        make_connector(f"hook-{number}")
    caller = Caller("view_historicalconnector", "view_historicalcluster")
    pages = [caller.get("history/?limit=4")]
    while pages[-1]["next"]:
        pages.append(caller.get(pages[-1]["next"].removeprefix("http://testserver")))
    assert [len(page["results"]) for page in pages] == [4, 4, 2]
    assert pages[0]["previous"] is None
    for earlier, later in itertools.pairwise(pages):
        back = caller.get(later["previous"].removeprefix("http://testserver"))
        assert back["results"] == earlier["results"]


def test_a_cursor_that_was_made_up_leads_to_no_page() -> None:
    assert Caller(everything=True).call("GET", "history/?cursor=x").status_code == 404


def test_an_object_that_cannot_be_is_none() -> None:
    make_connector()
    assert Caller(everything=True).get("history/", kind="connector", object="one")["results"] == []


def test_lines_are_found_by_kind_object_person_source_and_time() -> None:
    caller = Caller(everything=True)
    first, second = make_connector("first"), make_connector("second")
    caller.patch(f"connectors/{first.pk}/", {"enabled": False})
    soon = (timezone.now() + timedelta(minutes=1)).isoformat()

    def names(**query: str) -> list[str]:
        return [line["name"] for line in caller.get("history/", **query)["results"]]

    assert names(kind="connector") == ["first", "second", "first"]
    assert names(kind="connector", object=str(second.pk)) == ["second"]
    assert names(who=caller.user.username) == ["first"]
    assert names(kind="connector", source="command") == ["second", "first"]
    assert names(kind="connector", since=soon) == []
    assert names(kind="connector", until=soon) == ["first", "second", "first"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"kind": "session"}, "kind"),
        ({"object": "1"}, "object"),
        ({"source": "moon"}, "source"),
        ({"since": "yesterday"}, "since"),
        ({"since": "2025-13-40T00:00:00Z"}, "since"),
        ({"since": "2025-01-15T10:30:00"}, "since"),
        ({"who": ""}, "who"),
        ({"limit": "0"}, "limit"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_question_is_refused_by_parameter(query: dict[str, str], field: str) -> None:
    caller = Caller(everything=True)
    answer = caller.client.get("/api/v1/history/", query, headers={"Authorization": f"Token {caller.token}"})
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, [field])


def test_only_the_kinds_that_one_may_see_are_told() -> None:
    make_connector()
    make_cluster()
    caller = Caller("view_historicalcluster")
    assert {line["kind"] for line in caller.get("history/")["results"]} == {"cluster"}
    assert caller.call("GET", "history/?kind=connector").status_code == 400


def test_the_page_of_everything_takes_a_query_for_each_kind_and_no_more(
    client: Client, django_assert_num_queries: Any
) -> None:
    client.force_login(User.objects.create_superuser("root"))
    for number in range(60):
        make_cluster(f"cluster-{number}")
    with django_assert_num_queries(len(history.kinds()) + 2):  # and session and user
        html = client.get(reverse("history")).text
    assert "cluster-59" in html
    assert "cluster-9<" not in html
    older = html.split('class="kg-button" href="')[1].split('"')[0].replace("&amp;", "&")
    assert "cluster-9<" in client.get(reverse("history") + older).text


def labelled(client: Client, row: Any) -> dict[str, str]:
    """What the page of a thing's history calls each field, with the words beside it."""
    page = reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_history", args=(row.pk,))
    html = client.get(page).text
    found = re.findall(r"<dt>(.*?)</dt>\s*<dd>(.*?)</dd>", html, re.DOTALL)
    return {name: re.sub(r"<[^>]*>", "", words).strip() for name, words in found}


def test_the_page_calls_fields_as_their_forms_do(admin_client: Client) -> None:
    hook = f"https://hooks.slack.com/{HUSH}"
    connector = make_connector(provider="slack", webhook_url=hook, channel="#ops")
    subscription = make_subscription(connector, min_severity="high", conditions={"namespace": "shop"})
    silence = make_silence()

    assert labelled(admin_client, connector) == {
        "Name": "hook",
        "Type": "Slack",
        "Enabled": "yes",
        "Deliver what is already over": "no",
        "Digest beyond": "20",
        "Channel": "#ops",
        "Webhook URL": "set anew",
    }
    assert labelled(admin_client, subscription) == {
        "Connector": "hook",
        "Enabled": "yes",
        "Minimum severity": "high",
        "Conditions: namespace": "shop",
        "Send resolved": "yes",
    }
    assert labelled(admin_client, make_cluster(kubeconfig=HUSH))["Kubeconfig"] == "set anew"
    assert labelled(admin_client, silence)["From (UTC)"] == text.moment(silence.starts_at)


def test_options_of_a_provider_that_is_gone_are_called_by_their_names(admin_client: Client) -> None:
    connector = make_connector()
    Connector.objects.filter(pk=connector.pk).update(provider="pigeon")
    history.kinds()["connector"]._default_manager.update(provider="pigeon")
    assert labelled(admin_client, connector)["Url"] == "set anew"


def test_hostile_names_are_text(client: Client) -> None:
    client.force_login(User.objects.create_superuser("root"))
    connector = make_connector("<script>alert(1)</script>")
    for address in (reverse("history"), reverse("admin:connectors_connector_history", args=(connector.pk,))):
        html = client.get(address).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert(1)" in html


def test_the_page_of_one_thing_tells_only_of_it(client: Client) -> None:
    user = User.objects.create_user("viewer")
    roles.give(user, Group.objects.filter(name="Viewer"))
    client.force_login(user)
    first = make_connector("first", url=f"https://hooks.example.com/{HUSH}")
    make_connector("second")
    html = client.get(reverse("admin:connectors_connector_history", args=(first.pk,))).text
    assert "<dt>URL</dt><dd>set anew</dd>" in html
    assert "second" not in html
    assert HUSH not in html


# --- Forgetting -------------------------------------------------------------------------------------------


def test_old_lines_are_pruned_and_what_is_told_of_the_newer_ones_stays(settings: Any) -> None:
    settings.HISTORY_DAYS = 30
    connector = make_connector()
    model = history.kinds()["connector"]
    model._default_manager.update(history_date=timezone.now() - timedelta(days=31))
    connector.enabled = False
    connector.save()
    assert prune(dry_run=True).history == 1
    assert len(told("connector")) == 2
    assert prune().history == 1
    assert told("connector") == [("changed", {"enabled": (True, False)}, "")]


# --- What is done beside the configuration --------------------------------------------------------------


def test_whoever_tests_resumes_or_sends_once_more_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture, admin_client: Client
) -> None:
    caplog.set_level(logging.INFO, "connectors")
    connector = make_connector(url="https://hooks.example.com/x", name="hook")
    caller = Caller(everything=True)
    delivery = caller.post(f"connectors/{connector.pk}/test/", {}, 200)["delivery"]["id"]
    admin_client.post(reverse("admin:connectors_connector_resume", args=(connector.pk,)))
    admin_client.post(reverse("admin:connectors_delivery_redeliver", args=(delivery,)))
    outbox.resume(connector)

    said = [record.getMessage() for record in caplog.records if " by " in record.getMessage()]
    assert said == [
        f"connector hook: tested by {caller.user} (API, token tests)",
        "connector hook: resumed by admin (console)",
        f"delivery {delivery}: sent once more by admin (console)",
        "connector hook: resumed by the command line",
    ]
