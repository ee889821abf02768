"""What tests of races share."""

from __future__ import annotations

import pytest
from django.db import connection


@pytest.fixture
def rows_are_locked() -> None:
    """Skips where it is not rows that are locked, but all there is."""
    if connection.vendor != "postgresql":
        pytest.skip("On SQLite whoever writes is alone.")
