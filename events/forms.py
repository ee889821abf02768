"""The form of a cluster."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from unfold.widgets import UnfoldAdminFileFieldWidget

from connectors.form_fields import Entry, LinesField, SecretField
from events import access
from events.cluster.kubeconfig import SIZE_LIMIT
from events.models import Cluster


class ClusterForm(forms.ModelForm[Cluster]):
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
