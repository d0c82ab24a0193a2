"""`commonwatt backup`, `restore`, `export` and `move`: what the centre keeps, as copies, files and in another store."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from cli.options import CentreOption, JsonOption

if TYPE_CHECKING:
    from cli.configs import CentreConfig
    from storage.backup import Kept

__all__ = ["add_data_commands"]

Names = list[str] | None


def add_data_commands(app: typer.Typer) -> None:
    """Adds the commands to the program's."""
    app.command("backup")(backup_command)
    app.command("restore")(restore_command)
    app.command("export")(export_command)
    app.command("move")(move_command)


def backup_command(
    config: CentreOption,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    as_json: JsonOption = False,
) -> None:
    """Copies history (of the embedded store), register, marks and API keys, while everything runs."""
    from cli.configs import load_centre
    from runtime.clock import SystemClock
    from storage.backup import backup

    facts = backup(_kept(load_centre(config)), out, SystemClock().now_ms())
    print(json.dumps(facts) if as_json else f"{out}: {', '.join(facts['files'])}, {facts['days']} files of days")


def restore_command(
    config: CentreOption,
    copy: Annotated[Path, typer.Option("--from", help="The folder that `backup` made.")],
    replace: Annotated[bool, typer.Option("--replace", help="Move what is there aside, as NAME.before.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Brings a copy back to where the configuration keeps it; the services must be stopped."""
    from cli.configs import load_centre
    from storage.backup import restore

    facts = restore(_kept(load_centre(config)), copy, replace=replace)
    print(json.dumps(facts) if as_json else f"restored: {', '.join(facts['files'])}, {facts['days']} files of days")


def export_command(
    config: CentreOption,
    start: Annotated[str, typer.Option("--from", help="First instant, ISO 8601; UTC unless it says otherwise.")],
    end: Annotated[str, typer.Option("--to", help="First instant that is no longer in it.")],
    out: Annotated[Path, typer.Option(help="File to write, .csv or .parquet.")],
    site: Annotated[Names, typer.Option(help="Only this site; may be repeated.")] = None,
    device: Annotated[Names, typer.Option(help="Only this device, as site/device; may be repeated.")] = None,
    quantity: Annotated[Names, typer.Option(help="Only this quantity; may be repeated.")] = None,
    step: Annotated[str, typer.Option(help="raw readings, 15m, 1d or 1M: energies of devices and sites.")] = "raw",
    as_json: JsonOption = False,
) -> None:
    """Writes a period, one value a row with its quality, while everything runs."""
    from cli.configs import load_centre
    from cli.export import export, instant_ms, tell_on_stderr
    from cli.export_records import Selection, Step
    from storage.history.open import open_history

    selection = Selection(
        instant_ms(start, "--from"),
        instant_ms(end, "--to"),
        site or (),
        device or (),
        quantity or (),
        cast("Step", step),  # looked at by export
    )
    with contextlib.closing(open_history(load_centre(config).store, read_only=True)) as history:
        facts = export(history, selection, out, tell_on_stderr)
    print(json.dumps(facts) if as_json else f"{out}: {facts['values']} values of {facts['devices']} devices")


def move_command(
    config: CentreOption,
    to: Annotated[Path, typer.Option(help="The configuration the centre is to have, with the new store.")],
    as_json: JsonOption = False,
) -> None:
    """Copies all readings and quarter-hours into another store (InfluxDB); goes on where it was stopped."""
    from cli.configs import load_centre
    from cli.export import tell_on_stderr
    from cli.moving import Progress, move
    from energy.errors import RefusedError
    from storage.history.open import open_history

    source, target = load_centre(config), load_centre(to)
    if source.store == target.store:
        raise RefusedError("both configurations name the same store", hint="give --to one with another `store`")
    progress = Progress(target.register_.path.with_name("move.json"), source.store, target.store)
    with (
        contextlib.closing(open_history(source.store, read_only=True)) as old,
        contextlib.closing(open_history(target.store)) as new,
    ):
        facts = move(old, new, progress, tell_on_stderr)
    if as_json:
        print(json.dumps(facts))
        return
    print(f"{facts['readings']} readings and {facts['quarters']} quarter-hours of {facts['devices']} devices copied")
    if facts["refused"]:
        print(f"{facts['refused']} readings the new store does not take, such as those older than its retention")
    print("next: stop the collector, run this once more for what came meanwhile, start it with the new configuration")


def _kept(config: CentreConfig) -> Kept:
    from storage.backup import Kept
    from storage.history.settings import EmbeddedSettings

    return Kept(
        history=config.store.path if isinstance(config.store, EmbeddedSettings) else None,
        register=config.register_.path,
        dirty=config.register_.dirty_path,
        others=(config.api.keys_file,),
    )
