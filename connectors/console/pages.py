"""What all pages of the console have in common: their base classes, badges, and buttons that do something."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from django.contrib import admin, messages
from django.contrib.admin import ShowFacets
from django.contrib.admin.actions import delete_selected
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import DataError
from django.db.models import Model, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.views.decorators.http import require_POST
from unfold.widgets import UnfoldBooleanWidget

from connectors import history, search_words
from connectors.console.history_rows import rows

if TYPE_CHECKING:  # the theme's own classes have no types; they are Django's, looking otherwise
    from django.contrib.admin import ModelAdmin, StackedInline
else:
    from unfold.admin import ModelAdmin, StackedInline

M = TypeVar("M", bound=Model)
P = TypeVar("P", bound=Model)

TONES = ("neutral", "good", "warning", "bad", "worst", "info")

_TONE = {
    # severities
    "critical": "worst", "high": "bad", "medium": "warning", "low": "info", "info": "neutral",
    # events
    "firing": "bad", "resolved": "good", "occurred": "neutral", "acknowledged": "info",
    # silences
    "coming": "info", "in_force": "warning", "over": "neutral", "silenced": "neutral", "held back": "warning",
    "told": "good", "not told": "warning", "not wanted": "neutral",
    # deliveries and attempts
    "delivered": "good", "accepted": "good", "pending": "info", "sending": "info", "retrying": "warning",
    "failed": "bad", "cancelled": "neutral", "unknown": "warning",
    # connectors
    "working": "good", "untried": "neutral", "failing": "bad", "paused": "bad", "unreadable": "bad",
    "disabled": "neutral",
    # clusters
    "watching": "good", "connecting": "info", "degraded": "warning", "unreachable": "bad",
    "stopped": "warning", "never": "neutral",
}  # fmt: skip
"""How good or bad the words are that rows use for their state."""


def badge(word: str, text: str = "", *, tone: str = "") -> SafeString:
    """A state as a coloured label. `tone`, one of TONES, is that of the word unless it is given."""
    shown = tone or _TONE.get(word, "neutral")
    return format_html('<span class="kg-badge kg-{}">{}</span>', shown, text or word.replace("_", " "))


PATTERNS = {
    "regex", "iregex",
    "contains", "icontains", "iexact", "startswith", "istartswith", "endswith", "iendswith",
}  # fmt: skip
"""How a column is compared with what it is like, which no filter does."""


class Button(Protocol):
    """What a button does with a row. It may tell of it by `message_user`, or answer with a page."""

    def __call__(self, request: HttpRequest, row: Any, /) -> HttpResponse | None: ...


class ConsolePage(ModelAdmin[M]):
    """A page of the console.

    `buttons` maps the name of a method to the right that it takes (`change`, or a permission such as
    `connectors.test_connector`). Each is reached by POST alone, at `<id>/<name>/`, named as the admin's own
    pages are, and afterwards goes back to the row's page. `nothing_yet` is what an empty list says of itself,
    `when_deleted` what it means to delete a row.
    """

    buttons: dict[str, str] = {}
    nothing_yet = ""
    when_deleted = ""
    list_fullwidth = True
    warn_unsaved_form = True
    empty_value_display = "–"

    def get_urls(self) -> list[URLPattern]:
        """The buttons' addresses, before the admin's own, the last of which takes anything."""
        meta = self.model._meta
        return [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(require_POST(self._pressed(getattr(self, name), right))),
                name=f"{meta.app_label}_{meta.model_name}_{name}",
            )
            for name, right in self.buttons.items()
        ] + list(super().get_urls())

    def get_fields(self, request: HttpRequest, obj: M | None = None) -> Any:
        """The fields to show. The version that a form carries along (`seen`) is none of them."""
        return [name for name in super().get_fields(request, obj) if name != "version"]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list, titled by what it holds: the admin's own title tells everybody to select one."""
        title = capfirst(self.opts.verbose_name_plural)
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """The list. Raises IncorrectLookupParameters, too, for what no database can hold."""
        if any("\0" in value for _, values in request.GET.lists() for value in values):
            # SQLite would look for it, and find nothing.
            raise IncorrectLookupParameters("No text has a NUL.")
        try:
            return super().get_changelist_instance(request)
        except (OverflowError, DataError) as error:
            raise IncorrectLookupParameters from error

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """What has all these words."""
        if len(search_words.words_of(search_term)) > search_words.MOST:
            self.message_user(request, f"Search for {search_words.MOST} words at most.", messages.WARNING)
            return queryset.none(), False
        return super().get_search_results(request, queryset, search_term)

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """What an address may ask of a list: what its filters do, and no pattern.

        The admin lets it ask anything of a column; a pattern can keep SQLite, and its process, busy for ever.
        """
        *_, last = lookup.split(LOOKUP_SEP)
        return last not in PATTERNS and super().lookup_allowed(lookup, value, request)

    def may(self, request: HttpRequest, right: str, row: M | None = None) -> bool:
        """Whether somebody may do what takes this right."""
        if "." in right:
            return request.user.has_perm(right)
        allowed: bool = getattr(self, f"has_{right}_permission")(request, row)
        return allowed

    def _pressed(self, button: Button, right: str) -> Callable[[HttpRequest, str], HttpResponse]:
        @wraps(button)
        def view(request: HttpRequest, object_id: str) -> HttpResponse:
            row = self.get_object(request, unquote(object_id))
            if row is None:
                return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
            if not self.may(request, right, row):
                raise PermissionDenied
            return button(request, row) or HttpResponseRedirect(self.page_of(row))

        return view

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Who changed what in it, where that is kept."""
        if not self._has_history():
            raise Http404
        row = self.get_object(request, unquote(object_id))
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        if not self.has_view_or_change_permission(request, row):
            raise PermissionDenied
        kind = str(self.model._meta.model_name)
        context = {
            **self.admin_site.each_context(request),
            "title": f"History of {row}",
            "opts": self.opts,
            "object": row,
            "rows": rows(history.lines([kind], limit=200, object_id=str(row.pk))),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/object_history_lines.html", context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Asks first, and says what is asked about."""
        row = self.get_object(request, unquote(object_id))
        context = {"title": f"Delete {row}", "when_deleted": self.when_deleted, **(extra_context or {})}
        return super().delete_view(request, object_id, context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a row, of what has a page: not what is kept for it, as who watches a cluster."""
        shown, counts, lacking, protected = super().get_deleted_objects(objs, request)
        return _with_pages(shown), counts, lacking, protected

    def _get_obj_does_not_exist_redirect(
        self, request: HttpRequest, opts: Any, object_id: str
    ) -> HttpResponse:
        """To the overview, where it is said."""
        words = f"There is no {opts.verbose_name} “{unquote(object_id)}” here. It may have been deleted."
        self.message_user(request, words, messages.WARNING)
        return HttpResponseRedirect(reverse("admin:index"))

    def action_checkbox(self, obj: M) -> SafeString:
        """The box that selects a row, by the row's name."""
        box = UnfoldBooleanWidget({"class": "action-select", "aria-label": f"Select {obj}"}, lambda _: False)
        rendered: SafeString = box.render(ACTION_CHECKBOX_NAME, str(obj.pk))
        return rendered

    def delete_queryset(self, request: HttpRequest, queryset: Any) -> None:
        """Deletes several, each as it would be by itself, in one order for all."""
        for row in queryset.order_by("pk"):
            row.delete()

    def log_addition(self, request: HttpRequest, obj: M, message: Any) -> Any:
        """What the history tells is not told twice."""
        return None if self._has_history() else super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: M, message: Any) -> Any:
        """The same."""
        return None if self._has_history() else super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """The same."""
        return [] if self._has_history() else super().log_deletions(request, queryset)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **more: Any
    ) -> HttpResponse:
        """With the way to the history where there is one."""
        context["show_history"] = self._has_history()
        page: HttpResponse = super().render_change_form(request, context, *args, **more)
        return page

    def _has_history(self) -> bool:
        return self.model._meta.model_name in history.kinds()

    def page_to_read(
        self,
        request: HttpRequest,
        object_id: str,
        template: str,
        shown: Callable[[HttpRequest, M], dict[str, Any]],
        extra_context: dict[str, Any] | None = None,
        *,
        title: Callable[[M], str] = str,
    ) -> HttpResponse:
        """A row's page that is made to be read, with what `shown` says of it. Raises PermissionDenied."""
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row) or request.method not in ("GET", "HEAD"):
            raise PermissionDenied
        if row is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)
        context = {
            **self.admin_site.each_context(request),
            **shown(request, row),
            "opts": self.opts,
            "title": title(row),
            **(extra_context or {}),
        }
        return TemplateResponse(request, template, context)

    def page_of(self, row: M) -> str:
        """The address of a row's page."""
        meta = self.model._meta
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=(row.pk,))


def _with_pages(shown: list[Any]) -> list[Any]:
    """What the admin lists of rows to be deleted, without what it has no link for and what belongs to it."""
    kept: list[Any] = []
    beneath = False  # what was kept last
    for entry in shown:
        if isinstance(entry, list):
            found = _with_pages(entry) if beneath else []
            kept += [found] if found else []
        else:
            beneath = isinstance(entry, SafeString)
            kept += [entry] if beneath else []
    return kept


@admin.action(permissions=["delete"], description="Delete selected %(verbose_name_plural)s")
def delete_those(page: Any, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
    """Deletes what is selected, once it was asked whether to, under a title that says what."""
    answer = delete_selected(page, request, rows)
    if isinstance(answer, TemplateResponse) and answer.context_data is not None:
        answer.context_data["title"] = f"Delete {answer.context_data['objects_name']}"
        answer.context_data["when_deleted"] = page.when_deleted
    return answer


admin.site.add_action(delete_those, "delete_selected")  # in place of Django's


COUNTED = 2_000
"""How many rows of a record are counted; that there are more is all that is said of the others."""


class BoundedPaginator(Paginator[M]):
    """Pages of the first COUNTED rows: counting all of a long record would take longer than showing it."""

    template_name = "admin/record/pages.html"

    @cached_property
    def count(self) -> int:
        """How many rows have pages."""
        return min(self._found, COUNTED)

    @property
    def more(self) -> bool:
        """Whether there are rows beyond the last page."""
        return self._found > COUNTED

    @cached_property
    def _found(self) -> int:
        rows: Any = self.object_list
        found: int = rows.order_by()[: COUNTED + 1].count()
        return found


class RecordPage(ConsolePage[M]):
    """Rows that are only read: nobody adds, edits or deletes them here."""

    paginator = BoundedPaginator
    list_per_page = 50
    show_facets = ShowFacets.NEVER  # each would count the whole record
    show_full_result_count = False
    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The record is written by what it records."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """The record is not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """The record is not cut."""
        return False


class RowsBeside(StackedInline[M, P]):
    """Rows that are edited on the page of the row they belong to."""
