"""The form of a cluster: what has to be said depends on how it is reached."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from connectors.console.form_fields import Entry, LinesField, SecretField
from connectors.console.seen import SeenForm
from events import access
from events.cluster.kubeconfig import SIZE_LIMIT
from events.cluster.local import Contexts, contexts
from events.models import Access, Cluster

FIELDS = {
    Access.KUBECONFIG: ("kubeconfig_text", "kubeconfig_file", "context"),
    Access.CONTEXT: ("context",),
    Access.IN_CLUSTER: (),
}
"""What each access asks for."""


class ClusterForm(SeenForm[Cluster]):
    """A cluster and how it is reached. The kubeconfig is text or a file, and never shown again.

    The access is that which is posted, else that which is asked for (`initial`), else the cluster's own. What
    belongs to another is not asked for, and not kept.
    """

    access = forms.ChoiceField(choices=Access.choices, widget=forms.HiddenInput)
    namespaces = LinesField(
        required=False,
        label="Only these namespaces",
        help_text="One per line. None for all of them, which takes a role for the whole cluster.",
    )
    kubeconfig_text = SecretField(
        multiline=True,
        required=False,
        label="Kubeconfig",
        help_text="Paste it here, credentials and all. It is stored encrypted and never shown again. To get"
        " one that stands on its own: kubectl config view --raw --flatten --minify",
    )
    kubeconfig_file = forms.FileField(
        required=False,
        label="or as a file",
        widget=UnfoldAdminFileFieldWidget,
        help_text="Instead of pasting it.",
    )

    class Meta:
        model = Cluster
        fields = ("name", "enabled", "access", "context", "namespaces")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.data.get(self.add_prefix("access")) or self.initial.get("access")
        self.chosen = Access(chosen) if chosen in Access.values else Access(self.instance.access)
        self.initial["access"] = self.chosen.value
        for name in {*FIELDS[Access.KUBECONFIG], *FIELDS[Access.CONTEXT]} - {*FIELDS[self.chosen]}:
            self.fields.pop(name, None)
        if "context" not in self.fields:  # there are none, or somebody may only look
            return
        if self.chosen == Access.CONTEXT:
            self._offer(contexts())
        else:
            self.fields["kubeconfig_text"].widget.is_set = self.instance.has_kubeconfig
            self.fields["context"].help_text = "One of its contexts; empty for its current one."

    def _offer(self, known: Contexts) -> None:
        """A list of the server's contexts, where they can be read; otherwise why not."""
        if known.problem:
            self.fields[
                "context"
            ].help_text = f"{known.problem} Whatever it holds then, name a context of it."
            return
        current = f"the current one (now {known.current})" if known.current else "the current one"
        choices = [("", current), *((name, name) for name in known.names)]
        stored = self.instance.context
        if stored and stored not in known.names:
            choices.append((stored, f"{stored} (not there at present)"))
        self.fields["context"] = forms.ChoiceField(
            choices=choices,
            required=False,
            widget=UnfoldAdminSelectWidget,
            help_text=f"From {known.where} on the server.",
        )

    def clean(self) -> dict[str, Any]:
        """Checks that what is said can be used to reach the cluster; a mistake lands at its field."""
        cleaned = super().clean() or {}
        if self.errors:
            return cleaned
        cleaned["context"] = cleaned.get("context", "")
        entered, text = self._kubeconfig(cleaned)
        if not self.errors:
            problems = access.problems(self.chosen, cleaned["context"], text, entered=entered)
            for name, words in problems.items():
                self.add_error("kubeconfig_text" if name == "kubeconfig" else name, words)
        cleaned["kubeconfig"] = text
        return cleaned

    def _kubeconfig(self, cleaned: dict[str, Any]) -> tuple[bool, Any]:
        """Whether one was entered, and which is to be stored."""
        if self.chosen != Access.KUBECONFIG:
            return False, ""
        if isinstance(cleaned.get("kubeconfig_file"), UploadedFile):
            return True, self._uploaded(cleaned["kubeconfig_file"])
        entered = cleaned["kubeconfig_text"]
        if isinstance(entered, Entry):
            return False, self.instance.kubeconfig if entered is Entry.KEEP else ""
        return True, entered

    def save(self, commit: bool = True) -> Cluster:
        """The cluster, with its kubeconfig."""
        self.apply()
        cluster: Cluster = super().save(commit)
        return cluster

    def apply(self) -> Cluster:
        """The cluster as it would be saved."""
        if self.cleaned_data["kubeconfig"] != self.instance.kubeconfig:
            self.instance.kubeconfig = self.cleaned_data["kubeconfig"]
        self.instance.context = self.cleaned_data["context"]
        return self.instance

    def _uploaded(self, file: UploadedFile[bytes]) -> str:
        if file.size is None or file.size > SIZE_LIMIT:
            self.add_error("kubeconfig_file", f"A kubeconfig has at most {SIZE_LIMIT} bytes.")
            return ""
        try:
            return bytes(file.read()).decode()
        except UnicodeDecodeError:
            self.add_error("kubeconfig_file", "This is not a text file.")
            return ""
