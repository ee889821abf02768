"""How the processes of pytest-xdist share the tests: long ones first, those that share something together."""

from __future__ import annotations

import os
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# What a test asks for that takes long: programs that are started, a browser.
LONG = {"chromium", "processes"}
# Tests of these share what is costly to start, so that one process runs them all: a run of everything;
# a browser, a web process and the static files it serves.
TOGETHER = ("tests/kubegraf/local/test_up.py", "tests/browser/")


def processes() -> int:
    """How many share the tests: one more than there are processors, for some tests do little but wait.

    pytest-xdist would count the two of a core as one.
    """
    return (os.cpu_count() or 1) + 1


def together(nodeid: str) -> str:
    """What the test is run together with; its own id if it may run anywhere."""
    return next((place for place in TOGETHER if nodeid.startswith(place)), nodeid)


def urgency(item: pytest.Item) -> int:
    """The lower, the sooner a test is begun: one that begins late and takes long leaves a core idle."""
    if together(item.nodeid) != item.nodeid:
        return 0
    return 1 if LONG & set(getattr(item, "fixturenames", ())) else 2


class Together(LoadScopeScheduling):
    """Hands out tests in their order, one by one, but those of `TOGETHER` all at once.

    pytest-xdist's own groups are made of marks that it adds to the tests' ids, which pytest 9.2 does not let
    it change any more.
    """

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return together(nodeid)
