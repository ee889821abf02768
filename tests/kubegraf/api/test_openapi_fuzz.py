"""The OpenAPI description, held against what the API does by requests that are made up from it.

`KUBEGRAF_FUZZ_EXAMPLES` says how many are made up for each operation, besides those at the limits of what is
described; a hundred take some minutes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from django.contrib.auth.models import Group, User
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from connectors.outbox import Order, delivery_for
from kubegraf import tokens
from kubegraf.models import ApiToken
from kubegraf.wsgi import application
from tests.making import (
    make_cluster,
    make_connector,
    make_event,
    make_message,
    make_silence,
    make_subscription,
)

pytestmark = pytest.mark.django_db

EXAMPLES = int(os.environ.get("KUBEGRAF_FUZZ_EXAMPLES", "3"))
TOKEN = "f" * 40
AUTH = {"Authorization": f"Token {TOKEN}"}
DESCRIBED: Any = json.loads(json.dumps(SchemaGenerator().get_schema(request=None, public=True), default=str))

# What a body may hold has rules that no schema can say, such as that a name is not taken yet; what breaks one
# is refused as what breaks the schema is. Everywhere else, what the description allows is taken.
REFUSED = {"positive_data_acceptance": {"expected-statuses": ["2xx", 304, 400, 403, 404, 409, 412]}}
RULES = [
    {"include-method": ["POST", "PATCH", "DELETE"], "checks": REFUSED},
    {"include-path": "/api/v1/history/", "checks": REFUSED},  # an object takes its kind
    # A PUT takes what a POST takes, at whose limits it is asked already.
    {"include-method": "PUT", "checks": REFUSED, "phases": {"coverage": {"enabled": False}}},
]

# That every operation wants to know who calls is asked of some cases of each: it takes two calls more.
# Two methods that there are not stand for all.
PHASES = {
    "coverage": {"checks": {"ignored_auth": {"enabled": False}}, "unexpected-methods": ["DELETE", "TRACE"]}
}

schema = schemathesis.openapi.from_dict(
    DESCRIBED, config=SchemathesisConfig.from_dict({"operations": RULES, "phases": PHASES})
)
schema.app = application


@pytest.fixture
def one_connection() -> Iterator[None]:
    """The application keeps the test's connection, as it does for Django's own test client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def rows(one_connection: None) -> dict[str, Any]:
    """One row of each kind, and somebody who may do everything."""
    admin = User.objects.create_superuser("admin")
    ApiToken.objects.create(user=admin, name="fuzz", digest=tokens.digest(TOKEN), shown=TOKEN[:8])
    connector = make_connector(url="env:KUBEGRAF_SECRET_NOT_SET_ANYWHERE")
    delivery = delivery_for(Order(connector, make_message(), "test"))
    delivery.save(force_insert=True)
    event = make_event()
    event.save()
    subscription = make_subscription(connector, "hpa_maxed")
    cluster = make_cluster()
    return {
        "connectors": connector.pk,
        "subscriptions": subscription.pk,
        "clusters": cluster.pk,
        "ingest": cluster.pk,
        "events": str(event.pk),
        "deliveries": str(delivery.pk),
        "silences": make_silence(event_types=["node_down"]).pk,
        "people": User.objects.create_user("somebody", "somebody@example.com").pk,
        "roles": Group.objects.get(name="Viewer").pk,
        "tokens": tokens.issue(admin, "another")[0].pk,
    }


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_an_operation_does_what_its_description_says(case: Any, rows: dict[str, Any]) -> None:
    wrong_elsewhere = case.meta.is_negative_at(ParameterLocation.BODY)
    if "id" in case.path_parameters and (case.meta.generation.mode.is_positive or wrong_elsewhere):
        # An id that was made up leads nowhere: what is done with a row needs one that there is.
        case.path_parameters = {"id": str(rows[case.path.split("/")[3]])}
    case.call_and_validate(headers=AUTH)
