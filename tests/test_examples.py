"""The connector and the detector that the documents build keep the rules that stand beside them."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from connectors.conversation import Dispatch, Receipt
from connectors.handshake import Handshake
from events.detection import all_detectors
from kubegraf.env import BASE_DIR
from tests.connectors.providers.conversing import a_message, answer, converse, sent
from tests.events.detectors.objects import ask, node

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Load:
    """The first Python block of a page under docs/, as the module that it would be."""

    def loaded(page: str) -> ModuleType:
        text = (BASE_DIR / "docs" / page).read_text()
        found = re.search(r"^( *)```python\n(.*?)^\1```", text, re.MULTILINE | re.DOTALL)
        assert found
        path = tmp_path / "example.py"
        path.write_text(textwrap.dedent(found[2]))
        spec = importlib.util.spec_from_file_location("example", path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "example", module)
        spec.loader.exec_module(module)
        return module

    return loaded


@pytest.fixture
def mattermost(load: Load) -> ModuleType:
    return load("adding-a-connector.md")


def test_the_connector_posts_what_it_is_given(mattermost: ModuleType) -> None:
    provider = mattermost.Mattermost()
    config = mattermost.MattermostConfig.model_validate(provider.example)

    (request,), receipt = converse(provider.send(config, Dispatch("1", a_message())), answer(200, "ok"))

    assert receipt == Receipt()
    assert sent(request) == {
        "text": "Pod my-app-123 in crash loop\nPod has restarted 5 times in the last 10 minutes"
    }


def test_the_connector_mentions_nobody(mattermost: ModuleType) -> None:
    text = mattermost.body(a_message(title="Pod @channel", description="@here"))["text"]

    assert text == "Pod @\u200bchannel\n@\u200bhere"


def test_the_connector_sends_nothing_that_cannot_be_sent(mattermost: ModuleType) -> None:
    body = mattermost.body(a_message(title="\ud83d", description="\udc00" + "x" * 20_000))

    assert len(json.dumps(body, ensure_ascii=False).encode()) < 5000


def test_the_connector_asks_before_it_speaks(mattermost: ModuleType) -> None:
    provider = mattermost.Mattermost()
    config = mattermost.MattermostConfig.model_validate(provider.example)

    asked = next(provider.check(config))

    assert isinstance(asked, Handshake)
    assert asked.host == "chat.example.com"


def test_the_detector_finds_what_it_is_for(load: Load) -> None:
    cordoned = load("adding-a-detector.md").Cordoned()

    (finding,) = ask(cordoned, node(cordoned=True))

    assert (finding.key, finding.title) == ("Cordoned", "Node node-1 is cordoned")
    assert ask(cordoned, node()) == []


def test_the_detector_has_its_type_to_itself(load: Load) -> None:
    cordoned = load("adding-a-detector.md").Cordoned()
    others = [one for one in all_detectors() if one.event_type == cordoned.event_type]

    assert others == []
