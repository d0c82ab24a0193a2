"""People and what they may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Final, Literal

from pydantic import StringConstraints
from sqlalchemy import JSON
from sqlalchemy.orm import Mapped, mapped_column

from energy.names import Slug
from storage.register.facts import PERSONAL, Fact, FactRow, Facts
from storage.register.roles import AccessRole

__all__ = ["PEOPLE", "USERS", "Person", "User"]


Mail = Annotated[str, StringConstraints(pattern=r"^([^@\s]+@[^@\s]+)?$", max_length=254)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person(Fact):
    """A natural person or a body. `id` is a pseudonym: it stays in the audit when the person is erased."""

    name: str = field(metadata=PERSONAL)
    mail: Mail = field(default="", metadata=PERSONAL)
    language: Literal["fr", "nl", "en", "de"] = "fr"


@dataclass(frozen=True, slots=True, kw_only=True)
class User(Fact):
    """A person's role, in the scopes given; an empty scope of all three kinds is none, `*` is everywhere.

    `login`: how the identity provider names the person, in the claim that the API's configuration says.
    """

    person: Slug
    role: AccessRole
    communities: tuple[str, ...] = ()
    municipalities: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    disabled: bool = False
    login: Annotated[str, StringConstraints(max_length=254)] = field(default="", metadata=PERSONAL)


class PersonRow(FactRow):
    """See Person."""

    __tablename__ = "person"

    name: Mapped[str]
    mail: Mapped[str]
    language: Mapped[str]


class UserRow(FactRow):
    """See User."""

    __tablename__ = "user_account"

    person: Mapped[str]
    role: Mapped[str]
    communities: Mapped[list[str]] = mapped_column(JSON)
    municipalities: Mapped[list[str]] = mapped_column(JSON)
    sites: Mapped[list[str]] = mapped_column(JSON)
    disabled: Mapped[bool]
    login: Mapped[str]


PEOPLE: Final = Facts("person", Person, PersonRow)
USERS: Final = Facts("user", User, UserRow, role=AccessRole, communities=tuple, municipalities=tuple, sites=tuple)
