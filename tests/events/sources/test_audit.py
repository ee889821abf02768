"""Audit logs: which refusals count, who is one caller, and what is kept of their words."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.message import Severity
from events.refused_caller import MOST_NAMED, OTHERS, REMEMBERED, Caller, Kind, Record, Refusal
from events.sources.audit import NotAnEventList, read
from tests.recordings import audit_webhook

AT = datetime(2026, 11, 23, 3, 5, 16, tzinfo=UTC)
ACCOUNT = "system:serviceaccount:payments:default"
DENIED = {"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""}


def item(user: str = ACCOUNT, /, *, code: int = 403, at: datetime = AT, **more: Any) -> dict[str, Any]:
    """A request that was refused, as the API server logs it."""
    return {
        "level": "Metadata",
        "auditID": "1aff45c8-4659-43f5-8097-5c4bf5e866d3",
        "stage": "ResponseStarted" if code == 401 else "ResponseComplete",
        "requestURI": "/api/v1/namespaces/shop/configmaps",
        "verb": "list",
        "user": {"username": user, "groups": ["system:authenticated"]} if code == 403 else {},
        "sourceIPs": ["192.0.2.7"],
        "userAgent": "curl/7.88.1",
        "objectRef": {"resource": "configmaps", "namespace": "shop", "apiVersion": "v1"},
        "responseStatus": {"reason": "Forbidden" if code == 403 else "Unauthorized", "code": code},
        "requestReceivedTimestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "annotations": DENIED,
        **more,
    }


def anonymous(**more: Any) -> dict[str, Any]:
    """A request without any credentials that was refused."""
    nobody = {"username": "system:anonymous", "groups": ["system:unauthenticated"]}
    return item(**{"user": nobody, **more})


def body(*items: Any, **more: Any) -> bytes:
    """A batch of these."""
    whole = {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}, "items": items}
    return json.dumps({**whole, **more}).encode()


def counted(*items: Any) -> list[Refusal]:
    """Those of these that count."""
    return read(body(*items)).refusals


def each(number: int, *, apart: timedelta = timedelta(seconds=1), **more: Any) -> list[Refusal]:
    """So many refusals of one caller."""
    return counted(*(item(**{"at": AT + index * apart, **more}) for index in range(number)))


def record_of(refusals: list[Refusal], now: datetime = AT + timedelta(hours=1)) -> Record:
    record = Record(refusals[0].caller)
    record.take(refusals, now)
    return record


# --- What counts ---


def test_of_what_an_api_server_sent_the_refusals_count() -> None:
    logs = [read(line) for line in audit_webhook()]
    assert [(log.requests, len(log.refusals), log.odd) for log in logs] == [(2, 0, 0), (1, 0, 0), (20, 18, 0)]


def test_a_request_with_credentials_that_are_not_valid_counts_at_the_stage_at_which_it_is_logged() -> None:
    (refusal,) = counted(item(code=401))
    assert (refusal.code, refusal.caller.kind, refusal.caller.name) == (401, Kind.UNKNOWN, "192.0.2.7")


@pytest.mark.parametrize(
    "routine",
    [
        item(annotations={"authorization.k8s.io/decision": "allow"}),  # a quota
        item(stage="ResponseStarted"),
        item("system:node:worker-1", objectRef={"resource": "secrets"}),
        item("system:serviceaccount:kube-system:generic-garbage-collector"),
        item("system:kube-controller-manager"),
        item(objectRef={"resource": "leases", "apiGroup": "coordination.k8s.io"}),
        anonymous(objectRef=None, requestURI="/readyz?verbose"),
        anonymous(objectRef=None, requestURI="/livez/etcd"),
        item(code=401, objectRef=None, requestURI="/healthz"),
        anonymous(objectRef=None, requestURI="/"),
        anonymous(objectRef=None, requestURI="/version"),
        item(code=401, objectRef=None, requestURI="/api?timeout=32s"),
        item(code=401, objectRef=None, requestURI="/apis/apps/v1"),
    ],
)
def test_what_clusters_do_all_day_does_not_count(routine: dict[str, Any]) -> None:
    assert counted(routine) == []


@pytest.mark.parametrize(
    "odd",
    [
        item("system:serviceaccount:kube-systems:default"),
        item("system:nodes"),
        item(annotations=None),  # to act as somebody else was refused
        anonymous(objectRef={"resource": "leases", "apiGroup": "coordination.k8s.io"}),
        anonymous(objectRef=None, requestURI="/metrics"),
        anonymous(objectRef=None, requestURI="/readyzz"),
        item(objectRef=None, requestURI="/version"),
    ],
)
def test_what_looks_like_it_counts(odd: dict[str, Any]) -> None:
    assert len(counted(odd)) == 1


@pytest.mark.parametrize(
    ("asked", "grave"),
    [
        ({"resource": "secrets"}, True),
        ({"resource": "pods", "subresource": "exec"}, True),
        ({"resource": "pods", "subresource": "attach"}, True),
        ({"resource": "pods", "subresource": "portforward"}, True),
        ({"resource": "pods", "subresource": "log"}, False),
        ({"resource": "secrets", "apiGroup": "example.com"}, False),
    ],
)
def test_an_anonymous_request_for_secrets_or_into_a_pod_is_enough_at_once(
    asked: dict[str, str], grave: bool
) -> None:
    record = record_of(counted(anonymous(objectRef=asked)))
    assert (record.enough, record.finding().severity is Severity.CRITICAL) == (grave, grave)


def test_somebody_known_who_asks_for_secrets_once_is_not_enough() -> None:
    assert not record_of(counted(item(objectRef={"resource": "secrets"}))).enough


# --- Counting ---


def test_five_within_five_minutes_are_enough() -> None:
    assert [record_of(each(number)).enough for number in (4, 5)] == [False, True]


@pytest.mark.parametrize(("apart", "enough"), [(75, True), (76, False)])
def test_as_many_over_a_longer_time_are_not(apart: int, enough: bool) -> None:
    assert record_of(each(5, apart=timedelta(seconds=apart))).enough is enough


def test_what_was_enough_once_stays_so() -> None:
    record = record_of(each(5))
    record.take(each(1, at=AT + timedelta(minutes=20)), AT + timedelta(hours=1))
    assert (record.enough, record.count) == (True, 6)


def test_what_is_sent_again_counts_once() -> None:
    refusals = each(5)
    record = record_of(refusals)
    assert (record.take(refusals, AT + timedelta(hours=1)), record.count) == (0, 5)


def test_an_audit_id_that_the_caller_chose_hides_no_request() -> None:
    assert len({refusal.id for refusal in each(5)}) == 5


def test_what_is_known_again_is_bounded() -> None:
    record = record_of(each(1200, apart=timedelta(milliseconds=1)))
    assert (len(record.recent), record.count) == (1000, 1200)


def test_what_is_long_past_is_not_known_again() -> None:
    record = record_of(each(1))
    record.take(each(1, at=AT + REMEMBERED + timedelta(seconds=1)), AT + timedelta(hours=1))
    assert len(record.recent) == 1


def test_a_time_to_come_counts_as_now() -> None:
    record = record_of(each(1, at=AT + timedelta(days=1)), now=AT)
    assert (record.since, list(record.recent.values())) == (AT, [AT.timestamp()])


# --- Who is one caller ---


def test_a_user_is_one_caller_wherever_they_come_from() -> None:
    here, there = counted(item("alice"), item("alice", sourceIPs=["198.51.100.1"]))
    assert here.caller == there.caller


def test_those_who_do_not_sign_in_are_told_apart_by_address() -> None:
    here, there = counted(anonymous(), anonymous(sourceIPs=["198.51.100.1"]))
    assert (here.caller.key, here.caller.ref.resource) == ("anonymous 192.0.2.7", "Address/192.0.2.7")
    assert there.caller.key == "anonymous 198.51.100.1"


def test_an_address_that_a_caller_may_make_up_makes_no_other_caller() -> None:
    (refusal,) = counted(anonymous(sourceIPs=["203.0.113.9", "192.0.2.7"]))
    assert refusal.caller.name == "192.0.2.7"


def test_an_address_that_a_caller_may_make_up_is_told_all_the_same() -> None:
    (refusal,) = counted(anonymous(sourceIPs=["203.0.113.9", "192.0.2.7"]))
    assert record_of([refusal]).addresses == ["203.0.113.9", "192.0.2.7"]


def test_addresses_of_one_ipv6_network_are_one_caller() -> None:
    here, there = counted(anonymous(sourceIPs=["2001:db8::1"]), anonymous(sourceIPs=["2001:db8::ffff"]))
    assert here.caller.name == there.caller.name == "2001:db8::/64"


def test_a_service_account_is_named_as_one_in_its_namespace() -> None:
    (refusal,) = counted(item("system:serviceaccount:external-secrets:external-secrets"))
    assert (refusal.caller.ref.resource, refusal.caller.ref.namespace) == (
        "ServiceAccount/external-secrets",
        "external-secrets",
    )


def test_names_that_are_cut_alike_are_told_apart() -> None:
    one, another = counted(item("a" * 300 + "1"), item("a" * 300 + "2"))
    assert one.caller.name == another.caller.name
    assert one.caller.key != another.caller.key
    assert max(len(one.caller.key), len(another.caller.key)) <= 255


# --- What is said ---


def test_the_event_says_who_was_refused_what_and_why() -> None:
    finding = record_of(each(5)).finding()
    assert finding.title == "The service account payments/default is refused again and again"
    assert finding.description == "5 requests were refused (403): list configmaps in shop."
    assert finding.since == AT
    assert finding.severity is Severity.HIGH
    assert finding.details == {
        "user": ACCOUNT,
        "refused": 5,
        "groups": ["system:authenticated"],
        "source_ips": ["192.0.2.7"],
        "user_agents": ["curl/7.88.1"],
        "verbs": ["list"],
        "resources": ["configmaps"],
        "namespaces": ["shop"],
        "reason": "Forbidden",
        "status_codes": ["403"],
    }
    assert [each.command for each in finding.recommendations] == [f"kubectl auth can-i --list --as={ACCOUNT}"]


def test_lists_in_the_details_are_bounded() -> None:
    many = counted(*(item(userAgent=f"x/{n}", at=AT + timedelta(seconds=n)) for n in range(50)))
    assert len(record_of(many).agents) == MOST_NAMED


def test_a_strangers_words_are_cleaned_cut_and_masked() -> None:
    agent = "x\u0000\u202e\nBearer abcdefgh12345678 " + "y" * 500
    (refusal,) = counted(item("alice\u0000 password=hunter2hunter2", userAgent=agent))
    record = record_of([refusal])
    assert record.caller.name == "alice password=***"
    assert record.agents[0].startswith("x Bearer *** y")
    assert len(record.agents[0]) <= 200


@pytest.mark.parametrize(
    "name",
    [
        "kubernetes-admin",
        "oidc:alice@example.com",
        "https://issuer.example.com#4711",
        "arn:aws:iam::1:role/ci",
    ],
)
def test_a_name_in_which_nothing_is_secret_is_shown_whole(name: str) -> None:
    (refusal,) = counted(item(name))
    assert (refusal.caller.name, refusal.caller.whole) == (name, "")


@pytest.mark.parametrize(
    ("address", "command"),
    [
        ("192.0.2.7", "kubectl get pods -A -o wide --field-selector=status.podIP=192.0.2.7"),
        ("2001:db8::1", ""),  # of its network there is no asking
        ("x; rm -rf ~", ""),
        ("fe80::1%; rm -rf ~", ""),
    ],
)
def test_a_pod_is_looked_for_at_an_address_alone(address: str, command: str) -> None:
    (refusal,) = counted(item(code=401, sourceIPs=[address]))
    assert [each.command for each in record_of([refusal]).finding().recommendations] == [command]


def test_a_name_that_was_masked_stands_in_no_command() -> None:
    (refusal,) = counted(item("alice password=hunter2hunter2"))
    assert [each.command for each in record_of([refusal]).finding().recommendations] == [""]


def test_a_name_of_which_nothing_can_be_shown_is_somebodys() -> None:
    (refusal,) = counted(item("\u0000"))
    assert refusal.caller.ref.resource == "User/?"


def test_a_name_is_quoted_in_a_command() -> None:
    (refusal,) = counted(item("alice; rm -rf ~"))
    command = "kubectl auth can-i --list --as='alice; rm -rf ~'"
    assert [each.command for each in record_of([refusal]).finding().recommendations] == [command]


def test_the_query_of_an_address_is_not_kept() -> None:
    (refusal,) = counted(item(objectRef=None, requestURI="/logs/?token=abcdefgh12345678"))
    assert refusal.resource == "/logs/"


def test_nothing_of_a_body_is_kept() -> None:
    held = {"kind": "Secret", "data": {"password": "aHVudGVyMg=="}}
    (refusal,) = counted(item(requestObject=held, responseObject=held))
    assert "aHVudGVyMg" not in repr(refusal)


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_caller_has_something_said_of_it(kind: Kind) -> None:
    record = record_of(each(5))
    record.caller = OTHERS if kind is Kind.OTHERS else Caller(kind, "192.0.2.7")
    finding = record.finding()
    assert finding.title
    assert finding.key.startswith(kind.value)


# --- What is sent ---


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"{",
        b"[]",
        b'"EventList"',
        b"\xff",
        b"{}",
        body(kind="Event"),
        body(apiVersion="audit.k8s.io/v2"),
    ],
)
def test_what_is_no_event_list_is_refused(sent: bytes) -> None:
    with pytest.raises(NotAnEventList, match=r"This is no EventList of audit\.k8s\.io/v1: "):
        read(sent)


@pytest.mark.parametrize(
    "odd", [None, 7, "x", [], {"responseStatus": 403}, item(user=None), item(sourceIPs="192.0.2.7")]
)
def test_an_item_that_makes_no_sense_costs_no_other(odd: Any) -> None:
    log = read(body(odd, item("alice")))
    assert (log.requests, len(log.refusals), log.odd) == (2, 1, 1)
