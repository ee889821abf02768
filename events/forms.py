"""The forms of subscriptions and clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import UnfoldAdminFileFieldWidget

from connectors.form_fields import Entry, JSONTextField, LinesField, SecretField
from connectors.seen import SeenForm
from events import access, catalog
from events import conditions as known_conditions
from events.cluster.kubeconfig import SIZE_LIMIT
from events.models import Cluster, Subscription
from events.subscription_keys import KEYS, Wrong


def event_type_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """Every name that a subscription may hold, under the headings of the catalog."""
    groups: dict[str, list[tuple[str, str]]] = {
        "Several at once": [(catalog.ALL, "all: every type, present and future")]
        + [(alias, f"{alias}: {', '.join(sorted(types))}") for alias, types in catalog.ALIASES.items()]
    }
    for event_type in catalog.EVENT_TYPES.values():
        label = f"{event_type.name}: {event_type.description}"
        groups.setdefault(event_type.category.value, []).append((event_type.name, label))
    return list(groups.items())


def condition_words() -> str:
    """What conditions there are, in a line for the form."""
    known = "; ".join(
        f"{name}: {condition.meaning}" for name, condition in known_conditions.CONDITIONS.items()
    )
    return f'All must hold. For example {{"namespace": "production"}}. {known}.'


class EventTypesField(forms.MultipleChoiceField):
    """Event types and aliases, picked by category."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=event_type_choices, **kwargs)

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Compares the names, whatever their order."""
        return set(initial or ()) != set(data or ())


class SubscriptionForm(SeenForm[Subscription]):
    """Which events a connector receives."""

    event_types = EventTypesField(
        required=False,
        help_text="None for every type; with a cost_threshold among the conditions, for the cost events.",
    )
    namespaces = LinesField(required=False, help_text="Names or patterns such as prod-*, one per line.")
    clusters = LinesField(required=False, help_text="Names or patterns of clusters, one per line.")
    conditions = JSONTextField(required=False)

    class Meta:
        model = Subscription
        fields = (
            "connector",
            "enabled",
            "event_types",
            "min_severity",
            "namespaces",
            "clusters",
            "conditions",
            "send_resolved",
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["conditions"].help_text = condition_words()
        self.initial["conditions"] = self.initial.get("conditions") or None
        self._offer(self.initial.get("event_types") or ())

    def _offer(self, names: Sequence[str]) -> None:
        """Shows names that are stored but no longer known, so that saving does not drop them unseen."""
        field = self.fields["event_types"]
        groups = event_type_choices()
        known = {name for _, group in groups for name, _ in group}
        unknown = [(name, f"{name}: there is no such type any more") for name in names if name not in known]
        if unknown and isinstance(field, EventTypesField):
            field.choices = [*groups, ("Unknown", unknown)]

    def clean(self) -> dict[str, Any]:
        """Reads each key as a file's would be read; a mistake lands at its field."""
        cleaned = super().clean() or {}
        if cleaned.get("conditions", "") is None:
            cleaned["conditions"] = {}
        for key in KEYS.values():
            if key.field in cleaned:
                try:
                    cleaned[key.field] = key.read(cleaned[key.field])
                except Wrong as error:
                    for text in error.problems.values():
                        self.add_error(key.field, text)
        return cleaned


class ClusterForm(SeenForm[Cluster]):
    """A cluster and how it is reached. The kubeconfig is text or a file, and never shown again."""

    namespaces = LinesField(
        required=False, help_text="Namespaces to watch, one per line; none for all of them, and for nodes."
    )
    kubeconfig_text = SecretField(
        multiline=True,
        required=False,
        label="Kubeconfig",
        help_text="With the access “stored kubeconfig”. Stored encrypted, never shown again.",
    )
    kubeconfig_file = forms.FileField(required=False, label="or as a file", widget=UnfoldAdminFileFieldWidget)

    class Meta:
        model = Cluster
        fields = ("name", "enabled", "access", "context", "namespaces")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "kubeconfig_text" in self.fields:
            widget = self.fields["kubeconfig_text"].widget
            widget.is_set, widget.may_clear = bool(self.instance.kubeconfig), True

    def clean(self) -> dict[str, Any]:
        """Checks that what is said can be used to reach the cluster; a mistake lands at its field."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        entered = cleaned["kubeconfig_text"]
        if isinstance(cleaned.get("kubeconfig_file"), UploadedFile):
            entered = self._uploaded(cleaned["kubeconfig_file"])
        stored: Any = self.instance.kubeconfig
        text = stored if entered is Entry.KEEP else "" if entered is Entry.CLEAR else entered
        if not self.errors:
            problems = access.problems(
                cleaned["access"],
                cleaned["context"],
                text,
                entered=isinstance(entered, str) and bool(entered),
            )
            for name, words in problems.items():
                self.add_error("kubeconfig_text" if name == "kubeconfig" else name, words)
        cleaned["kubeconfig"] = text
        return cleaned

    def save(self, commit: bool = True) -> Cluster:
        """The cluster, with its kubeconfig."""
        if self.cleaned_data["kubeconfig"] != self.instance.kubeconfig:
            self.instance.kubeconfig = self.cleaned_data["kubeconfig"]
        cluster: Cluster = super().save(commit)
        return cluster

    def _uploaded(self, file: UploadedFile[bytes]) -> str:
        if file.size is None or file.size > SIZE_LIMIT:
            self.add_error("kubeconfig_file", f"A kubeconfig has at most {SIZE_LIMIT} bytes.")
            return ""
        try:
            return bytes(file.read()).decode()
        except UnicodeDecodeError:
            self.add_error("kubeconfig_file", "This is not a text file.")
            return ""
