"""The form with which people sign in by a password."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the theme's own form has no types; it is Django's, looking otherwise
    from django.contrib.admin.forms import AdminAuthenticationForm as AuthenticationForm
else:
    from unfold.forms import AuthenticationForm


class SignInForm(AuthenticationForm):
    """The admin's, which speaks of people: it says the same to who guesses and to who has no role."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Username or password is wrong, or this person may not enter the console. "
        "Mind capital letters in both.",
    }
