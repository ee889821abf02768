"""What pages are called: by the product's words, not by those of what it is built with."""

from __future__ import annotations

import re
from html import unescape

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


def title(page: str) -> str:
    found = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert found is not None
    return " ".join(unescape(found[1]).split())


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model._meta.model_name)
def test_a_list_is_titled_by_what_it_holds(model: type[Model], admin_client: Client) -> None:
    meta = model._meta
    page = admin_client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"))
    assert title(page.text).lower() == f"{meta.verbose_name_plural} | kubegraf".lower()


def test_people_and_roles_are_called_so(admin_client: Client) -> None:
    role, person = Group.objects.create(name="Night shift"), User.objects.get()
    said = [
        title(admin_client.get(address).text)
        for address in (
            "/admin/auth/user/add/",
            f"/admin/auth/user/{person.pk}/change/",
            "/admin/auth/group/add/",
            f"/admin/auth/group/{role.pk}/change/",
        )
    ]
    assert said == [
        "Add person | KubeGraf",
        "admin | Change person | KubeGraf",
        "Add role | KubeGraf",
        "Night shift | Change role | KubeGraf",
    ]
    assert "1 person" in " ".join(admin_client.get("/admin/auth/user/").text.split())


def test_the_history_tells_of_people_and_roles(admin_client: Client) -> None:
    page = admin_client.get("/admin/history/").text
    assert '<option value="user">people</option>' in page
    assert '<option value="group">roles</option>' in page


def test_of_a_password_is_said_only_whether_there_is_one(admin_client: Client) -> None:
    person = User.objects.create_user("ada", password="a password for the tests")
    address = f"/admin/auth/user/{person.pk}/change/"
    page = admin_client.get(address).text
    assert "Set another one" in page
    assert [word for word in ("algorithm", "pbkdf2", "md5", "salt", "hash:") if word in page] == []
    person.set_unusable_password()
    person.save()
    assert "Set one" in admin_client.get(address).text


def test_who_signs_out_is_told_so(admin_client: Client) -> None:
    page = admin_client.post("/admin/logout/").text
    assert "You are signed out of" in page
    assert "Sign in again" in page


@pytest.mark.parametrize("name", ["connector", "event", "silence", "subscription", "apitoken"])
def test_a_list_that_is_empty_says_what_it_is_for(name: str, admin_client: Client) -> None:
    page = next(page for model, page in admin.site._registry.items() if model._meta.model_name == name)
    said = page.nothing_yet  # type: ignore[attr-defined]  # every page of the console has it
    meta = page.model._meta
    answer = admin_client.get(reverse(f"admin:{meta.app_label}_{name}_changelist"))
    assert said != ""
    assert said in unescape(answer.text)
