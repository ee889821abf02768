"""A canary in every secret there is, and everything that the product says: none of it may sing.

Each connector is added in the console, changed, tried, failed, copied, exported and read back by every page
and every call that tells of it; whatever came out, logs included, is then searched.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from connectors import registry
from connectors.configuration import schema
from connectors.models import Attempt, Connector, Delivery
from connectors.outbox import Order, delivery_for
from connectors.secrets import RedactingFilter
from kubegraf import logs, tokens
from tests.calling import API
from tests.connectors.providers.canary import CANARY
from tests.making import make_cluster, make_event, make_message, make_subscription
from tests.receiver import Received, Receiver

pytestmark = pytest.mark.django_db

_PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"
PEM = base64.b64encode(_PEM.encode()).decode()

SECRETS: list[tuple[str, dict[str, Any]]] = [
    (slug, secrets)
    for slug in registry.all_providers()
    for secrets in getattr(importlib.import_module(f"tests.connectors.providers.test_{slug}"), "CANARIES", ())
]
"""Together these fill in every secret field of every provider."""

KUBECONFIG = f"""
current-context: a
contexts: [{{name: a, context: {{cluster: a, user: a}}}}]
clusters: [{{name: a, cluster: {{server: "https://127.0.0.1:1"}}}}]
users: [{{name: a, user: {{token: {CANARY}, password: {CANARY}, client-key-data: {PEM}}}}}]
"""


def forms_of(secret: str) -> set[str]:
    """The secret as it is and in base64, wherever in a longer text it stands."""
    found = {secret, secret.swapcase()}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret.encode()).decode()
        found.add(encoded[-(-offset * 8 // 6) : (offset + len(secret)) * 8 // 6])
    return found


class Heard:
    """Everything that came out, by where it came from."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, str]] = []

    def take(self, where: str, answer: HttpResponse | str) -> Any:
        """Remembers an answer, with its headers, and hands it back."""
        if isinstance(answer, str):
            self.texts.append((where, answer))
        else:
            assert answer.status_code < 500, where
            body = b"".join(answer) if answer.streaming else answer.content  # type: ignore[arg-type]  # not async
            self.texts.append((where, f"{dict(answer.items())}\n{body.decode(errors='replace')}"))
        return answer

    def songs(self) -> list[str]:
        """Where a canary was heard."""
        return [where for where, text in self.texts if any(form in text for form in forms_of(CANARY))]


@pytest.fixture
def heard() -> Heard:
    """What came out so far."""
    return Heard()


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, libraries at their most talkative, as the product's handlers write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter())
    handler.setFormatter(logs.JSONFormatter())
    loggers = [logging.getLogger(name) for name in ("", "urllib3", "requests", "kubernetes")]
    before = [(logger, logger.level) for logger in loggers]
    loggers[0].addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield stream
    loggers[0].removeHandler(handler)
    for logger, level in before:
        logger.setLevel(level)


@pytest.fixture(autouse=True)
def no_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """No name resolves, so that what goes to a service in the internet fails at once and everywhere alike."""
    resolve = socket.getaddrinfo

    def resolve_addresses(host: Any, *args: Any, **more: Any) -> Any:
        if host not in ("127.0.0.1", "localhost"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve_addresses)


def echo(request: Received) -> tuple[int, dict[str, str], str]:
    """A receiver that says back all that it was told, with an error."""
    return 500, {"X-Was": str(request.headers["X-Api-Key"])}, f"{request.path} {dict(request.headers)}"


def test_the_canaries_are_in_every_secret_field_there_is() -> None:
    filled: dict[str, set[str]] = {}
    for slug, secrets in SECRETS:
        filled.setdefault(slug, set()).update(secrets)
    assert filled == {
        provider.slug: {field.name for field in schema.fields(provider.config_class) if field.secret}
        for provider in registry.all_providers().values()
    }


class Driver:
    """Somebody who may do everything, in the console and over HTTP, and hears all that is answered."""

    def __init__(self, heard: Heard) -> None:
        person = User.objects.create_superuser("root")
        self.heard = heard
        self.browser, self.program = Client(), Client()
        self.browser.force_login(person)
        _, self.token = tokens.issue(person, "canary")

    def page(self, name: str, *args: object, post: Any = None, query: str = "") -> Any:
        """The answer of a page."""
        address = reverse(name, args=args) + query
        answer = self.browser.get(address) if post is None else self.browser.post(address, post)
        return self.heard.take(f"{'GET' if post is None else 'POST'} {address}", answer)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The answer of the API."""
        answer = self.program.generic(
            method,
            path if path.startswith("/") else API + path,
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={"Authorization": f"Token {self.token}"},
        )
        return self.heard.take(f"{method} {path}", answer)


@pytest.mark.parametrize(("slug", "secrets"), SECRETS)
def test_no_secret_of_a_connector_comes_out_anywhere(
    slug: str,
    secrets: dict[str, Any],
    heard: Heard,
    logged: io.StringIO,
    receivers: Callable[..., Receiver],
    settings: Any,
) -> None:
    settings.ALLOW_HTTP, settings.EGRESS_ALLOW, settings.METRICS_TOKEN = True, ["127.0.0.0/8"], "m"
    receiver = receivers(echo)
    secrets = json.loads(json.dumps(secrets).replace("{receiver}", receiver.url.rstrip("/")))
    driver = Driver(heard)
    made = by_form(driver.page, slug, secrets)
    say_it_wrong(driver.page, driver.call, made, slug, secrets)
    try_it_out(driver.page, driver.call, made)
    copy_and_export(driver.page, driver.call, made, secrets)
    read_it_all(driver.page, driver.call, made)
    listen(heard, logged)
    assert Attempt.objects.exclude(error="").exists()  # else nothing has failed that could have told
    assert heard.songs() == []


def test_nothing_of_a_kubeconfig_comes_out_anywhere(heard: Heard, logged: io.StringIO) -> None:
    driver = Driver(heard)
    page, call = driver.page, driver.call
    cluster = make_cluster(access="kubeconfig", kubeconfig=KUBECONFIG)
    draft = {"access": "kubeconfig", "kubeconfig": KUBECONFIG}
    form = {"name": "c", "access": "kubeconfig", "kubeconfig_text": KUBECONFIG, "namespaces": ""}
    broken = {**form, "kubeconfig_text": KUBECONFIG + "\n!!x ["}
    page("admin:events_cluster_checkup", cluster.pk, post={})
    page("admin:events_cluster_checkup_draft", post=form)
    page("admin:events_cluster_add", post={**form, "name": ""}, query="?access=kubeconfig")
    page("admin:events_cluster_add", post=broken, query="?access=kubeconfig")
    page("admin:events_cluster_add", post=form, query="?access=kubeconfig")
    page("admin:events_cluster_change", cluster.pk, post={**form, "name": ""})
    page("admin:events_cluster_change", cluster.pk, post={**form, "context": "nowhere"})
    call("POST", "clusters/", {"name": "d", **draft, "kubeconfig": KUBECONFIG.replace("token:", "exec:")})
    call("POST", "clusters/", {"name": "d", **draft, "kubeconfig": [KUBECONFIG]})
    call("POST", "clusters/check/", draft)
    call("POST", f"clusters/{cluster.pk}/check/")
    call("PATCH", f"clusters/{cluster.pk}/", {"context": "nowhere"})
    for what in ("change", "history", "delete"):
        page(f"admin:events_cluster_{what}", cluster.pk)
    for name in ("index", "events_cluster_changelist", "events_event_changelist"):
        page(f"admin:{name}")
    page("history")
    for path in ("clusters/", f"clusters/{cluster.pk}/", "history/", "overview/"):
        call("GET", path)
    listen(heard, logged)
    assert heard.songs() == []


def by_form(page: Any, slug: str, secrets: dict[str, Any]) -> Connector:
    """Adds the connector in the console: first with a mistake, then as it should be."""
    example = {k: v for k, v in registry.provider(slug).example.items() if k not in secrets}
    if slug == "slack":
        example.pop("webhook_url", None)
    if slug == "email":
        example |= {"smtp_host": "127.0.0.1", "smtp_port": 1}
    form = {"name": "bird", "subscriptions-TOTAL_FORMS": "0", "subscriptions-INITIAL_FORMS": "0"}
    config = {**defaults(slug), **example, **secrets}
    form |= {f"config_{name}": typed(value) for name, value in config.items()}
    query = f"?provider={slug}"
    page("admin:connectors_connector_add", query=query)
    page("admin:connectors_connector_preview_new", slug, post=form)
    page("admin:connectors_connector_add", post={**form, "name": ""}, query=query)
    page("admin:connectors_connector_add", post={**form, "rate_per_second": "x"}, query=query)
    answer = page("admin:connectors_connector_add", post=form, query=query)
    assert answer.status_code == 302, answer.content.decode()
    made: Connector = Connector.objects.get()
    stays = {name: value for name, value in form.items() if name.removeprefix("config_") not in secrets}
    page("admin:connectors_connector_preview", made.pk, post=stays)
    page("admin:connectors_connector_change", made.pk, post={**stays, "name": ""})
    page("admin:connectors_connector_change", made.pk, post={**stays, "deliver_brief": "on"})
    made.refresh_from_db()
    return made


def defaults(slug: str) -> dict[str, Any]:
    """What a form holds before anybody types."""
    fields = schema.fields(registry.provider(slug).config_class)
    shown = [field for field in fields if not field.secret and field.default not in (None, "", [])]
    return {field.name: field.default for field in shown}


def typed(value: Any) -> Any:
    """As somebody would type it."""
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    if isinstance(value, bool):
        return "on" if value else ""
    return json.dumps(value) if isinstance(value, dict) else value


def say_it_wrong(page: Any, call: Any, made: Connector, slug: str, secrets: dict[str, Any]) -> None:
    """Secrets where they do not belong, of the wrong form, and for another address."""
    wrong = {name: [value] if isinstance(value, str) else CANARY for name, value in secrets.items()}
    spaced = {name: f" {value}\n{value} " for name, value in secrets.items() if isinstance(value, str)}
    for config in (
        wrong,
        spaced,
        {**secrets, "nonsense": 1},
        {"api_url": CANARY},
        {"url": "https://elsewhere.example.com"},
    ):
        for method in ("PATCH", "PUT"):
            call(method, f"connectors/{made.pk}/", {"name": "bird", "type": slug, "config": config})
        call("POST", f"connectors/{made.pk}/preview/", {"config": config})
        call("POST", "connectors/preview/", {"type": slug, "config": config})
        call("POST", "connectors/", {"name": "other", "type": slug, "config": config, "enabled": "perhaps"})
        file = {"name": "bird", "type": slug, "config": config}
        call("POST", "connectors/import/?dry_run=1", file)
        page("admin:connectors_connector_import", post={"text": json.dumps(file)})
    page("admin:connectors_connector_import", post={"text": json.dumps(secrets)[:-1]})
    page("admin:connectors_connector_import", post={"text": f"{CANARY}\0"})
    call("POST", "connectors/import/", json.dumps(secrets))


def try_it_out(page: Any, call: Any, made: Connector) -> None:
    """Tests that fail, and a delivery that does."""
    page("admin:connectors_connector_test", made.pk, post={})
    call("POST", f"connectors/{made.pk}/test/")
    call("POST", f"connectors/{made.pk}/preview/", {})
    make_event(details={"connector_id": made.pk}).save()
    delivery = delivery_for(Order(made, make_message(), "subscription:1"))
    delivery.save(force_insert=True)
    page("admin:connectors_connector_resume", made.pk, post={})


def copy_and_export(page: Any, call: Any, made: Connector, secrets: dict[str, Any]) -> None:
    """Every way in which a connector is carried elsewhere."""
    make_subscription(made)
    page("admin:connectors_connector_clone", made.pk, post={})
    call("POST", f"connectors/{made.pk}/clone/")
    page("admin:connectors_connector_export")
    for query in ("", "?references=true"):
        call("GET", f"connectors/export/{query}")
        exported = call("GET", f"connectors/{made.pk}/export/{query}").json()
    file = exported["connectors"][0]
    file["config"] |= secrets
    file["config"]["severity"] = "high"
    answer = page("admin:connectors_connector_import", post={"text": json.dumps(file)})
    assert "This is what would change" in answer.content.decode()
    page("admin:connectors_connector_import", post={"sealed": answer.context["sealed"]})
    call("POST", "connectors/import/", file)
    for name in ("disable", "enable"):
        page(f"admin:connectors_connector_{name}", made.pk, post={})


def read_it_all(page: Any, call: Any, made: Connector) -> None:
    """Every page and every collection that tells of connectors."""
    for name in (
        "index",
        "connectors_connector_changelist",
        "connectors_delivery_changelist",
        "connectors_deadletter_changelist",
        "events_event_changelist",
        "events_subscription_changelist",
        "connectors_delivery_export",
        "connectors_deadletter_export",
    ):
        page(f"admin:{name}")
    page("history")
    for what in ("change", "history", "delete"):
        page(f"admin:connectors_connector_{what}", made.pk)
    for delivery in Delivery.objects.all():
        page("admin:connectors_delivery_change", delivery.pk)
        call("GET", f"deliveries/{delivery.pk}/")
    collections = ("connectors", "deliveries", "deliveries/export", "history", "overview", "events")
    for path in (*(f"{name}/" for name in collections), f"connectors/{made.pk}/", "/api/schema/", "/metrics"):
        call("GET", path)


def listen(heard: Heard, logged: io.StringIO) -> None:
    """What is left: the log, and the tables as `dumpdata` writes them."""
    heard.take("the log", logged.getvalue())
    for model in apps.get_models():
        if not model._meta.proxy:
            out = io.StringIO()
            call_command("dumpdata", model._meta.label, stdout=out)
            heard.take(f"dumpdata {model._meta.label}", out.getvalue())
