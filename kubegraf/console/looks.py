"""How the console looks and what its sidebar holds: the settings of django-unfold.

Pure: settings are read before Django is there, so that nothing here may need it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy


def _may(*permissions: str) -> Callable[[HttpRequest], bool]:
    """Whether somebody has one of these rights."""
    return lambda request: any(request.user.has_perm(permission) for permission in permissions)


def _item(title: str, icon: str, url: str, *permissions: str, **more: Any) -> dict[str, Any]:
    item = {"title": title, "icon": icon, "link": reverse_lazy(url), **more}
    return {**item, "permission": _may(*permissions)} if permissions else item


def _stylesheet(request: HttpRequest) -> str:
    return static("kubegraf/console.css")


def _script(request: HttpRequest) -> str:
    return static("kubegraf/console.js")


def _icon(request: HttpRequest) -> str:
    return static("kubegraf/icon.svg")


def _environment(request: HttpRequest) -> list[str] | None:
    """What every page is marked with, and in which colour."""
    return ["Demo", "warning"] if settings.DEMO else None


def _title_prefix(request: HttpRequest) -> str | None:
    return "[Demo]" if settings.DEMO else None


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, with the inbox where there is one."""
    if not settings.DEMO:
        return NAVIGATION
    inbox = _item("Inbox", "inbox", "admin:demo_received_changelist")
    return [*NAVIGATION[:1], {"title": "Demo", "items": [inbox]}, *NAVIGATION[1:]]


NAVIGATION: list[dict[str, Any]] = [
    {
        "items": [_item("Overview", "space_dashboard", "admin:index")],
    },
    {
        "title": "Clusters",
        "items": [
            _item("Events", "notifications", "admin:events_event_changelist", "events.view_event"),
            _item("Silences", "notifications_off", "admin:events_silence_changelist", "events.view_silence"),
            _item("Clusters", "hub", "admin:events_cluster_changelist", "events.view_cluster"),
        ],
    },
    {
        "title": "Integrations",
        "items": [
            _item(
                "Connectors", "cable", "admin:connectors_connector_changelist", "connectors.view_connector"
            ),
            _item(
                "Subscriptions", "rule", "admin:events_subscription_changelist", "events.view_subscription"
            ),
        ],
    },
    {
        "title": "Record",
        "items": [
            _item(
                "Deliveries",
                "outgoing_mail",
                "admin:connectors_delivery_changelist",
                "connectors.view_delivery",
            ),
            _item(
                "Dead letters",
                "unsubscribe",
                "admin:connectors_deadletter_changelist",
                "connectors.view_delivery",
            ),
        ],
    },
    {
        "title": "Administration",
        "items": [
            _item("People", "group", "admin:auth_user_changelist", "auth.view_user"),
            _item("Roles", "shield_person", "admin:auth_group_changelist", "auth.view_group"),
            _item("API tokens", "key", "admin:kubegraf_apitoken_changelist"),
            _item("History", "history", "history", "connectors.view_historicalconnector"),
            _item("API", "api", "api-docs"),
        ],
    },
]

UNFOLD: dict[str, Any] = {
    "SITE_TITLE": "KubeGraf",
    "SITE_HEADER": "KubeGraf",
    "SITE_SUBHEADER": "Kubernetes events, delivered",
    "SITE_URL": None,
    "DASHBOARD_CALLBACK": "kubegraf.console.dashboard.callback",
    "LOGIN": {"form": "kubegraf.sign_in.SignInForm"},
    "SITE_ICON": _icon,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": _icon}],
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "STYLES": [_stylesheet],
    "SCRIPTS": [_script],
    "COLORS": {
        # Indigo. 600 on white and 400 on black have a contrast of more than 4.5 (WCAG 2.2, 1.4.3).
        "primary": {
            "50": "oklch(96.2% .018 272.314)",
            "100": "oklch(93% .034 272.788)",
            "200": "oklch(87% .065 274.039)",
            "300": "oklch(78.5% .115 274.713)",
            "400": "oklch(72.5% .15 275.8)",
            "500": "oklch(67.3% .182 276.935)",  # links in the dark
            "600": "oklch(51.1% .262 276.966)",
            "700": "oklch(45.7% .24 277.023)",
            "800": "oklch(39.8% .195 277.366)",
            "900": "oklch(35.9% .144 278.697)",
            "950": "oklch(25.7% .09 281.288)",
        },
        "font": {
            # A step darker and lighter than the theme's own, for the same contrast.
            "subtle-light": "var(--color-base-600)",
            "subtle-dark": "var(--color-base-300)",
            "default-light": "var(--color-base-700)",
            "default-dark": "var(--color-base-200)",
            "important-light": "var(--color-base-900)",
            "important-dark": "var(--color-base-100)",
        },
    },
    "ENVIRONMENT": _environment,
    "ENVIRONMENT_TITLE_PREFIX": _title_prefix,
    "SIDEBAR": {"show_search": False, "navigation": navigation},
}
