"""The event that the documentation tells of: templates are tried on it, and previews show it."""

from __future__ import annotations

from datetime import UTC, datetime

from connectors.message import Message, Recommendation, Severity

EXAMPLE = Message(
    id="0199a0b0-0000-7000-8000-000000000000",
    key="production/pod_crash_loop/default/my-app-123",
    event_type="pod_crash_loop",
    title="Pod my-app-123 in crash loop",
    severity=Severity.CRITICAL,
    timestamp=datetime(2025, 1, 15, 10, 30, tzinfo=UTC),
    cluster="production",
    namespace="default",
    resource="Pod/my-app-123",
    description="Pod has restarted 5 times in the last 10 minutes",
    details={
        "pod_name": "my-app-123",
        "namespace": "default",
        "restart_count": 5,
        "last_error": "Container failed to start",
    },
    recommendations=(Recommendation("Check pod logs", "kubectl logs my-app-123 -n default"),),
)
