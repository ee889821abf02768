"""Events and silences, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from connectors.models import Delivery
from events import handling
from events.models import Event, Silence
from events.record import Batch, write
from tests.browser.conftest import sign_in
from tests.browser.looking import look, picture
from tests.making import make_cluster, make_connector, make_event, make_silence, make_subscription

EVENTS = reverse("admin:events_event_changelist")
SILENCES = reverse("admin:events_silence_changelist")
LOGS = (
    "2026-01-05T09:00:01Z starting my-app 1.42.0\n2026-01-05T09:00:02Z reading /etc/my-app/config.yaml\n"
    "panic: config: missing field database.url\n\ngoroutine 1 [running]:\nmain.main()\n"
    "\t/src/main.go:42 +0x1d"
)


NODE = "node-7.eu-west-1.compute.example.com"


def page_of(event: Event) -> str:
    return reverse("admin:events_event_change", args=(event.pk,))


def put(minutes: float, **more: Any) -> Event:
    """An event that was first seen so many minutes ago."""
    when = timezone.now() - timedelta(minutes=minutes)
    event = make_event(
        **{
            "fingerprint": f"key-{minutes}",
            "occurred_at": when,
            "first_seen": when,
            "last_seen": when,
            **more,
        }
    )
    write(Batch(new=[event]))
    return event


@pytest.fixture
def record(transactional_db: None) -> Event:
    """A day of events; the one that everything has happened to."""
    cluster = make_cluster()
    make_subscription(
        make_connector("Team channel", "slack", webhook_url="https://hooks.slack.com/services/T/B/x")
    )
    make_subscription(make_connector("On-call webhook"), "pod_crash", min_severity="critical")
    make_subscription(
        make_connector("Cost report by mail"), "cost_threshold_exceeded", namespaces=["billing"]
    )
    make_subscription(make_connector("Staging only"), "pod_crash", clusters=["staging"])
    make_subscription(make_connector("Switched off"), enabled=False)
    for number in range(16):
        kind = ("deployment_scaled", "pod_restarted", "pod_oom_restart", "http_500")[number % 4]
        severity = ("low", "medium", "high", "info", "critical")[(number * 7) % 5]
        name = f"web-{number % 7}"
        title = f"Deployment {name} was scaled from 3 to {number + 4} replicas"
        put(20 + number * number * 5, event_type=kind, severity=severity, status="occurred",
            cluster=cluster, title=title, resource=f"Deployment/{name}", subject=f"Deployment/{name}",
            namespace="shop")  # fmt: skip
    event = put(
        47,
        cluster=cluster,
        count=3,
        description="Container app has restarted 5 times in the last 10 minutes; it exits with code 2.",
        details={
            "restart_count": 5, "exit_code": 2, "container": "app", "node": NODE,
            "image": "registry.example.com/my-app:1.42.0", "last_logs": LOGS,
            "warnings": ["Back-off restarting failed container app", "Readiness probe failed: refused"],
        },
        recommendations=[
            {"action": "Read the logs of the container's last run",
             "command": "kubectl logs my-app-123 -n default -c app --previous"},
            {"action": "See what the pod's events say",
             "command": "kubectl describe pod my-app-123 -n default"},
            {"action": "Roll back, if it began with a new version"},
        ],
    )  # fmt: skip
    put(46, fingerprint="restart", title="Pod my-app-123 restarted", severity="medium", status="occurred",
        event_type="pod_restarted", inhibited_by=event, cluster=cluster)  # fmt: skip
    put(40, fingerprint="node", title="Node node-7 is short of memory", resource=f"Node/{NODE}", subject="",
        namespace="", severity="high", event_type="node_unhealthy", cluster=cluster)  # fmt: skip
    Delivery.objects.update(status="delivered", attempt_count=1)
    Delivery.objects.filter(message_id=str(event.pk), connector_name="On-call webhook").update(
        status="retrying", note="HTTP 502 from hooks.example.com", attempt_count=2
    )
    handling.acknowledge([event.pk], "alice", "Looking: it began with 1.42.0")
    return event


@pytest.fixture
def silence(record: Event) -> Silence:
    """A silence that holds something back, among others."""
    now = timezone.now()
    make_silence(reason="Nightly restore drill", clusters=["staging"], ended_at=now, ended_by="bob")
    make_silence(
        reason="New nodes in the production clusters, one after the other, with quite a long reason",
        clusters=["prod-*"],
        event_types=["node_unhealthy", "node_scaled_down"],
        starts_at=now + timedelta(hours=5),
        ends_at=now + timedelta(hours=9),
    )
    made = make_silence(reason="The database is upgraded", namespaces=["billing"], clusters=["production"])
    put(2, title="Pod ledger-0 in crash loop", namespace="billing", resource="Pod/ledger-0",
        subject="StatefulSet/ledger")  # fmt: skip
    put(3, title="Pod ledger-0 restarted", namespace="billing", resource="Pod/ledger-0", severity="medium",
        status="occurred", event_type="pod_restarted")  # fmt: skip
    return made


def test_the_pages_fit_and_have_no_barriers(page: Page, record: Event, silence: Silence) -> None:
    held = Event.objects.get(title="Pod ledger-0 in crash loop")
    addresses = {
        "events": EVENTS,
        "event": page_of(record),
        "event-held": page_of(held),
        "silences": SILENCES,
        "silence": reverse("admin:events_silence_change", args=(silence.pk,)),
        "silence-edit": reverse("admin:events_silence_change", args=(silence.pk,)) + "?edit=1",
        "silence-add": reverse("admin:events_silence_add"),
    }
    wrong = []
    for name, address in addresses.items():
        page.goto(address)
        wrong += look(page, name)
    assert wrong == []


def test_an_event_is_acknowledged_silenced_and_resolved(page: Page, record: Event) -> None:
    other = put(1, title="Pod web-1 in crash loop", fingerprint="web", subject="Deployment/web")
    page.goto(EVENTS)
    page.get_by_role("link", name="Pod web-1 in crash loop").click()
    page.get_by_text("Acknowledge…").click()
    page.get_by_label("Note for those who were told (optional)").first.fill("looking")
    page.get_by_role("button", name="I am on it").click()
    expect(page.get_by_role("status")).to_contain_text("Acknowledged.")
    page.get_by_text("Silence…").click()
    page.locator("select[name=duration]").select_option("1h")
    page.get_by_label("Why nobody needs to hear of it").fill("A known fault")
    picture(page, "event-silencing")
    page.get_by_role("button", name="Silence", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Silenced until")
    page.get_by_text("Resolve…").click()
    page.get_by_role("button", name="It is over").click()
    expect(page.get_by_role("status")).to_contain_text("Resolved.")
    other.refresh_from_db()
    assert (other.status, other.acknowledged_by, other.note) == ("resolved", "admin", "looking")
    assert Silence.objects.get().reason == "A known fault"


def test_with_colours_of_ones_own_no_box_looks_checked_and_bars_are_seen(
    open_browser: Callable[..., Page], admin: User, record: Event
) -> None:
    page = sign_in(open_browser(forced_colors="active"), admin)
    page.goto(reverse("admin:events_event_changelist"))
    sign = "box => getComputedStyle(box, '::after').content"
    assert page.locator("#result_list input.action-select").first.evaluate(sign) == "none"
    adjusted = "part => getComputedStyle(part).forcedColorAdjust"
    assert page.locator(".kg-part").first.evaluate(adjusted) == "none"


def test_on_paper_an_event_has_exact_times_and_nothing_to_press(page: Page, record: Event) -> None:
    page.goto(page_of(record))
    page.emulate_media(media="print")
    expect(page.get_by_role("button", name="Copy the command").first).to_be_hidden()
    expect(page.get_by_text("Acknowledge…")).to_be_hidden()
    after = page.locator(".kg-time").first.evaluate("time => getComputedStyle(time, '::after').content")
    assert re.search(r" UTC", after)


def test_the_bars_lead_to_their_events_by_keyboard(page: Page, record: Event) -> None:
    page.goto(EVENTS)
    bar = page.locator(".kg-moments a").last
    bar.focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("since=.*until="))


def test_a_silence_is_ended_early(page: Page, silence: Silence) -> None:
    page.goto(SILENCES)
    page.get_by_role("link", name="The database is upgraded").click()
    expect(page.get_by_role("link", name="Pod ledger-0 in crash loop")).to_be_visible()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="End now").click()
    expect(page.get_by_role("status")).to_contain_text("Ended.")
    silence.refresh_from_db()
    assert silence.ended_by == "admin"
