"""What the documents say is true of the code."""

from __future__ import annotations

import importlib
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from connectors.conversation import Dispatch
from connectors.secrets import reference_problem
from events import catalog
from events.detection import all_detectors
from events.watched import watched_types
from kubegraf.env import BASE_DIR
from tests.connectors.providers.conversing import a_message, answer, converse, sent
from tests.events.detectors.objects import ask, node

SOURCES = [path for app in ("kubegraf", "connectors", "events") for path in (BASE_DIR / app).rglob("*.py")]
READING = re.compile(
    r"""(?:env\.\w+\(|environ\.get\(|environ\[|\b(?:key|options|checked_rate|whole_number|seconds)\()\s*["']([A-Z][A-Z_]+)["']""",
    re.MULTILINE,
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


def test_every_reference_to_a_secret_is_one_that_may_be_made() -> None:
    pages = [BASE_DIR / "README.md", *(BASE_DIR / "docs").rglob("*.md")]
    named = {
        found for page in pages for found in re.findall(r"\b(?:env|file):[\w/]+(?![\w/…])", page.read_text())
    }

    assert [found for found in sorted(named) if reference_problem(found)] == []


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
    # Some need something of the cluster: “yes, with the audit webhook”.
    watched = [row for row in rows if re.match(r"yes(?:, with |$)", row[-2].strip())]
    marked = {name for row in watched for name in re.findall(r"`(\w+)`", row[1])}

    assert marked == watched_types()


# --- Where things are ---

ARCHITECTURE = BASE_DIR / "docs" / "architecture.md"
# What the document explains by the folder, and what Django gives a name.
NOT_ONE_BY_ONE = {
    "cluster", "detectors", "engine", "oidc", "providers", "services", "showing", "transport",
    "migrations", "management", "formats", "__init__.py", "apps.py", "wsgi.py",
}  # fmt: skip


def test_every_file_has_its_place_in_the_architecture() -> None:
    named = set(re.findall(r"`(?:[a-z_]+/)*(…?[a-z_]+\.py)`", ARCHITECTURE.read_text()))
    endings = tuple(name.removeprefix("…") for name in named if name.startswith("…"))
    there = {path.name for path in SOURCES if NOT_ONE_BY_ONE.isdisjoint(path.relative_to(BASE_DIR).parts)}

    assert {name for name in there - named if not name.endswith(endings)} == set()


def test_every_file_that_the_architecture_names_is_there() -> None:
    named = set(re.findall(r"`([a-z_/]+\.py)`", ARCHITECTURE.read_text()))
    there = [f"/{path}" for path in (*SOURCES, *(BASE_DIR / "tests").rglob("*.py"))]

    assert {name for name in named if not any(path.endswith(f"/{name}") for path in there)} == set()


# --- What is shown to be copied ---

Example = Callable[[str], ModuleType]


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Example:
    """What a page shows as a file, as the module that it would be."""

    def load(page: str) -> ModuleType:
        found = re.search(r"^ *```python\n(.*?)```", (BASE_DIR / "docs" / page).read_text(), re.M | re.S)
        assert found
        (tmp_path / "documented.py").write_text(textwrap.dedent(found[1]))
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "documented", raising=False)
        return importlib.import_module("documented")

    return load


def test_the_detector_that_is_shown_finds_what_it_says(example: Example) -> None:
    (finding,) = ask(example("adding-a-detector.md").Cordoned(), node(cordoned=True))

    assert (finding.key, finding.title) == ("Cordoned", "Node node-1 is cordoned")


def test_the_detector_that_is_shown_has_an_event_type_to_itself(example: Example) -> None:
    event_type = example("adding-a-detector.md").Cordoned.event_type

    assert event_type in catalog.EVENT_TYPES
    assert event_type not in {detector.event_type for detector in all_detectors()}


def test_the_connector_that_is_shown_posts_the_message(example: Example) -> None:
    shown = example("adding-a-connector.md")
    config = shown.MattermostConfig.model_validate(shown.Mattermost.example)

    (request,), receipt = converse(
        shown.Mattermost().send(config, Dispatch("1", a_message(), {})), answer(200, "ok")
    )

    assert a_message().title in sent(request)["text"]
    assert receipt.remote == {}


def test_the_connector_that_is_shown_pings_nobody_and_keeps_to_the_limit(example: Example) -> None:
    shown = example("adding-a-connector.md")
    hostile = "@channel half a \ud83d " + "x" * 20_000

    body = shown.body(a_message(title=hostile, description=hostile, details={hostile: hostile}))

    assert "@channel" not in body["text"]
    assert body["text"].encode()
    assert len(body["text"]) <= 16_000
