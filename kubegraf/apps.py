"""The project itself as a Django application: people, and commands that belong to no part alone."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate  # noqa: TID251 (see `ready`)


class KubegrafConfig(AppConfig):
    """People, their roles and their API tokens."""

    name = "kubegraf"

    def ready(self) -> None:
        """Calls users and groups people and roles, and has the roles put right after each `migrate`.

        Django makes permissions at that moment and by that signal, so that no migration could name them all:
        on a fresh database there are none yet, and of those that come later it would not know. The project
        is the last of the installed applications, so that all permissions are there.
        """
        from django.contrib.auth.models import Group, User  # models need the applications

        from kubegraf import roles

        User._meta.verbose_name, User._meta.verbose_name_plural = "person", "people"
        Group._meta.verbose_name, Group._meta.verbose_name_plural = "role", "roles"
        post_migrate.connect(roles.sync, sender=self, dispatch_uid="kubegraf.roles")
