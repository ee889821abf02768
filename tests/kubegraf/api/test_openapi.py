"""The OpenAPI description: valid, without warnings, and true of what the API does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.management import call_command
from drf_spectacular.generators import SchemaGenerator

from connectors.outbox import Order, delivery_for
from tests.calling import Caller
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)


@pytest.fixture
def schema() -> Any:
    """The description as it is served."""
    return json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True)))


def test_the_description_is_valid_and_without_warnings(tmp_path: Any) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))
    assert (tmp_path / "schema.yml").stat().st_size > 10_000


def test_bodies_are_closed_as_unknown_fields_are_refused(schema: Any) -> None:
    bodies = {
        name: body for name, body in schema["components"]["schemas"].items() if name.endswith("Request")
    }
    assert {name for name, body in bodies.items() if body.get("additionalProperties") is not False} == set()


def test_a_kubeconfig_is_in_no_answer(schema: Any) -> None:
    assert "kubeconfig" not in schema["components"]["schemas"]["Cluster"]["properties"]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("collection", "component"),
    [
        ("connectors", "Connector"),
        ("subscriptions", "Subscription"),
        ("events", "Event"),
        ("clusters", "Cluster"),
        ("silences", "Silence"),
        ("deliveries", "Delivery"),
        ("tokens", "ApiToken"),
        ("people", "Person"),
        ("roles", "Role"),
        ("history", "Line"),
    ],
)
def test_an_answer_has_exactly_the_fields_that_are_described(
    schema: Any, collection: str, component: str
) -> None:
    connector = make_connector()
    make_subscription(connector, "hpa_maxed")
    make_event().save()
    make_cluster()
    make_silence()
    delivery_for(Order(connector, make_message(), "test")).save(force_insert=True)
    row, *_ = Caller(everything=True).get(f"{collection}/")["results"]
    assert set(row) == set(schema["components"]["schemas"][component]["properties"])


@pytest.mark.django_db
def test_the_description_is_served_to_those_who_signed_in() -> None:
    answer = Caller().call("GET", "/api/schema/")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/vnd.oai.openapi")


def test_every_collection_pages_alike(schema: Any) -> None:
    documentation = {"event-types", "providers", "overview"}  # whole, or one
    for path, item in schema["paths"].items():
        collection, _, rest = path.removeprefix("/api/v1/").partition("/")
        if rest or collection in documentation or not path.startswith("/api/v1/"):
            continue
        asked = {parameter["name"] for parameter in item["get"]["parameters"]}
        answer = item["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        page = schema["components"]["schemas"][answer["$ref"].rpartition("/")[2]]
        assert {"limit", "cursor"} <= asked, path
        assert set(page["properties"]) == {"next", "previous", "results"}, path
