"""The generated documentation: each page is up to date, and its example is a connector that can be made."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from connectors import docs_page, registry
from connectors.configuration import schema, setup
from tests.connectors.configuration.test_schema import Everything

SLUGS = sorted(registry.all_providers())


def test_no_page_is_stale() -> None:
    call_command("connector_docs", check=True)


@pytest.mark.parametrize("slug", SLUGS)
def test_each_provider_has_a_part_written_by_hand(slug: str) -> None:
    part = docs_page.folder() / docs_page.PARTS / f"{slug}.md"
    assert part.read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("slug", SLUGS)
def test_a_page_tells_of_every_setting(slug: str) -> None:
    provider = registry.provider(slug)
    page = docs_page.page(provider, "")
    assert [f.name for f in schema.fields(provider.config_class) if f"| `{f.name}`" not in page] == []


@pytest.mark.parametrize("slug", SLUGS)
def test_the_example_on_a_page_is_a_valid_connector(slug: str) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", docs_page.page(registry.provider(slug), ""), re.DOTALL)
    shown = json.loads(block)
    config = {name: value for name, value in shown["config"].items() if name != "events"}
    assert shown["type"] == slug
    setup.validate(slug, config)


def test_the_table_tells_types_defaults_secrets_and_other_names() -> None:
    page = docs_page.page(Everything(), "By hand.")
    assert "\n\nBy hand.\n\n" in page
    assert "| `url` | text | yes | **Address.** Where it goes. |" in page
    assert "| `token`, or `key` | text, secret | yes | **Token.** |" in page
    assert "| `method` | `POST` or `PUT` | no; `POST` | **Method.** |" in page
    assert '| `labels` | list of texts, or one text with commas | no; `["a"]` | **Labels.** |' in page
    assert "| `headers` | object, secret | no | **Headers.** |" in page


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of docs/connectors."""
    monkeypatch.setattr(docs_page, "folder", lambda: tmp_path)
    return tmp_path


def test_the_command_writes_missing_pages_and_removes_left_over_ones(folder: Path) -> None:
    (folder / "carrier-pigeon.md").write_text("# Coo")
    call_command("connector_docs", verbosity=0)
    assert {path.name for path in folder.glob("*.md")} == {f"{slug}.md" for slug in SLUGS}
    call_command("connector_docs", check=True)


def test_a_check_writes_nothing_and_names_what_is_stale(folder: Path) -> None:
    (folder / "slack.md").write_text("# Old")
    with pytest.raises(CommandError, match=r"slack\.md"):
        call_command("connector_docs", check=True)
    assert {path.name: path.read_text() for path in folder.glob("*.md")} == {"slack.md": "# Old"}


def test_the_part_written_by_hand_is_part_of_the_page(folder: Path) -> None:
    (folder / "_parts").mkdir()
    (folder / "_parts" / "slack.md").write_text("## Getting the address\n")
    call_command("connector_docs", verbosity=0)
    assert "## Getting the address" in (folder / "slack.md").read_text()


def test_words_do_not_break_the_table() -> None:
    assert docs_page._cell("one | two\nthree") == "one \\| two three"
