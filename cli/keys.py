"""`commonwatt keys`: API keys of users and machines, their roles and scopes, in the register."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import JsonOption, WhoOption, WhyOption
from cli.register.command import open_database, who
from cli.roles import RoleOption, read_role
from energy.errors import ConfigError, RefusedError
from energy.quarters import local_midnight
from runtime.clock import clock_from_env
from storage.register.roles import AccessRole

if TYPE_CHECKING:
    from cli.configs import CentreConfig
    from storage.register.keys import ApiKey

__all__ = ["keys_app"]

keys_app = typer.Typer(help="API keys and their roles.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The centre's configuration, which names the register.")
]
FileOption = Annotated[
    Path | None,
    typer.Option("--keys-file", help="A file of keys from before; the register is register.db beside it."),
]
Names = list[str] | None
_TIMEZONE = "Europe/Brussels"


@keys_app.command("list")
def list_keys(
    config: ConfigOption = None,
    keys_file: FileOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Revoked and expired ones, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Who has a key, with which role, for which places."""
    from storage.register.keys import keys

    with _database(config, keys_file) as database, database.read() as connection:
        found = keys(connection, revoked=everything)
    now_ms = clock_from_env().now_ms()
    if as_json:
        print(json.dumps({"keys": [_facts(key, now_ms) for key in found]}))
        return
    for key in found:
        scope = ", ".join(key.scope) or f"all of {key.owner}"
        of = f"\tof {key.owner}" if key.owner and key.scope else ""
        print(
            f"{key.name}\t{key.role}\t{scope}{of}\tsince {_day(key.created)} by {key.created_by}\t{_state(key, now_ms)}"
        )
    if not found:
        print("no keys yet; `commonwatt keys create NAME --role viewer` makes one")


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="What will use it; no person's name.")],
    role: RoleOption = None,
    community: Annotated[Names, typer.Option(help="A community's id; may be repeated. Without any scope: all.")] = None,
    municipality: Annotated[Names, typer.Option(help="All sites of this owner; may be repeated.")] = None,
    site: Annotated[Names, typer.Option(help="A single site's id; may be repeated.")] = None,
    participant: Annotated[Names, typer.Option(help="A participant whose own data it sees; may be repeated.")] = None,
    user: Annotated[
        str | None, typer.Option(help="Whose key it is; it ends with the user, and never may more.")
    ] = None,
    expires: Annotated[str | None, typer.Option(help="First day on which it is no longer valid, 2027-01-01.")] = None,
    by: WhoOption = None,
    why: WhyOption = "",
    config: ConfigOption = None,
    keys_file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Makes a key and prints it once; only its hash is kept."""
    from storage.register.keys import EVERYWHERE, create

    scope = {"communities": community or [], "municipalities": municipality or [], "sites": site or []}
    if config is not None:
        _check_places(_centre(config), scope)
    scope["participants"] = participant or []
    if user is None and not any(scope.values()):
        scope["communities"] = [EVERYWHERE]
    with _database(config, keys_file) as database, database.write() as connection:
        _check_participants(connection, scope["participants"])
        wanted = read_role(role) if role is not None else _role_of(connection, user)
        now_ms = clock_from_env().now_ms()
        until = None if expires is None else _instant(expires)
        made = create(connection, name, wanted, by=who(by), now_ms=now_ms, why=why, owner=user, expires=until, **scope)
    print(json.dumps({"name": name, "key": made}) if as_json else made)


@keys_app.command("revoke")
def revoke_key(
    name: Annotated[str, typer.Argument(help="The key's name.")],
    by: WhoOption = None,
    why: WhyOption = "",
    config: ConfigOption = None,
    keys_file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Ends a key; running services notice within seconds."""
    from storage.register.keys import revoke

    with _database(config, keys_file) as database, database.write() as connection:
        if not revoke(connection, name, by=who(by), now_ms=clock_from_env().now_ms(), why=why):
            raise RefusedError(f"there is no key named {name!r}", hint="`commonwatt keys list` shows them")
    print(json.dumps({"name": name, "state": "revoked"}) if as_json else f"{name} is revoked")


@contextmanager
def _database(config: Path | None, keys_file: Path | None) -> Iterator[Any]:
    """The register, once a file of keys that lies there is taken over into it."""
    from storage.register.key_file import take_over
    from storage.register.settings import RegisterSettings

    if config is not None:
        centre = _centre(config)
        settings, file = centre.register_, keys_file or centre.api.keys_file
    elif keys_file is not None:
        settings, file = RegisterSettings(path=keys_file.with_name("register.db")), keys_file
    else:
        raise ConfigError("is needed to find the register", field="--config", hint="name the centre's configuration")
    with open_database(settings) as database:
        take_over(database, file, clock_from_env().now_ms())
        yield database


def _centre(config: Path) -> CentreConfig:
    from cli.configs import load_centre

    return load_centre(config)


def _check_places(centre: CentreConfig, scope: Mapping[str, Sequence[str]]) -> None:
    """Raises RefusedError for a place that the configuration does not have."""
    sites = [site for community in centre.communities for site in community.sites]
    owners = {community.municipality for community in centre.communities} | {site.municipality for site in sites}
    known = {
        "communities": {community.id for community in centre.communities},
        "sites": {site.id for site in sites},
        "municipalities": {name.casefold() for name in owners},
    }
    for kind, ids in scope.items():
        for each in ids:
            if each != "*" and (each.casefold() if kind == "municipalities" else each) not in known[kind]:
                there = ", ".join(sorted(known[kind] - {""})[:10]) or "none"
                raise RefusedError(f"{each!r} is none of the {kind} of the configuration", hint=f"there are {there}")


def _check_participants(connection: Any, wanted: Sequence[str]) -> None:
    from storage.register.participants import PARTICIPANTS

    known = {each.id for each in PARTICIPANTS.all(connection)} if wanted else set()
    for each in wanted:
        if each not in known:
            raise RefusedError(f"there is no participant {each!r}", hint="`commonwatt register export` shows them")


def _role_of(connection: Any, user: str | None) -> AccessRole:
    """A user's own role; of a machine's key the least."""
    from storage.register.people import USERS

    return next((each.role for each in USERS.all(connection) if each.id == user), AccessRole.VIEWER)


def _instant(day: str) -> int:
    try:
        return local_midnight(date.fromisoformat(day), _TIMEZONE)
    except ValueError:
        raise RefusedError(f"{day!r} is no day", hint="write it as 2027-01-01") from None


def _day(t: int) -> str:
    return f"{datetime.fromtimestamp(t / 1000, UTC):%Y-%m-%d}"


def _state(key: ApiKey, now_ms: int) -> str:
    if key.revoked is not None:
        return f"revoked {_day(key.revoked)} by {key.revoked_by}"
    if key.expires is not None:
        return f"{'expired' if key.expires <= now_ms else 'until'} {_day(key.expires)}"
    return "stands"


def _facts(key: ApiKey, now_ms: int) -> dict[str, Any]:
    return {
        "name": key.name,
        "role": key.role.value,
        "communities": key.communities,
        "municipalities": key.municipalities,
        "sites": key.sites,
        "participants": key.participants,
        "user": key.owner,
        "created": key.created,
        "created_by": key.created_by,
        "expires": key.expires,
        "revoked": key.revoked,
        "revoked_by": key.revoked_by,
        "state": _state(key, now_ms),
    }
