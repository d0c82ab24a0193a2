"""`commonwatt users`: people, their roles and scopes; erasing a person."""

from __future__ import annotations

import json
import secrets
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.options import CentreOption, JsonOption, WhoOption, WhyOption
from cli.privacy import add_privacy_commands
from cli.register.command import open_register, who
from cli.roles import RoleOption, read_role
from energy.errors import DataError, RefusedError
from runtime.clock import clock_from_env
from storage.register.roles import AccessRole

__all__ = ["users_app"]

users_app = typer.Typer(help="People and their roles.", no_args_is_help=True)

add_privacy_commands(users_app)

UserArgument = Annotated[str, typer.Argument(help="The user's id, as `users list` shows it.")]
ScopeOption = Annotated[list[str] | None, typer.Option(help="An id, or * for all; may be repeated.")]


@users_app.command("list")
def list_users(config: CentreOption, as_json: JsonOption = False) -> None:
    """Who there is, with role and scope."""
    from storage.register.people import PEOPLE, USERS

    with open_register(config) as database, database.read() as connection:
        users = USERS.all(connection)
        people = {person.id: person for person in PEOPLE.all(connection)}
    if as_json:
        print(json.dumps({"users": [_facts(user, people.get(user.person)) for user in users]}))
        return
    for user in users:
        person = people.get(user.person)
        scope = ", ".join((*user.communities, *user.municipalities, *user.sites)) or "nowhere"
        state = "disabled" if user.disabled else "active"
        print(f"{user.id}\t{person.name if person else '?'}\t{user.role}\t{scope}\t{state}")
    if not users:
        print("no users yet; `commonwatt users add NAME --role viewer --community ID` makes one")


@users_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="The person's name.")],
    config: CentreOption,
    role: RoleOption = None,
    mail: Annotated[str, typer.Option(help="Where the person is written to.")] = "",
    login: Annotated[str, typer.Option(help="The person's name at the identity provider.")] = "",
    language: Annotated[str, typer.Option(help="fr, nl, en or de")] = "fr",
    community: ScopeOption = None,
    municipality: ScopeOption = None,
    site: ScopeOption = None,
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Adds a person with a role; the id is made, for it stays in the audit when the person is erased."""
    from storage.register.consistency import problems
    from storage.register.people import PEOPLE, USERS, Person, User
    from storage.register.plan import KINDS

    made = f"u-{secrets.token_hex(4)}"
    person = _checked(Person, id=made, name=name, mail=mail, language=language)
    scope = {"communities": community or (), "municipalities": municipality or (), "sites": site or ()}
    wanted = AccessRole.VIEWER if role is None else read_role(role)
    user = _checked(User, id=made, person=made, role=wanted, login=login, **scope)
    with open_register(config) as database, database.write() as connection:
        known = {each.kind: each.all(connection) for each in KINDS}
        known["person"].append(person)
        wrong = [told for told in problems({**known, "user": [user]}) if told.startswith(made)]
        if wrong:
            raise RefusedError("; ".join(wrong), hint="`commonwatt register plan` and `apply` bring places into it")
        now_ms = clock_from_env().now_ms()
        PEOPLE.put(connection, person, now_ms)
        USERS.put(connection, user, now_ms)
        _note(connection, now_ms, by, "add", made, {"role": wanted.value, **scope}, why)
    print(json.dumps(_facts(user, person)) if as_json else f"{made} is {name}, {wanted}")


@users_app.command("role")
def change_role(
    user: UserArgument,
    role: Annotated[str, typer.Argument(help="What the person is from now on.")],
    config: CentreOption,
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Gives a user another role."""
    wanted = read_role(role)
    _change(config, user, "role", {"role": wanted}, by, why)
    print(json.dumps({"id": user, "role": wanted}) if as_json else f"{user} is {wanted}")


@users_app.command("disable")
def disable(
    user: UserArgument, config: CentreOption, by: WhoOption = None, why: WhyOption = "", as_json: JsonOption = False
) -> None:
    """Ends what a user may do, and its keys with it; who it is stays known."""
    _change(config, user, "disable", {"disabled": True}, by, why)
    print(json.dumps({"id": user, "disabled": True}) if as_json else f"{user} is disabled")


def _change(config: Path, user: str, action: str, values: dict[str, Any], by: str | None, why: str) -> None:
    from storage.register.people import USERS

    with open_register(config) as database, database.write() as connection:
        known = _known(USERS.all(connection), user)
        now_ms = clock_from_env().now_ms()
        USERS.put(connection, replace(known, **values), now_ms)
        before = {name: str(getattr(known, name)) for name in values}
        after = {name: str(value) for name, value in values.items()}
        _note(connection, now_ms, by, action, user, after, why, before)


def _known(users: list[Any], user: str) -> Any:
    found = next((each for each in users if each.id == user), None)
    if found is None:
        raise RefusedError(f"there is no user {user!r}", hint="`commonwatt users list` shows them")
    return found


def _note(
    connection: Any,
    now_ms: int,
    by: str | None,
    action: str,
    user: str,
    after: dict[str, Any],
    why: str,
    before: dict[str, Any] | None = None,
) -> None:
    from storage.register.audit import record

    record(connection, now_ms, who(by), action, "user", user, before=before, after=after, why=why)


def _checked(record: type[Any], **values: Any) -> Any:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(record).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            first["msg"], field=str(first["loc"][0]), hint="`commonwatt users add --help` says what each takes"
        ) from None


def _facts(user: Any, person: Any) -> dict[str, Any]:
    return {
        "id": user.id,
        "name": person.name if person else None,
        "mail": person.mail if person else None,
        "role": str(user.role),
        "communities": list(user.communities),
        "municipalities": list(user.municipalities),
        "sites": list(user.sites),
        "disabled": user.disabled,
    }
