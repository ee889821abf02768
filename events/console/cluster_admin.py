"""Clusters in the admin: three ways to add one, how its watch goes, and a check of what we may do there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST

from connectors import moments
from connectors.console.pages import ConsolePage, badge
from connectors.message import Severity
from connectors.vitals import took
from events.cluster.checkup import Checkup
from events.cluster.local import contexts, in_a_cluster
from events.cluster.trouble import grants_in, is_absence
from events.console import links
from events.console.cluster_form import FIELDS, ClusterForm
from events.models import Access, Cluster, Event, EventStatus
from events.remembered import WatchLease
from events.rights import check_cluster
from events.standing import standing

WAYS = {
    Access.KUBECONFIG: (
        "content_paste",
        "Paste or upload a kubeconfig",
        "For any cluster that this server can reach. It is stored encrypted and never shown again.",
    ),
    Access.CONTEXT: (
        "dns",
        "Take a context of this server",
        "For the machine on which kubectl works already: KubeGraf uses the kubeconfig that it finds there.",
    ),
    Access.IN_CLUSTER: (
        "deployed_code",
        "The cluster KubeGraf runs in",
        "With the service account of its pod. Nothing has to be entered.",
    ),
}
"""An icon, what the access is called where one is chosen, and for whom it is."""


@admin.register(Cluster)
class ClusterAdmin(ConsolePage[Cluster]):
    """What is watched, and how that goes. Adding one asks first how it is reached."""

    form = ClusterForm
    when_deleted = (
        "It is watched no longer: what is open of it is over, and its events stay on record. To stop watching"
        " for a while, switch “Enabled” off instead."
    )
    list_display = ("name", "state_shown", "words_shown", "lag_shown", "nodes_shown", "open_shown",
                    "changed_shown", "enabled")  # fmt: skip
    list_filter = ("enabled", "state")
    search_fields = ("name",)
    search_help_text = "Name"
    change_form_template = "admin/events/cluster/change_form.html"
    change_list_template = "admin/events/cluster/change_list.html"
    buttons = {"checkup": "change"}

    class Media:
        js = ("kubegraf/fragments.js",)

    # --- The list

    @admin.display(description="state", ordering="state")
    def state_shown(self, cluster: Cluster) -> SafeString:
        """How the watch goes, in a word."""
        stands = standing(cluster)
        return badge(stands.word, tone=stands.tone)

    @admin.display(description="in words")
    def words_shown(self, cluster: Cluster) -> SafeString:
        """The same in a sentence."""
        return format_html('<span class="kg-sentence">{}</span>', standing(cluster).words)

    @admin.display(description="lag", ordering="lag_seconds")
    def lag_shown(self, cluster: Cluster) -> str:
        """How long the last changes waited."""
        return _lag(cluster)

    @admin.display(description="nodes", ordering="nodes_known")
    def nodes_shown(self, cluster: Cluster) -> str:
        """How many there are, and how many of them do not work."""
        down = f", {cluster.nodes_not_ready} not ready" if cluster.nodes_not_ready else ""
        return f"{cluster.nodes_known}{down}" if cluster.heartbeat_at else "–"

    @admin.display(description="open events")
    def open_shown(self, cluster: Cluster) -> SafeString | int:
        """How many events of it are open, with the way to them."""
        number: int = getattr(cluster, "open_events", 0)
        if not number:
            return 0
        address = links.open_events(cluster_id=cluster.pk)
        return format_html('<a class="kg-link" href="{}">{}</a>', address, number)

    @admin.display(description="last change", ordering="last_change_at")
    def changed_shown(self, cluster: Cluster) -> SafeString | str:
        """When something in it was last seen to change."""
        return _when(cluster.last_change_at, "–")

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list, with the open events of the clusters on this page, in one query more."""
        changelist = super().get_changelist_instance(request)
        counts = open_counts([cluster.pk for cluster in changelist.result_list])
        for cluster in changelist.result_list:
            cluster.open_events = sum(counts.get(cluster.pk, {}).values())
        return changelist

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Where there is no cluster yet, with the ways to add one."""
        none = self.has_view_permission(request) and not Cluster.objects.exists()
        context = {"none_yet": none, "ways": ways(), **(extra_context or {})}
        return super().changelist_view(request, context)

    # --- The page of one

    def get_fieldsets(self, request: HttpRequest, obj: Cluster | None = None) -> Any:
        """What the access asks for; whoever may only look is not shown where a kubeconfig goes."""
        if obj and not self.has_change_permission(request, obj):
            return [(None, {"fields": ("name", "enabled", "access", "context", "namespaces")})]
        chosen = self._access(request, obj)
        summary = WAYS[chosen][2]
        fields = ("access", *FIELDS[chosen])
        return [
            (None, {"fields": ("name", "enabled")}),
            (f"How it is reached: {Access(chosen).label}", {"fields": fields, "description": summary}),
            ("What is watched", {"fields": ("namespaces",)}),
        ]

    def get_form(
        self, request: HttpRequest, obj: Cluster | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form, with the access that is asked for."""
        form = super().get_form(request, obj, change, **kwargs)
        if obj is not None and not self.has_change_permission(request, obj):
            return form
        chosen = self._access(request, obj)

        class Chosen(form):  # type: ignore[valid-type, misc]  # made by the framework for this page
            def __init__(self, *args: Any, **options: Any) -> None:
                options["initial"] = {**(options.get("initial") or {}), "access": chosen}
                super().__init__(*args, **options)

        return Chosen

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """A new cluster is watched at once, unless somebody says otherwise."""
        return {"enabled": True, "access": self._access(request, None).value}

    def _access(self, request: HttpRequest, cluster: Cluster | None) -> Access:
        asked = request.POST.get("access") or request.GET.get("access")
        if asked in Access.values:
            return Access(asked)
        return Access(cluster.access) if cluster else Access.KUBECONFIG

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks how it is reached, if that is not said yet."""
        said = (request.POST.get("access") or request.GET.get("access")) in Access.values
        if self.has_add_permission(request) and not said and request.method == "GET":
            return self._page(
                request, "admin/events/cluster/choose_access.html", "How is the cluster reached?"
            )
        return super().add_view(request, form_url, extra_context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """With how the watch goes."""
        cluster = self.get_object(request, unquote(object_id))
        context = extra_context or {}
        if cluster is not None:
            chosen = self._access(request, cluster)
            context = {
                "watch": self._watch(request, cluster),
                "other_ways": [way for way in ways() if way["access"] != chosen],
                **context,
            }
        return super().change_view(request, object_id, form_url, context)

    def _watch(self, request: HttpRequest, cluster: Cluster) -> dict[str, Any]:
        now = timezone.now()
        lease = WatchLease.objects.filter(pk=cluster.pk).first()
        stands = standing(cluster, now)
        context: dict[str, Any] = {
            "badge": badge(stands.word, tone=stands.tone),
            "words": stands.words,
            "connected": _when(cluster.connected_since, "not connected"),
            "changed": _when(cluster.last_change_at, "nothing yet"),
            "heard": _when(cluster.heartbeat_at, "never"),
            "lag": _lag(cluster),
            "objects": f"{cluster.objects_known:,}",
            "watcher": lease.holder if lease else "",
            "problems": problems(cluster),
        }
        if request.user.has_perm("events.view_event"):
            counts = open_counts([cluster.pk]).get(cluster.pk, {})
            context["open"] = [
                {
                    "badge": badge(severity.value, f"{counts[severity.value]} {severity.value}"),
                    "url": links.open_events(cluster_id=cluster.pk, severity=severity.value),
                }
                for severity in Severity
                if counts.get(severity.value)
            ]
        return context

    def response_add(
        self, request: HttpRequest, obj: Cluster, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Goes on to the cluster's page, where it can be checked."""
        if "_addanother" not in request.POST:
            post = request.POST.copy()
            post["_continue"] = "1"
            request.POST = post  # type: ignore[assignment]  # as django.contrib.auth's own admin does
        return super().response_add(request, obj, post_url_continue)

    # --- Check

    def get_urls(self) -> list[URLPattern]:
        """With that of the check of what is not saved yet."""
        view = self.admin_site.admin_view(require_POST(self.checkup_draft))
        return [path("checkup/", view, name="events_cluster_checkup_draft"), *super().get_urls()]

    def checkup(self, request: HttpRequest, cluster: Cluster) -> HttpResponse:
        """Looks over a cluster as it is stored, and says what was found."""
        return self._checked(request, check_cluster(cluster), cluster)

    def checkup_draft(self, request: HttpRequest) -> HttpResponse:
        """Looks over what the form says, before it is saved."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request)(request.POST, request.FILES)
        if not form.is_valid():
            return self._checked(request, None, None, form=form)
        return self._checked(request, check_cluster(form.apply()), None)

    def _checked(
        self, request: HttpRequest, checkup: Checkup | None, cluster: Cluster | None, **more: Any
    ) -> HttpResponse:
        """A page of its own, or only the findings where a script puts them on the page it stands on."""
        context = {"checkup": checkup, "original": cluster, **more}
        if request.headers.get("X-Requested-With") == "XMLHttpRequest":
            return TemplateResponse(request, "admin/events/cluster/checkup.html", context)
        title = f"Check of {cluster}" if cluster else "Check of a cluster that is not saved"
        return self._page(request, "admin/events/cluster/checked.html", title, **context)

    def _page(self, request: HttpRequest, template: str, title: str, **more: Any) -> HttpResponse:
        context = {**self.admin_site.each_context(request), "title": title, "opts": self.opts, "ways": ways()}
        return TemplateResponse(request, template, {**context, **more})


def _when(moment: datetime | None, never: str) -> SafeString | str:
    return moments.shown(moment) if moment else never


def _lag(cluster: Cluster) -> str:
    # Without a place to break the line.
    return (
        "–" if cluster.lag_seconds is None else took(cluster.lag_seconds).replace(" ", "\N{NO-BREAK SPACE}")
    )


def ways() -> list[dict[str, Any]]:
    """The ways to reach a cluster, and whether this server offers each, as far as can be seen from here."""
    remarks = {
        Access.CONTEXT: contexts().problem,
        Access.IN_CLUSTER: "" if in_a_cluster() else "This process runs in no cluster.",
    }
    return [
        {
            "access": access,
            "icon": icon,
            "title": title,
            "summary": summary,
            "remark": remarks.get(access, ""),
        }
        for access, (icon, title, summary) in WAYS.items()
    ]


def open_counts(cluster_ids: Iterable[int]) -> dict[int, dict[str, int]]:
    """How many events of each cluster are open, by severity, in one query that looks at those alone."""
    rows: QuerySet[Event] = Event.objects.filter(cluster_id__in=list(cluster_ids), status=EventStatus.FIRING)
    found: dict[int, dict[str, int]] = {}
    for cluster_id, severity, number in (
        rows.order_by().values_list("cluster_id", "severity").annotate(Count("pk"))
    ):
        if cluster_id is not None:
            found.setdefault(cluster_id, {})[severity] = number
    return found


def problems(cluster: Cluster) -> list[dict[str, Any]]:
    """What is not watched: its name, why, and the commands that help, where they are known."""
    found = []
    for name, text in sorted(cluster.problems.items()):
        words, commands = grants_in(str(text))
        found.append({"name": name, "words": words, "commands": commands, "harmless": is_absence(str(text))})
    return found
