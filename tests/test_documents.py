"""What the documents say is true of the code."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from events import catalog
from events.watched import watched_types
from kubegraf.env import BASE_DIR

SOURCES = [path for app in ("kubegraf", "connectors", "events") for path in (BASE_DIR / app).rglob("*.py")]
READING = re.compile(
    r"""(?:env\.\w+\(|environ\.get\(|environ\[|\bkey\()\s*["']([A-Z][A-Z_]+)["']""", re.MULTILINE
)
INTERNAL = {"DJANGO_SETTINGS_MODULE", "PYTHONUNBUFFERED", "KUBERNETES_SERVICE_HOST"}


def variables() -> set[str]:
    """Every environment variable that the code reads by name."""
    found = {name for path in SOURCES for name in READING.findall(path.read_text())}
    return {name for name in found if name not in INTERNAL}


def is_read(name: str) -> bool:
    """Whether the name stands in the code at all, however it is read there."""
    return any(re.search(rf'"{name}\b', path.read_text()) for path in SOURCES) or name == "KUBECONFIG"


def test_every_environment_variable_has_a_line() -> None:
    page = (BASE_DIR / "docs" / "configuration.md").read_text()
    documented = set(re.findall(r"`([A-Z][A-Z_]+)`", page))

    assert variables() - documented == set()


def test_every_line_is_of_a_variable_that_is_read() -> None:
    page = (BASE_DIR / "docs" / "configuration.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([A-Z][A-Z_]+)`", row.split("|")[1])}

    assert {name for name in documented if not is_read(name)} == set()


def links() -> Iterator[tuple[str, str]]:
    pages = [BASE_DIR / "README.md", *(BASE_DIR / "docs").rglob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            yield str(page.relative_to(BASE_DIR)), target


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        (page, target) for page, target in links() if not (BASE_DIR / page).parent.joinpath(target).exists()
    ]

    assert broken == []


@pytest.mark.parametrize("name", [*catalog.EVENT_TYPES, *catalog.ALIASES])
def test_every_event_type_is_explained(name: str) -> None:
    assert f"`{name}`" in (BASE_DIR / "docs" / "event-types.md").read_text()


def test_the_event_types_marked_as_watched_are_those_that_are_found() -> None:
    page = (BASE_DIR / "docs" / "event-types.md").read_text()
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `")]
    marked = {name for row in rows if row[-2].strip() == "yes" for name in re.findall(r"`(\w+)`", row[1])}

    assert marked == watched_types()
