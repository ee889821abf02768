"""People, roles, tokens and history, as somebody sees them."""

from __future__ import annotations

from django.contrib.auth.models import Group, User
from playwright.sync_api import Page, expect

from kubegraf import roles, tokens
from tests.browser.conftest import make_person
from tests.browser.looking import barriers, look, overflow, picture
from tests.making import make_connector


def people() -> User:
    """Somebody with a role, a token and a history."""
    ada = make_person("ada", first_name="Ada", last_name="Lovelace", email="ada@example.com")
    roles.give(ada, Group.objects.filter(name="Operator"))
    token, _ = tokens.issue(ada, "Grafana", "read")
    tokens.issue(ada, "a-very-long-name-for-a-token-that-nobody-would-choose-but-somebody-will", "ingest")
    tokens.revoke(token)
    connector = make_connector("hook", url="https://hooks.example.com/kubegraf", method="POST")
    connector.enabled, connector.options = False, {**connector.options, "method": "PUT"}
    connector.save()
    return ada


def test_the_pages_about_people_fit_and_can_be_used_by_everybody(page: Page, admin: User) -> None:
    ada = people()
    role = Group.objects.get(name="Operator")
    wrong = []
    for name, address in {
        "people": "/admin/auth/user/",
        "person": f"/admin/auth/user/{ada.pk}/change/",
        "person-history": f"/admin/auth/user/{ada.pk}/history/",
        "person-add": "/admin/auth/user/add/",
        "roles": "/admin/auth/group/",
        "role": f"/admin/auth/group/{role.pk}/change/",
        "tokens": "/admin/kubegraf/apitoken/",
        "token-add": "/admin/kubegraf/apitoken/add/",
        "token": f"/admin/kubegraf/apitoken/{tokens.visible_to(admin)[0].pk}/change/",
        "history": "/admin/history/",
    }.items():
        page.goto(address)
        wrong += look(page, name)
    assert wrong == []


def test_a_token_is_made_copied_and_revoked(page: Page) -> None:
    page.goto("/admin/kubegraf/apitoken/")
    page.get_by_role("link", name="Add").first.click()
    page.get_by_label("Name").fill("my laptop")
    page.get_by_label("read: look at everything its owner may see").check()
    page.get_by_role("button", name="Save", exact=True).click()
    shown = page.locator("#token-text")
    assert tokens.find(shown.inner_text()) is not None
    page.get_by_role("button", name="Copy").click()
    expect(
        page.get_by_role("button", name="Copied").or_(page.get_by_role("button", name="Selected"))
    ).to_be_visible()
    picture(page, "token-made")
    assert (barriers(page), overflow(page)) == ([], 0)
    text = shown.inner_text()
    page.get_by_role("link", name="I have copied it").click()
    page.get_by_role("link", name="my laptop").click()
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("is revoked: it opens nothing any more")).to_be_visible()
    assert tokens.find(text) is None
