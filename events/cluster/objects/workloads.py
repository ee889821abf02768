"""What runs a number of pods, and who set that number."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

import msgspec

from events.cluster.objects.base import Meta, Object, Resource, Struct


class OwnedSpec(Struct, frozen=True):
    replicas: dict[str, Any] | None = msgspec.field(default=None, name="f:replicas")


class OwnedFields(Struct, frozen=True):
    spec: OwnedSpec = msgspec.field(default=OwnedSpec(), name="f:spec")


class ManagedField(Struct, frozen=True):
    """Who set which fields last. The API server leaves `time` out for what came by the scale subresource."""

    manager: str = ""
    operation: str = ""
    subresource: str = ""
    time: datetime | None = None
    fields_v1: OwnedFields = msgspec.field(default=OwnedFields(), name="fieldsV1")


class WorkloadSpec(Struct, frozen=True):
    replicas: int | None = None


class WorkloadMeta(Meta, frozen=True):
    managed_fields: tuple[ManagedField, ...] | None = None


class Workload(Object, frozen=True):
    """What runs a number of pods. `Deployment` and `StatefulSet` are its kinds."""

    metadata: WorkloadMeta = WorkloadMeta()
    spec: WorkloadSpec = WorkloadSpec()

    @property
    def replicas(self) -> int:
        """How many pods are asked for."""
        return 1 if self.spec.replicas is None else self.spec.replicas

    @property
    def replicas_managers(self) -> tuple[ManagedField, ...]:
        """Who has set `replicas` to what it is: nobody known once it is 0, for then nobody owns the field."""
        return tuple(
            field for field in self.metadata.managed_fields or () if field.fields_v1.spec.replicas is not None
        )


class Deployment(Workload, frozen=True):
    resource: ClassVar[Resource] = Resource("apps", "v1", "deployments", "Deployment")


class StatefulSet(Workload, frozen=True):
    resource: ClassVar[Resource] = Resource("apps", "v1", "statefulsets", "StatefulSet")
