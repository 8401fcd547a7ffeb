"""Whose act an entry of the ledger is: what a key proves, and what the request says beside it.

In: a request, and the name that it gives. Out: `Author`. Refuses: neither (`InvalidRequest`).
A terminal has one key and several people in front of it: the key is what was checked, the person is what was said.
"""

from dataclasses import dataclass

from fastapi import Request

from app.errors import InvalidRequest
from app.security import who_of


@dataclass(frozen=True, kw_only=True)
class Author:
    """As it is recorded, under these names."""

    who: str
    """The name of the request's key; without keys, what the request says."""
    operator: str | None
    """What the request says, where `who` is a key's name; nobody checked it."""
    authenticated: bool
    """Whether `who` is a key's name."""


def author_of(request: Request, said: str | None) -> Author:
    """`said` is the body's or query's `who`."""
    key = who_of(request)
    if key is not None:
        return Author(who=key, operator=said, authenticated=True)
    if said is None:
        raise InvalidRequest("who: say who you are; the service has no keys to know it by")
    return Author(who=said, operator=None, authenticated=False)
