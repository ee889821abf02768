"""What a cluster says is not to be trusted: nothing of it runs, leads astray or breaks a page."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page

from connectors.message import Recommendation
from connectors.models import Attempt, Connector
from connectors.outbox import Order, delivery_for
from events.models import Event
from kubegraf import tokens
from tests.browser.conftest import make_person
from tests.browser.looking import barriers, overflow
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(2)><svg onload=alert(3)>"
WORDS = f"{SCRIPT} \"'`{{{{ 7*7 }}}} \u202eright to left\u202c שלום &amp; {'x' * 120}"
LONG = "n" * 500
LINK = "javascript:alert(4)"


def hostile_rows() -> dict[str, str]:
    """Rows with such words wherever a cluster or a receiver may put some; the pages that show them."""
    now = timezone.now()
    cluster = make_cluster(
        LONG[:200],
        state="degraded",
        state_message=WORDS,
        heartbeat_at=now,
        problems={"pods": WORDS, LONG[:60]: LONG},
    )
    event = make_event(
        title=WORDS,
        description=f"{WORDS}\n{LONG}",
        cluster=cluster,
        cluster_name=cluster.name,
        namespace=SCRIPT,
        resource=f"Pod/{LONG[:240]}",
        subject=f"Deployment/{SCRIPT}",
        details={
            "last_logs": f"{WORDS}\n{LONG}",
            SCRIPT: WORDS,
            "url": LINK,
            "nested": {"a": [SCRIPT, LONG]},
        },
        recommendations=[{"action": WORDS, "command": f"echo '{SCRIPT}' {LONG}"}],
    )
    event.save()
    connector = make_connector("hook")
    make_subscription(connector, namespaces=[LONG[:60]], conditions={"resource": [SCRIPT]})
    Connector.objects.update(last_failure=WORDS, last_failure_at=now)
    message = make_message(
        id=str(event.pk), title=WORDS, description=LONG, cluster=LONG, namespace=SCRIPT, resource=LONG,
        url=LINK, details={SCRIPT: WORDS, "last_logs": LONG}, recommendations=(Recommendation(WORDS, LONG),),
    )  # fmt: skip
    delivery = delivery_for(Order(connector, message, "subscription:1"))
    delivery.status, delivery.note, delivery.reason = "failed", f"{WORDS} {LONG}", "server_error"
    delivery.settled_at = now
    delivery.save(force_insert=True)
    exchange = {
        "request": {"method": "POST", "url": LINK, "headers": {SCRIPT: WORDS}, "body": LONG},
        "response": {"status": 500, "headers": {"Server": WORDS}, "body": f"{SCRIPT}{LONG}"},
        "duration_ms": 1,
    }
    Attempt.objects.create(
        delivery=delivery, number=1, started_at=now, finished_at=now, outcome="failed",
        reason="server_error", error=f"{WORDS} {LONG}", http_status=500, exchanges=[exchange],
    )  # fmt: skip
    silence = make_silence(reason=WORDS, namespaces=[SCRIPT], created_by=SCRIPT)
    Event.objects.filter(pk=event.pk).update(silence=silence)
    at = "/admin/events"
    return {
        "overview": "/admin/",
        "events": f"{at}/event/",
        "event": f"{at}/event/{event.pk}/change/",
        "clusters": f"{at}/cluster/",
        "cluster": f"{at}/cluster/{cluster.pk}/change/",
        "silences": f"{at}/silence/",
        "silence": f"{at}/silence/{silence.pk}/change/",
        "subscriptions": f"{at}/subscription/",
        "subscription": f"{at}/subscription/add/",
        "connectors": "/admin/connectors/connector/",
        "connector": f"/admin/connectors/connector/{connector.pk}/change/",
        "deliveries": "/admin/connectors/delivery/",
        "delivery": f"/admin/connectors/delivery/{delivery.pk}/change/",
        "dead letters": "/admin/connectors/deadletter/",
        "history": "/admin/history/",
    }


def test_nothing_that_a_cluster_says_runs_leads_astray_or_breaks_a_page(page: Page, admin: User) -> None:
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.set_viewport_size({"width": 390, "height": 844})
    wrong = []
    for name, address in hostile_rows().items():
        page.goto(address)
        for folded in page.locator("main summary:visible").all():
            folded.click()
        lured = page.locator("a[href^='javascript:'], form[action^='javascript:'], img[src='x']").count()
        wrong += [f"{name}: {lured} that lead astray"] if lured else []
        wrong += [f"{name}: {overflow(page)} px too wide"] if overflow(page) else []
        wrong += [f"{name}: {one}" for one in barriers(page)]
    assert wrong == []
    assert alerts == []


CUT = """() => [...document.querySelectorAll("#result_list :is(td, th)")]
    .filter((cell) => cell.scrollWidth > cell.clientWidth + 1)
    .map((cell) => `${cell.dataset.label}: ${cell.textContent.slice(0, 20)}`)"""
BESIDE = """() => {
  const list = document.querySelector("#result_list");
  return list.offsetWidth - list.closest("[data-simplebar]").clientWidth;
}"""


def long_names() -> list[str]:
    """Rows named as long as may be, without a place to break; the lists that show them."""
    person = make_person("p" * 120, first_name="f" * 60, last_name="l" * 60, email=f"{'e' * 60}@example.com")
    tokens.issue(person, "t" * 100, "read")
    make_subscription(make_connector("c" * 100))
    make_silence(reason="r" * 150, created_by=person.username)
    return [
        "/admin/auth/user/",
        "/admin/kubegraf/apitoken/",
        "/admin/connectors/connector/",
        "/admin/events/subscription/",
        "/admin/events/silence/",
    ]


def test_long_names_break_in_lists_and_push_nothing_out_of_them(page: Page) -> None:
    found = []
    for address in long_names():
        page.set_viewport_size({"width": 390, "height": 844})
        page.goto(address)
        found += [f"{address}, narrow: {one}" for one in page.evaluate(CUT)]
        page.set_viewport_size({"width": 1280, "height": 900})
        found += [f"{address}: {beside} px beside" for beside in [page.evaluate(BESIDE)] if beside > 0]
    assert found == []
