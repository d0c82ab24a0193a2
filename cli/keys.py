"""`commonwatt keys`: API keys and their roles."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from api.keys import EVERY_COMMUNITY, KeyRole, KeyStore
from energy.errors import RefusedError
from runtime.clock import SystemClock

__all__ = ["keys_app"]

keys_app = typer.Typer(help="API keys and their roles.", no_args_is_help=True)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="The centre's configuration, which names the keys file.")
]
FileOption = Annotated[Path | None, typer.Option("--keys-file", help="The keys file itself.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print facts as JSON.")]


def _store(config: Path | None, keys_file: Path | None) -> KeyStore:
    if keys_file is None and config is not None:
        from cli.configs import load_centre

        keys_file = load_centre(config).api.keys_file
    if keys_file is None:
        from api.settings import ApiSettings

        keys_file = ApiSettings().keys_file
    return KeyStore(keys_file, SystemClock())


@keys_app.command("list")
def list_keys(config: ConfigOption = None, keys_file: FileOption = None, as_json: JsonOption = False) -> None:
    """Who has a key, with which role, for which communities."""
    keys = _store(config, keys_file).list()
    if as_json:
        facts = [
            {"name": key.name, "role": key.role.value, "communities": key.communities, "created": key.created}
            for key in keys
        ]
        print(json.dumps({"keys": facts}))
        return
    for key in keys:
        created = datetime.fromtimestamp(key.created / 1000, UTC)
        print(f"{key.name}\t{key.role.value}\t{', '.join(key.communities)}\tsince {created:%Y-%m-%d}")
    if not keys:
        print("no keys yet; `commonwatt keys create NAME --role viewer` makes one")


@keys_app.command("create")
def create_key(
    name: Annotated[str, typer.Argument(help="Who or what will use it.")],
    role: Annotated[KeyRole, typer.Option(help="What it may do.")] = KeyRole.VIEWER,
    community: Annotated[
        list[str] | None, typer.Option(help="A community's id; may be repeated. Without: all.")
    ] = None,
    config: ConfigOption = None,
    keys_file: FileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Makes a key and prints it once; only its hash is kept."""
    plaintext = _store(config, keys_file).create(name, role, community or [EVERY_COMMUNITY])
    print(json.dumps({"name": name, "key": plaintext}) if as_json else plaintext)


@keys_app.command("revoke")
def revoke_key(
    name: Annotated[str, typer.Argument(help="The key's name.")],
    config: ConfigOption = None,
    keys_file: FileOption = None,
) -> None:
    """Ends a key; running services notice by themselves."""
    if not _store(config, keys_file).revoke(name):
        raise RefusedError(f"there is no key named {name!r}", hint="`commonwatt keys list` shows them")
    print(f"{name} is revoked")
