"""What a person can do about GitHub's 403, which it gives for many different reasons."""

from __future__ import annotations

import re
from collections.abc import Mapping

_RIGHTS = "The token lacks a right: it needs to write contents, issues and pulls."
_NOT_OF_THIS_KIND = (
    "The organisation takes no token of this kind or lifetime; make one that it takes."
)
_BY_WORDS = (
    ("forbids access via", _NOT_OF_THIS_KIND),
    ("ip allow list", "Have this machine's address put on the organisation's IP allow list."),
    ("locked for", "GitHub has locked the repository while it is moved; wait for its end."),
    ("blocked", "The token's account, or the repository, is blocked on GitHub; no token helps."),
    ("disabled", "GitHub has disabled the repository; its owner is told why, on its page."),
    ("locked", "Unlock the conversation; Paid goes on without its comment meanwhile."),
    ("archived", "Unarchive the repository: nobody can write to it."),
    ("saml", "Authorize the token for the organisation's single sign-on, in GitHub's settings."),
    ("suspended", "The token's account is suspended: use another one's."),
)
_SSO_URL = re.compile(r"required;\s*url=(https://\S+)")
_PERMISSIONS = re.compile(r"[a-z_=,; ]{1,200}")


def hint_of_403(headers: Mapping[str, str], message: str) -> str:
    """From the headers that name what is missing, else from GitHub's words.

    `x-github-sso` leads to where a token is authorized; `x-accepted-github-permissions` names the
    rights of which a fine-grained token lacks one.
    """
    sso = _SSO_URL.match(headers.get("x-github-sso", ""))
    if sso:
        return f"Authorize the token for the organisation's single sign-on: {sso[1]}"
    lowered = message.lower()
    for words, hint in _BY_WORDS:
        if words in lowered:
            return hint
    wanted = headers.get("x-accepted-github-permissions", "")
    if wanted and _PERMISSIONS.fullmatch(wanted):
        return f"Give the token this right: {wanted}."
    return _RIGHTS
