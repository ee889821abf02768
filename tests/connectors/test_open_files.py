"""How many connections a process may have open."""

from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from connectors import open_files

MANY = 65_536


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    """As they are before, and again afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_the_soft_limit_is_raised_as_far_as_it_may_be(limits: tuple[int, int]) -> None:
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    open_files.allow_many()
    wanted = MANY if hard == resource.RLIM_INFINITY else min(MANY, hard)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (wanted, hard)


def test_a_limit_that_is_higher_stays_as_it_is(
    limits: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = limits
    monkeypatch.setattr(open_files, "_ENOUGH", soft - 1)
    open_files.allow_many()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


def test_a_system_that_refuses_is_lived_with(
    limits: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    set_limit = resource.setrlimit

    def refuse(which: int, pair: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "setrlimit", refuse)
    open_files.allow_many()
    monkeypatch.setattr(resource, "setrlimit", set_limit)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (512, hard)
