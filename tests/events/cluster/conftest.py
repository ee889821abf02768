"""A fake API server for each test that asks for one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.kubernetes import FakeKubernetes


@pytest.fixture
def server() -> Iterator[FakeKubernetes]:
    """A fake API server, listening."""
    with FakeKubernetes() as fake:
        yield fake
