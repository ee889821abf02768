"""Who may do what, as it is meant: every method of every address of the API, every page of the console.

An address that the product answers to and that is in none of these tables fails `test_authorization`.
"""

from __future__ import annotations

ROLES = ("anonymous", "viewer", "operator", "admin", "nobody")
"""From the least to the most. `nobody`: not even an admin, only a superuser or no one at all."""
ANYBODY, VIEWER, OPERATOR, ADMIN, NOBODY = ROLES

BY_POST_ALONE, BY_GET_ALONE = "by POST alone", "by GET alone"

# --- The API ---------------------------------------------------------------------------------------------

THE_API: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", ""): (VIEWER,),
    ("GET", "/api/schema/"): (VIEWER,),
    ("GET", "event-types/"): (VIEWER,),
    ("GET", "event-types/hpa_maxed/"): (VIEWER,),
    ("GET", "providers/"): (VIEWER,),
    ("GET", "providers/webhook/"): (VIEWER,),
    ("GET", "overview/"): (VIEWER,),  # each part of it takes the right to see what it tells of
    ("GET", "connectors/"): (VIEWER, "connectors.view_connector"),
    ("POST", "connectors/"): (ADMIN, "connectors.add_connector"),
    ("POST", "connectors/import/"): (
        ADMIN,
        "connectors.add_connector",
        "connectors.change_connector",
        "events.add_subscription",
        "events.change_subscription",
        "events.delete_subscription",
    ),
    ("GET", "connectors/export/"): (VIEWER, "connectors.view_connector", "events.view_subscription"),
    ("POST", "connectors/preview/"): (ADMIN, "connectors.add_connector"),
    ("GET", "connectors/{connector}/"): (VIEWER, "connectors.view_connector"),
    ("PUT", "connectors/{connector}/"): (ADMIN, "connectors.change_connector"),
    ("PATCH", "connectors/{connector}/"): (ADMIN, "connectors.change_connector"),
    ("DELETE", "connectors/{connector}/"): (ADMIN, "connectors.delete_connector"),
    ("POST", "connectors/{connector}/test/"): (
        OPERATOR,
        "connectors.test_connector or connectors.change_connector",
    ),
    ("POST", "connectors/{connector}/resume/"): (
        OPERATOR,
        "connectors.test_connector or connectors.change_connector",
    ),
    ("POST", "connectors/{connector}/preview/"): (VIEWER, "connectors.view_connector"),
    ("POST", "connectors/{connector}/redeliver/"): (OPERATOR, "connectors.change_delivery"),
    ("GET", "connectors/{connector}/export/"): (
        VIEWER,
        "connectors.view_connector",
        "events.view_subscription",
    ),
    ("POST", "connectors/{connector}/clone/"): (
        ADMIN,
        "connectors.add_connector",
        "connectors.change_connector",
        "events.add_subscription",
    ),
    ("GET", "subscriptions/"): (VIEWER, "events.view_subscription"),
    ("POST", "subscriptions/"): (ADMIN, "events.add_subscription"),
    ("GET", "subscriptions/{subscription}/"): (VIEWER, "events.view_subscription"),
    ("PUT", "subscriptions/{subscription}/"): (ADMIN, "events.change_subscription"),
    ("PATCH", "subscriptions/{subscription}/"): (ADMIN, "events.change_subscription"),
    ("DELETE", "subscriptions/{subscription}/"): (ADMIN, "events.delete_subscription"),
    ("GET", "subscriptions/{subscription}/backtest/"): (
        VIEWER,
        "events.view_subscription",
        "events.view_event",
    ),
    ("POST", "subscriptions/backtest/"): (VIEWER, "events.view_subscription", "events.view_event"),
    ("GET", "events/"): (VIEWER, "events.view_event"),
    ("POST", "events/"): (ADMIN, "events.add_event"),
    ("POST", "ingest/audit/{cluster}"): (ADMIN, "events.add_event"),
    ("GET", "events/{event}/"): (VIEWER, "events.view_event"),
    ("POST", "events/{event}/acknowledge/"): (OPERATOR, "events.handle_event"),
    ("POST", "events/{event}/resolve/"): (OPERATOR, "events.handle_event"),
    ("POST", "events/{event}/silence/"): (OPERATOR, "events.view_event", "events.add_silence"),
    ("GET", "events/{event}/why/"): (VIEWER, "events.view_event", "events.view_subscription"),
    ("POST", "ingest/alertmanager/"): (ADMIN, "events.add_event"),
    ("GET", "silences/"): (VIEWER, "events.view_silence"),
    ("POST", "silences/"): (OPERATOR, "events.add_silence"),
    ("GET", "silences/{silence}/"): (VIEWER, "events.view_silence"),
    ("PUT", "silences/{silence}/"): (OPERATOR, "events.change_silence"),
    ("PATCH", "silences/{silence}/"): (OPERATOR, "events.change_silence"),
    ("POST", "silences/{silence}/end/"): (OPERATOR, "events.change_silence"),
    ("GET", "deliveries/"): (VIEWER, "connectors.view_delivery"),
    ("GET", "deliveries/dead-letters/"): (VIEWER, "connectors.view_delivery"),
    ("GET", "deliveries/export/"): (VIEWER, "connectors.view_delivery"),
    ("GET", "deliveries/{delivery}/"): (VIEWER, "connectors.view_delivery"),
    ("POST", "deliveries/{delivery}/redeliver/"): (OPERATOR, "connectors.change_delivery"),
    ("POST", "deliveries/{delivery}/cancel/"): (OPERATOR, "connectors.change_delivery"),
    ("GET", "clusters/"): (VIEWER, "events.view_cluster"),
    ("POST", "clusters/"): (ADMIN, "events.add_cluster"),
    ("POST", "clusters/check/"): (ADMIN, "events.add_cluster"),
    ("GET", "clusters/contexts/"): (ADMIN, "events.add_cluster or events.change_cluster"),
    ("GET", "clusters/{cluster}/"): (VIEWER, "events.view_cluster"),
    ("PUT", "clusters/{cluster}/"): (ADMIN, "events.change_cluster"),
    ("PATCH", "clusters/{cluster}/"): (ADMIN, "events.change_cluster"),
    ("DELETE", "clusters/{cluster}/"): (ADMIN, "events.delete_cluster"),
    ("POST", "clusters/{cluster}/check/"): (ADMIN, "events.change_cluster"),
    ("GET", "tokens/"): (VIEWER,),  # one's own
    ("POST", "tokens/"): (VIEWER,),
    ("GET", "tokens/{apitoken}/"): (ADMIN, "kubegraf.view_apitoken"),  # somebody else's
    ("DELETE", "tokens/{apitoken}/"): (ADMIN, "kubegraf.view_apitoken", "kubegraf.change_apitoken"),
    ("GET", "people/"): (ADMIN, "auth.view_user"),
    ("POST", "people/"): (ADMIN, "auth.add_user", "auth.change_user"),  # it gives roles
    ("GET", "people/{user}/"): (ADMIN, "auth.view_user"),
    ("PUT", "people/{user}/"): (ADMIN, "auth.change_user"),
    ("PATCH", "people/{user}/"): (ADMIN, "auth.change_user"),
    ("DELETE", "people/{user}/"): (ADMIN, "auth.delete_user"),
    ("GET", "roles/"): (ADMIN, "auth.view_group"),
    ("POST", "roles/"): (NOBODY, "auth.add_group"),
    ("GET", "roles/rights/"): (ADMIN, "auth.view_group"),
    ("GET", "roles/{group}/"): (ADMIN, "auth.view_group"),
    ("PUT", "roles/{group}/"): (NOBODY, "auth.change_group"),
    ("PATCH", "roles/{group}/"): (NOBODY, "auth.change_group"),
    ("DELETE", "roles/{group}/"): (NOBODY, "auth.delete_group"),
    ("GET", "history/"): (
        ADMIN,
        "connectors.view_historicalconnector or events.view_historicalsubscription"
        " or events.view_historicalcluster or events.view_historicalsilence"
        " or kubegraf.view_historicaluser or kubegraf.view_historicalapitoken",
    ),
}
"""Of each method of each address the least role that may, and every right that this takes."""

# --- The console -----------------------------------------------------------------------------------------

THE_CONSOLE: dict[str, tuple[str, str]] = {
    "admin:index": (VIEWER, VIEWER),
    "admin:password_change": (VIEWER, VIEWER),
    "admin:password_change_done": (VIEWER, VIEWER),
    "admin:jsi18n": (VIEWER, VIEWER),
    "admin:search": (VIEWER, VIEWER),
    "admin:view_on_site": (VIEWER, VIEWER),
    "admin:app_list": (VIEWER, VIEWER),
    "history": (ADMIN, ADMIN),
    "admin:connectors_connector_changelist": (VIEWER, VIEWER),
    "admin:connectors_connector_add": (ADMIN, ADMIN),
    "admin:connectors_connector_change": (VIEWER, ADMIN),
    "admin:connectors_connector_delete": (ADMIN, ADMIN),
    "admin:connectors_connector_history": (VIEWER, VIEWER),
    "admin:connectors_connector_test": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_connector_resume": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_connector_enable": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_disable": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_preview": (BY_POST_ALONE, ADMIN),  # of what a form would change
    "admin:connectors_connector_preview_new": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_clone": (BY_POST_ALONE, ADMIN),
    "admin:connectors_connector_import": (ADMIN, ADMIN),
    "admin:connectors_connector_export": (VIEWER, VIEWER),
    "admin:connectors_delivery_changelist": (VIEWER, VIEWER),
    "admin:connectors_delivery_add": (NOBODY, NOBODY),
    "admin:connectors_delivery_change": (VIEWER, NOBODY),
    "admin:connectors_delivery_delete": (NOBODY, NOBODY),
    "admin:connectors_delivery_history": (VIEWER, VIEWER),
    "admin:connectors_delivery_redeliver": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_delivery_cancel": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_delivery_export": (VIEWER, VIEWER),
    "admin:connectors_deadletter_changelist": (VIEWER, VIEWER),
    "admin:connectors_deadletter_add": (NOBODY, NOBODY),
    "admin:connectors_deadletter_change": (VIEWER, NOBODY),
    "admin:connectors_deadletter_delete": (NOBODY, NOBODY),
    "admin:connectors_deadletter_history": (VIEWER, VIEWER),
    "admin:connectors_deadletter_redeliver": (BY_POST_ALONE, OPERATOR),
    "admin:connectors_deadletter_export": (VIEWER, VIEWER),
    "admin:events_event_changelist": (VIEWER, VIEWER),
    "admin:events_event_add": (NOBODY, NOBODY),
    "admin:events_event_change": (VIEWER, NOBODY),
    "admin:events_event_delete": (NOBODY, NOBODY),
    "admin:events_event_history": (VIEWER, VIEWER),
    "admin:events_event_acknowledge": (BY_POST_ALONE, OPERATOR),
    "admin:events_event_resolve": (BY_POST_ALONE, OPERATOR),
    "admin:events_event_silence": (BY_POST_ALONE, OPERATOR),
    "admin:events_silence_changelist": (VIEWER, VIEWER),
    "admin:events_silence_add": (OPERATOR, OPERATOR),
    "admin:events_silence_change": (VIEWER, OPERATOR),
    "admin:events_silence_delete": (NOBODY, NOBODY),
    "admin:events_silence_history": (VIEWER, VIEWER),
    "admin:events_silence_end": (BY_POST_ALONE, OPERATOR),
    "admin:events_subscription_changelist": (VIEWER, VIEWER),
    "admin:events_subscription_add": (ADMIN, ADMIN),
    "admin:events_subscription_change": (VIEWER, ADMIN),
    "admin:events_subscription_delete": (ADMIN, ADMIN),
    "admin:events_subscription_history": (VIEWER, VIEWER),
    "admin:events_subscription_backtest": (BY_POST_ALONE, VIEWER),
    "admin:events_subscription_suggestions": (VIEWER, BY_GET_ALONE),
    "admin:events_cluster_changelist": (VIEWER, VIEWER),
    "admin:events_cluster_add": (ADMIN, ADMIN),
    "admin:events_cluster_change": (VIEWER, ADMIN),
    "admin:events_cluster_delete": (ADMIN, ADMIN),
    "admin:events_cluster_history": (VIEWER, VIEWER),
    "admin:events_cluster_checkup": (BY_POST_ALONE, ADMIN),
    "admin:events_cluster_checkup_draft": (BY_POST_ALONE, ADMIN),
    "admin:auth_user_changelist": (ADMIN, ADMIN),
    "admin:auth_user_add": (ADMIN, ADMIN),
    "admin:auth_user_change": (ADMIN, ADMIN),
    "admin:auth_user_delete": (ADMIN, ADMIN),
    "admin:auth_user_history": (ADMIN, ADMIN),
    "admin:auth_user_password_change": (ADMIN, ADMIN),
    "admin:auth_group_changelist": (ADMIN, ADMIN),
    "admin:auth_group_add": (NOBODY, NOBODY),
    "admin:auth_group_change": (ADMIN, NOBODY),
    "admin:auth_group_delete": (NOBODY, NOBODY),
    "admin:auth_group_history": (ADMIN, ADMIN),
    "admin:kubegraf_apitoken_changelist": (VIEWER, VIEWER),
    "admin:kubegraf_apitoken_add": (VIEWER, VIEWER),
    "admin:kubegraf_apitoken_change": (ADMIN, NOBODY),  # somebody else's
    "admin:kubegraf_apitoken_delete": (NOBODY, NOBODY),
    "admin:kubegraf_apitoken_history": (ADMIN, ADMIN),
    "admin:kubegraf_apitoken_revoke": (BY_POST_ALONE, ADMIN),
}
"""Of each view, by its name, the least role that may look (GET), and that may send (POST)."""

# Everything else that the product answers to; what guards it is tested by its own tests.
ELSEWHERE = {"", "metrics", "api/docs/"}
OPEN = {"admin:login", "admin:logout"}
BY_FIELD = {"admin:autocomplete"}  # asks whether somebody may see what the field is about
