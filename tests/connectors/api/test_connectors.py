"""Connectors, providers and deliveries over the API. Who may do what: tests/kubegraf/rights.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from django.utils import timezone

from connectors import registry
from connectors.configuration import setup
from connectors.models import Attempt, Connector, Delivery, DeliveryStatus
from connectors.outbox import Order, delivery_for
from tests.calling import Caller, mistakes
from tests.making import make_connector, make_message
from tests.receiver import Receiver

pytestmark = pytest.mark.django_db

URL = "https://hooks.example.com/whole-address-is-secret"
HUSH = "hush-hush-4711"


@pytest.fixture
def caller() -> Caller:
    """Someone who may do everything."""
    return Caller(everything=True)


@pytest.fixture
def loopback(settings: Any) -> None:
    """Lets connectors reach the receivers of a test."""
    settings.ALLOW_HTTP = True
    settings.EGRESS_ALLOW = ["127.0.0.0/8"]


def webhook(**more: Any) -> dict[str, Any]:
    """The body of a new webhook connector; arguments are its config."""
    return {"name": "hook", "type": "webhook", "config": {"url": URL, **more}}


def make_delivery(connector: Connector, **more: Any) -> Delivery:
    """A delivery on record."""
    delivery = delivery_for(Order(connector, make_message(), "subscription:1"))
    for name, value in more.items():
        setattr(delivery, name, value)
    delivery.save(force_insert=True)
    return delivery


# --- Configuration and secrets --------------------------------------------------------------------------


@pytest.mark.parametrize("slug", sorted(registry.all_providers()))
def test_each_providers_example_makes_a_connector_whose_answer_holds_no_secret(
    caller: Caller, slug: str
) -> None:
    provider = registry.provider(slug)
    answer = caller.post("connectors/", {"name": slug, "type": slug, "config": dict(provider.example)})
    connector = Connector.objects.get(pk=answer["id"])
    assert setup.config_of(connector) == setup.validate(slug, provider.example)
    for secret in setup.secret_values(setup.config_of(connector)):
        assert secret not in str(answer)


def test_of_a_secret_an_answer_says_whether_it_is_set(caller: Caller) -> None:
    answer = caller.post("connectors/", webhook(headers={"X-Api-Key": HUSH}, method="PUT"))
    assert answer["config"] == {
        "url": "set",
        "method": "PUT",
        "headers": {"X-Api-Key": "set"},
        "signing_secret": None,
        "previous_signing_secret": None,
    }


def test_a_new_connector_is_enabled_unless_it_is_said_not_to_be(caller: Caller) -> None:
    assert caller.post("connectors/", webhook())["enabled"] is True
    assert caller.post("connectors/", {**webhook(), "name": "off", "enabled": False})["enabled"] is False


def test_an_error_stands_at_its_config_field(caller: Caller) -> None:
    answer = caller.post("connectors/", webhook(url="ftp://x", method="GET"), 400)
    assert set(mistakes(answer)) == {"config.url", "config.method"}
    assert mistakes(answer)["config.url"] == ["Enter the whole address, beginning with https://"]
    assert Connector.objects.count() == 0


def test_a_rejected_secret_is_not_echoed(caller: Caller) -> None:
    answer = caller.post("connectors/", webhook(url=f"https://user:{HUSH}@hooks.example.com/"), 400)
    assert HUSH not in str(answer)
    assert Connector.objects.count() == 0


def test_an_option_that_there_is_not_is_an_error(caller: Caller) -> None:
    answer = caller.post("connectors/", webhook(methd="PUT"), 400)
    assert mistakes(answer) == {"config.methd": ["There is no such option. Is method meant?"]}
    assert Connector.objects.count() == 0


@pytest.mark.parametrize(
    ("slug", "field", "config"),
    [
        ("webhook", "url", {"url": "http://hooks.example.com/x"}),
        ("slack", "webhook_url", {"webhook_url": "HTTP://hooks.example.com/services/x"}),
        ("github", "base_url", {**registry.provider("github").example, "base_url": "http://api.example.com"}),
    ],
)
def test_an_address_in_the_clear_is_refused_where_none_may_be_called(
    caller: Caller, settings: Any, slug: str, field: str, config: dict[str, Any]
) -> None:
    body = {"name": "hook", "type": slug, "config": config}
    (where, (says,)) = next(iter(mistakes(caller.post("connectors/", body, 400)).items()))
    assert (where, says.partition(".com ")[2]) == (
        f"config.{field}",
        "would be sent everything in the clear. Use https, or set KUBEGRAF_ALLOW_HTTP=1 where the network can"
        " be trusted.",
    )
    assert Connector.objects.count() == 0

    settings.ALLOW_HTTP = True
    caller.post("connectors/", body)


def test_a_connector_with_an_address_in_the_clear_can_be_changed_otherwise(caller: Caller) -> None:
    connector = make_connector(url="http://hooks.example.com/x", format="kubegraf")
    caller.patch(f"connectors/{connector.pk}/", {"config": {"method": "PUT"}})
    caller.put(
        f"connectors/{connector.pk}/",
        {"name": "hook", "type": "webhook", "config": {"url": "set", "format": "cloudevents"}},
    )
    assert setup.join(Connector.objects.get())["url"] == "http://hooks.example.com/x"

    config = {**registry.provider("github").example, "base_url": "http://github.example.com/api/v3"}
    connector = make_connector("other", "github", **config)
    body = {"name": "other", "type": "github", "config": {**config, "labels": ["new"], "token": "set"}}
    caller.put(f"connectors/{connector.pk}/", body)


def test_a_field_that_there_is_not_is_an_error(caller: Caller) -> None:
    answer = caller.post("connectors/", {**webhook(), "nmae": "hook"}, 400)
    assert list(mistakes(answer)) == ["nmae"]
    assert Connector.objects.count() == 0


def test_an_unknown_type_is_an_error(caller: Caller) -> None:
    answer = caller.post("connectors/", {**webhook(), "type": "carrier-pigeon"}, 400)
    known = "email, github, teams, pagerduty, slack, webhook"
    assert mistakes(answer) == {"type": [f'"carrier-pigeon" is not a valid choice. There are: {known}.']}
    assert Connector.objects.count() == 0


def test_patch_changes_what_it_names_and_keeps_the_rest(caller: Caller) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH}, format="kubegraf")
    caller.patch(f"connectors/{connector.pk}/", {"config": {"method": "PATCH"}})
    assert setup.join(Connector.objects.get()) == {
        "url": URL,
        "headers": {"X-Api-Key": HUSH},
        "format": "kubegraf",
        "method": "PATCH",
    }


@pytest.mark.parametrize("blank", ["", "set"])
def test_a_blank_secret_and_its_stand_in_keep_what_is_stored(caller: Caller, blank: str) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    body = {"config": {"url": blank, "headers": {"X-Api-Key": blank, "X-New": "new"}}}
    caller.patch(f"connectors/{connector.pk}/", body)
    stored = setup.join(Connector.objects.get())
    assert stored == {"url": URL, "headers": {"X-Api-Key": HUSH, "X-New": "new"}}


def test_null_takes_a_secret_away(caller: Caller) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    caller.patch(f"connectors/{connector.pk}/", {"config": {"headers": None}})
    assert setup.join(Connector.objects.get()) == {"url": URL}


def test_put_replaces_the_options_and_keeps_the_secrets(caller: Caller) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH}, method="PUT")
    body = {"name": "hook", "type": "webhook", "config": {"format": "cloudevents"}}
    caller.put(f"connectors/{connector.pk}/", body)
    stored = setup.join(Connector.objects.get())
    assert stored == {"url": URL, "headers": {"X-Api-Key": HUSH}, "format": "cloudevents"}


def test_what_get_gives_can_be_put_back(caller: Caller) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH}, method="PUT")
    before = setup.join(connector)
    caller.put(f"connectors/{connector.pk}/", caller.get(f"connectors/{connector.pk}/"))
    assert setup.join(Connector.objects.get()) == before


def test_a_read_only_field_cannot_be_written(caller: Caller) -> None:
    connector = make_connector()
    answer = caller.patch(f"connectors/{connector.pk}/", {"paused_reason": "a holiday"}, 400)
    assert mistakes(answer) == {"paused_reason": ["This field cannot be written."]}
    assert Connector.objects.get().paused_reason == ""


def test_a_new_address_takes_its_secrets_with_it(caller: Caller) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    body = {"config": {"url": "https://elsewhere.example.net/"}}
    answer = caller.patch(f"connectors/{connector.pk}/", body, 400)
    assert list(mistakes(answer)) == ["config.headers"]
    assert setup.join(Connector.objects.get())["url"] == URL


def test_a_new_address_given_as_a_reference_takes_its_secrets_with_it(caller: Caller) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    body = {"config": {"url": "env:KUBEGRAF_SECRET_ELSEWHERE"}}
    answer = caller.patch(f"connectors/{connector.pk}/", body, 400)
    assert list(mistakes(answer)) == ["config.headers"]
    assert setup.join(Connector.objects.get())["url"] == URL


def test_the_type_cannot_be_changed(caller: Caller) -> None:
    connector = make_connector()
    answer = caller.patch(f"connectors/{connector.pk}/", {"type": "slack"}, 400)
    assert list(mistakes(answer)) == ["type"]
    assert Connector.objects.get().provider == "webhook"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"{", 400, "This is not JSON"),
        (b'"\xff"', 400, "This is not UTF-8 text."),
        (b'{"name": "a\\u0000b", "type": "webhook"}', 400, "NUL characters"),
        (b'{"name": "a\\ud800b", "type": "webhook"}', 400, "half of a surrogate pair"),
        (b'{"config": {"url": "\\u0000"}}', 400, "config.url: NUL characters"),
        (b'{"name": "a", "name": "b"}', 400, "the same name is twice in one object"),
        (b"[" * 100_000 + b"]" * 100_000, 400, "nested too deeply"),
        (b"[]", 400, "Expected a dictionary"),
        (b'{"name": "' + b"a" * 1_100_000 + b'"}', 413, "at most 1048576 bytes"),
    ],
)
def test_a_body_that_cannot_be_kept_is_refused(caller: Caller, body: bytes, status: int, words: str) -> None:
    answer = caller.call("POST", "connectors/", body)
    assert (answer.status_code, words in answer.content.decode().replace("\\\\", "\\")) == (status, True)
    assert Connector.objects.count() == 0


# --- Test, preview, resume ------------------------------------------------------------------------------


@pytest.mark.usefixtures("loopback")
def test_a_test_is_sent_and_told_of(caller: Caller, receiver: Receiver) -> None:
    connector = make_connector(url=f"http://{receiver.host}/hook")
    answer = caller.post(f"connectors/{connector.pk}/test/", status=200)
    assert (answer["delivered"], answer["delivery"]["status"]) == (True, "delivered")
    assert answer["delivery"]["attempts"][0]["http_status"] == 200
    assert receiver.requests[0].json()["event_type"] == "test"


@pytest.mark.usefixtures("loopback")
def test_a_test_that_fails_says_why(caller: Caller, receivers: Any) -> None:
    connector = make_connector(url=f"http://{receivers([(401, {}, b'no')]).host}/hook", headers={"X": HUSH})
    answer = caller.post(f"connectors/{connector.pk}/test/", status=200)
    assert answer["delivered"] is False
    assert answer["words"].startswith("The test failed. ")
    assert HUSH not in str(answer)


def test_a_preview_shows_the_message_and_no_secret(caller: Caller) -> None:
    connector = make_connector(url=URL, headers={"X-Api-Key": HUSH})
    answer = caller.post(f"connectors/{connector.pk}/preview/", status=200)
    assert set(answer) == {"format", "target", "content"}
    assert "my-app-123" in str(answer["content"])
    assert HUSH not in str(answer)
    assert Delivery.objects.count() == 0


def test_a_connector_that_cannot_be_used_has_no_preview(caller: Caller) -> None:
    connector = make_connector(url="env:KUBEGRAF_SECRET_NOT_SET_ANYWHERE")
    answer = caller.post(f"connectors/{connector.pk}/preview/", status=409)
    assert "KUBEGRAF_SECRET_NOT_SET_ANYWHERE" in answer["detail"]


def test_resume_ends_the_pause(caller: Caller) -> None:
    connector = make_connector()
    Connector.objects.update(paused_at=timezone.now(), paused_reason="The token was revoked.")
    assert caller.get(f"connectors/{connector.pk}/")["state"] == "paused"
    assert caller.post(f"connectors/{connector.pk}/resume/", status=200)["paused_at"] is None
    assert Connector.objects.get().paused_at is None


# --- Lists ----------------------------------------------------------------------------------------------


def test_connectors_are_filtered(caller: Caller) -> None:
    make_connector("one")
    make_connector("two", "slack", webhook_url="https://hooks.slack.com/services/T0/B0/made0up")
    Connector.objects.filter(name="one").update(paused_at=timezone.now(), enabled=False)
    for query, names in (
        ({"type": "slack"}, ["two"]),
        ({"name": "one"}, ["one"]),
        ({"enabled": "true"}, ["two"]),
        ({"paused": "true"}, ["one"]),
        ({"paused": "false"}, ["two"]),
    ):
        assert [row["name"] for row in caller.get("connectors/", **query)["results"]] == names, query


def test_connectors_are_found_by_how_they_fare(caller: Caller) -> None:
    now = timezone.now()
    for name, columns in {
        "untried": {},
        "working": {"last_success_at": now},
        "failing": {"last_success_at": now, "last_failure_at": now + timedelta(seconds=1)},
        "open": {"last_success_at": now, "breaker": "open"},
        "paused": {"paused_at": now, "last_success_at": now},
    }.items():
        Connector.objects.filter(pk=make_connector(name).pk).update(**columns)
    for state, names in (
        ("untried", ["untried"]),
        ("working", ["working"]),
        ("failing", ["failing", "open"]),
        ("paused", ["paused"]),
    ):
        rows = caller.get("connectors/", state=state)["results"]
        assert [(row["name"], row["state"]) for row in rows] == [(name, state) for name in names]


def test_deliveries_are_found_by_words_all_of_which_they_have(caller: Caller) -> None:
    connector = make_connector("Team hook")
    make_delivery(connector, status="failed", note="The host 100% refused it")
    make_delivery(connector, status="delivered")
    for words, statuses in (
        ("refused", {"failed"}),
        ("TEAM refused", {"failed"}),
        ("refused team nowhere", set()),
        ("'host 100% refused'", {"failed"}),
        ('"refused host"', set()),
        ("_", set()),
        ("hook", {"failed", "delivered"}),
    ):
        found = caller.get("deliveries/", search=words)["results"]
        assert {row["status"] for row in found} == statuses, words


def test_words_to_search_for_are_few(caller: Caller) -> None:
    caller.get("deliveries/", search=" ".join(["a"] * 20))
    for words, text in (
        (" ".join(["a"] * 21), "These are more than 20 words."),
        ("a" * 501, "Ensure this value has at most 500 characters (it has 501)."),
    ):
        answer = caller.call("GET", f"deliveries/?{urlencode({'search': words})}")
        assert mistakes(answer.json()) == {"search": [text]}


def test_a_misspelt_filter_is_an_error_and_not_everything(caller: Caller) -> None:
    answer = caller.call("GET", "deliveries/?sttus=failed")
    assert answer.status_code == 400
    assert list(mistakes(answer.json())) == ["sttus"]


@pytest.mark.parametrize(
    "query",
    [
        "enabled=1",
        "enabled=yes",
        "enabled=null",
        "enabled=",
        "name=",
        "name=a&name=b",
        "type=",
        "name=%20",
        "name=%0A",
        "search=",
        "search=%20",
    ],
)
def test_a_filter_that_says_nothing_clear_is_an_error_and_not_everything(caller: Caller, query: str) -> None:
    answer = caller.call("GET", f"connectors/?{query}")
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, [query.partition("=")[0]])


@pytest.mark.parametrize("connector", ["1.5", "1e3", "-1", "9223372036854775808", "٣", "one"])
def test_an_id_is_a_whole_number(caller: Caller, connector: str) -> None:
    for collection in ("deliveries", "subscriptions"):
        answer = caller.call("GET", f"{collection}/?connector={connector}")
        assert (answer.status_code, list(mistakes(answer.json()))) == (400, ["connector"])


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00%2B14:00",
        "2025-01-15",
        "2025-01-15T10:30:00",
        "2025-13-15T10:30:00Z",
        "20250115T103000Z",
        "",
    ],
)
def test_a_moment_has_a_date_a_time_and_an_offset(caller: Caller, moment: str) -> None:
    answer = caller.call("GET", f"deliveries/?since={moment}")
    assert (answer.status_code, list(mistakes(answer.json()))) == (400, ["since"])


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("name", 5, "This must be a text."),
        ("enabled", "yes", "This must be true or false."),
        ("enabled", 1, "This must be true or false."),
        ("digest_after", "5", "This must be a whole number."),
        ("digest_after", 5.5, "This must be a whole number."),
        ("digest_after", True, "This must be a whole number."),
        ("rate_per_second", "2.5", "This must be a number."),
    ],
)
def test_a_value_of_another_type_is_told_and_not_guessed_at(
    caller: Caller, name: str, value: Any, words: str
) -> None:
    connector = make_connector()
    answer = caller.patch(f"connectors/{connector.pk}/", {name: value}, 400)
    assert mistakes(answer) == {name: [words]}
    assert getattr(Connector.objects.get(), name) == getattr(connector, name)


def test_pages_have_a_size_and_a_limit_on_it(caller: Caller) -> None:
    for number in range(3):
        make_connector(f"hook {number}")
    page = caller.get("connectors/", limit=2)
    assert [row["name"] for row in page["results"]] == ["hook 0", "hook 1"]
    for limit in ("0", "-1", "501", "many", "", "9" * 30):
        answer = caller.call("GET", f"connectors/?limit={limit}")
        assert (answer.status_code, list(mistakes(answer.json()))) == (400, ["limit"])


def test_deliveries_are_filtered(caller: Caller) -> None:
    connector = make_connector()
    make_delivery(connector, status="failed", reason="timeout")
    make_delivery(connector, status="delivered")
    for query, statuses in (
        ({"status": "failed"}, {"failed"}),
        ({"status": ["failed", "delivered"]}, {"failed", "delivered"}),
        ({"reason": "timeout"}, {"failed"}),
        ({"connector": connector.pk}, {"failed", "delivered"}),
        ({"connector": connector.pk + 1}, set()),
        ({"event_type": "pod_crash_loop", "severity": "critical"}, {"failed", "delivered"}),
        ({"event_type": "hpa_maxed"}, set()),
        ({"cluster": "production", "namespace": "default"}, {"failed", "delivered"}),
        ({"namespace": "elsewhere"}, set()),
        ({"event": "event-1", "key": "key-1"}, {"failed", "delivered"}),
        ({"since": "2999-01-01T00:00:00Z"}, set()),
        ({"until": "2999-01-01T00:00:00Z"}, {"failed", "delivered"}),
    ):
        found = caller.get("deliveries/", **query)["results"]
        assert {row["status"] for row in found} == statuses, query


def test_a_filter_that_cannot_be_read_is_an_error(caller: Caller) -> None:
    for query in ("since=yesterday", "status=nowhere", "connector=one", "key=%00"):
        assert caller.call("GET", f"deliveries/?{query}").status_code == 400, query


def test_a_delivery_has_its_message_and_attempts(caller: Caller) -> None:
    delivery = make_delivery(make_connector())
    Attempt.objects.create(delivery=delivery, number=1, error="HTTP 502", http_status=502)
    answer = caller.get(f"deliveries/{delivery.pk}/")
    assert answer["message"]["title"] == answer["title"] == "Pod my-app-123 in crash loop"
    assert [attempt["error"] for attempt in answer["attempts"]] == ["HTTP 502"]


@pytest.mark.parametrize("name", ["4711", "0" * 32, "g" * 32, "99999999999999999999"])
def test_what_is_not_there_is_not_found(caller: Caller, name: str) -> None:
    for collection in ("connectors", "deliveries", "subscriptions", "events", "clusters"):
        assert caller.call("GET", f"{collection}/{name}/").status_code == 404


def test_a_delivery_that_failed_says_what_that_means_and_what_to_do(caller: Caller) -> None:
    connector = make_connector()
    words = []
    for status in ("failed", "retrying", "delivered"):
        delivery = make_delivery(connector, status=status, reason="timeout")
        told = caller.get(f"deliveries/{delivery.pk}/")
        words.append((told["meaning"], told["remedy"]))
    timeout = (
        "The receiver did not answer in time.",
        "See whether it is up and not overloaded. It may have taken the message all the same.",
    )
    assert words == [timeout, timeout, ("", "")]


def test_redeliver_sends_a_settled_delivery_once_more(caller: Caller) -> None:
    delivery = make_delivery(make_connector(), status=DeliveryStatus.FAILED, settled_at=timezone.now())
    assert caller.post(f"deliveries/{delivery.pk}/redeliver/", status=200)["status"] == "pending"


def test_redeliver_leaves_alone_what_is_on_its_way(caller: Caller) -> None:
    delivery = make_delivery(make_connector())
    assert "still on its way" in caller.post(f"deliveries/{delivery.pk}/redeliver/", status=409)["detail"]


def test_redeliver_takes_a_connector(caller: Caller) -> None:
    connector = make_connector()
    delivery = make_delivery(connector, status=DeliveryStatus.FAILED)
    connector.delete()
    assert "deleted" in caller.post(f"deliveries/{delivery.pk}/redeliver/", status=409)["detail"]
    assert Delivery.objects.get().status == DeliveryStatus.FAILED


def test_deliveries_are_not_written_over_the_api(caller: Caller) -> None:
    delivery = make_delivery(make_connector())
    for method, path in (("POST", "deliveries/"), ("PATCH", f"deliveries/{delivery.pk}/")):
        assert caller.call(method, path, {}).status_code == 405
    assert caller.call("DELETE", f"deliveries/{delivery.pk}/").status_code == 405

    assert list(Delivery.objects.values_list("pk", "status")) == [(delivery.pk, delivery.status)]


def test_dead_letters_are_summed_up_with_what_to_do(caller: Caller) -> None:
    hook, other = make_connector(), make_connector("other")
    for connector, reason in ((hook, "tls"), (hook, "tls"), (other, "")):
        make_delivery(connector, status="failed", reason=reason)
    make_delivery(hook, status="delivered")
    Connector.objects.filter(name="other").delete()
    summed = caller.get("deliveries/dead-letters/")
    tls, unknown = summed["groups"]
    assert (summed["amount"], summed["more"]) == (3, False)
    assert (tls["connector"], tls["connector_name"], tls["reason"], tls["amount"]) == (
        hook.pk,
        "hook",
        "tls",
        2,
    )
    assert tls["remedy"].startswith("Renew the certificate")
    assert (unknown["connector"], unknown["connector_name"], unknown["remedy"]) == (None, "other", "")
    assert caller.call("GET", "deliveries/dead-letters/?connector=1").status_code == 400


# --- Providers ------------------------------------------------------------------------------------------


def test_providers_tell_their_schema_and_an_example_without_secrets(caller: Caller) -> None:
    found = {row["type"]: row for row in caller.get("providers/")}
    assert set(found) == set(registry.all_providers())
    assert found["webhook"]["schema"]["properties"]["url"]["writeOnly"] is True
    assert found["webhook"]["example"]["url"] == "…"
    assert caller.get("providers/webhook/") == found["webhook"]


def test_a_provider_that_there_is_not_is_not_found(caller: Caller) -> None:
    assert caller.call("GET", "providers/carrier-pigeon/").status_code == 404


# --- What lists cost ------------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", ["connectors", "deliveries"])
def test_a_list_takes_as_many_queries_for_one_as_for_twenty(
    caller: Caller, collection: str, django_assert_num_queries: Any
) -> None:
    for number in range(20):
        make_delivery(make_connector(f"hook {number}"))
    # The token and its user, the rows; of connectors, their subscriptions, last day, and queues.
    with django_assert_num_queries({"connectors": 5, "deliveries": 2}[collection]):
        assert len(caller.get(f"{collection}/")["results"]) == 20
