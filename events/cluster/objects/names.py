"""What names tell of objects that were not made by a person."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from events.cluster.objects.base import Ref

# The alphabet of generated endings: no vowels, nor what looks like one, so that they spell nothing.
# https://github.com/kubernetes/apimachinery/blob/v0.34.0/pkg/util/rand/rand.go
_ENDING = "[bcdfghjklmnpqrstvwxz2456789]"

_GENERATED = {
    # Of a ReplicaSet, DaemonSet or Job, or the ordinal of a StatefulSet's.
    "Pod": re.compile(rf".+-({_ENDING}{{5}}|\d+)"),
    # The hash of a Deployment's pod template: https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
    "ReplicaSet": re.compile(rf".+-{_ENDING}{{5,10}}"),
    # The minute for which a CronJob made it.
    "Job": re.compile(r".+-\d{8,10}"),
}


def is_generated(ref: Ref) -> bool:
    """Whether a controller made it, going by its name alone: `web-7d876db474`, `web-7d876db474-4ltc8`.

    For where the owner is not at hand. A person may choose such a name, too, but hardly does by chance.
    """
    pattern = _GENERATED.get(ref.kind)
    return pattern is not None and pattern.fullmatch(ref.name) is not None


def deployment_of(replica_set: Ref) -> Ref:
    """The Deployment that made a ReplicaSet, going by its name; the ReplicaSet itself if none did."""
    if replica_set.kind == "ReplicaSet" and is_generated(replica_set):
        return Ref("Deployment", replica_set.name.rpartition("-")[0], replica_set.namespace)
    return replica_set


_MINUTE = re.compile(r"(.+)-(\d{8})")
_LATE = timedelta(days=7)


def cron_job_of(job: Ref, began: datetime | None) -> Ref:
    """The CronJob that made a Job whose pod began then, going by its name; the Job itself if none did.

    The name ends with the minute, counted from 1970, for which it was made, and a pod of it begins about
    then; so that `import-20260115`, which a person named after a day, is nobody's.
    """
    match = _MINUTE.fullmatch(job.name)
    if match is None or began is None:
        return job
    scheduled = datetime.fromtimestamp(60 * int(match[2]), UTC)
    return Ref("CronJob", match[1], job.namespace) if abs(began - scheduled) <= _LATE else job
