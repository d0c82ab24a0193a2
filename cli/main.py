"""The `commonwatt` command line: one function per command, errors told in words, never as a traceback."""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from cli.alerts import alerts_app
from cli.backtest.command import backtest_command
from cli.buildings import buildings_app
from cli.dashboards import dashboards_app
from cli.data import add_data_commands
from cli.doctor.command import doctor
from cli.field.command import add_field_commands
from cli.imports.command import import_command
from cli.keys import keys_app
from cli.options import JsonOption
from cli.register.command import register_app
from cli.settle.command import settle_command
from cli.settlement.command import statements_app
from cli.sharing import sharing_app
from cli.sizing.command import sizing_command
from cli.users import users_app
from energy.errors import CommonwattError, ConfigError
from runtime.service import configure_logs

__all__ = ["app", "main"]

app = typer.Typer(
    name="commonwatt",
    help="The energy management system of a municipal energy community.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


class LogFormat(StrEnum):
    """How log lines are written to stderr."""

    TEXT = "text"
    JSON = "json"


ConfigOption = Annotated[Path, typer.Option("--config", help="YAML configuration file.", exists=False)]
_LOG_FORMAT_ENV: Final = "COMMONWATT_LOG_FORMAT"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # most commands need neither it nor what it imports

        print(version("commonwatt"))
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
    log_format: Annotated[
        LogFormat, typer.Option(envvar=_LOG_FORMAT_ENV, help="Log lines on stderr as text or JSON.")
    ] = LogFormat.TEXT,
) -> None:
    """Options of every command."""
    configure_logs(log_format.value)
    os.environ[_LOG_FORMAT_ENV] = log_format.value  # of the processes that this one starts, too


@app.command()
def demo(
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where the page and the API listen.")] = 8800,
    data: Annotated[Path, typer.Option(help="Where the data live; they survive a restart.")] = Path("data/demo"),
    sites: Annotated[int, typer.Option(min=1, max=500, help="Number of simulated sites.")] = 12,
    speed: Annotated[float, typer.Option(min=0.1, max=600, help="How fast time runs; 60: a day in 24 minutes.")] = 1.0,
    start: Annotated[
        str | None, typer.Option(help="A fresh folder begins at this instant (ISO 8601) instead of now.")
    ] = None,
    tour: Annotated[
        bool, typer.Option("--tour", help="Let things happen: a cloud, cars, a peak, an inverter that fails.")
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
    embedded_broker: Annotated[
        bool, typer.Option("--embedded-broker", help="Use the embedded broker although mosquitto is installed.")
    ] = False,
) -> None:
    """The whole system in one go, with simulated rooftops on real Modbus, MQTT and storage."""
    from cli.demo.command import DemoOptions, run_demo

    run_demo(
        DemoOptions(
            port=port,
            data=data,
            sites=sites,
            speed=speed,
            start=start,
            open_browser=not no_browser,
            embedded_broker=embedded_broker,
            tour=tour,
        )
    )


@app.command()
def run(config: ConfigOption) -> None:
    """The centre in one process: broker if none is configured, collector, API."""
    from cli.centre import run_centre

    run_centre(config, parts={"broker", "collector", "api"})


@app.command()
def collector(config: ConfigOption) -> None:
    """The collector: ingest, live balance, quarter-hours, rules."""
    from cli.centre import run_centre

    run_centre(config, parts={"collector"})


@app.command()
def api(config: ConfigOption) -> None:
    """The HTTP service and the live page."""
    from cli.centre import run_centre

    run_centre(config, parts={"api"})


@app.command()
def gateway(
    config: Annotated[
        list[Path], typer.Option("--config", help="YAML configuration file; several run in one process.")
    ],
    wait_for: Annotated[int, typer.Option(hidden=True, help="Begin when this local port accepts connections.")] = 0,
) -> None:
    """A rooftop gateway: polls devices, keeps and publishes readings, executes leases."""
    from cli.edge import run_gateways

    run_gateways(config, wait_for=wait_for)


@app.command()
def simulate(config: ConfigOption) -> None:
    """Only the simulated devices."""
    from cli.edge import run_simulator

    run_simulator(config)


@app.command()
def check(
    file: Annotated[
        Path,
        typer.Argument(
            help="A centre, gateway, simulator, people, sharing-key, terms, investment, factors or case file."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Validates a configuration file and says what it configures."""
    from cli.configs import check_file, problem_facts

    try:
        print(check_file(file, as_json=as_json))
    except ConfigError as error:
        if as_json:
            problems = [problem_facts(one) for one in (error, *error.others)]
            print(json.dumps({"file": str(file), "ok": False, "problems": problems}, ensure_ascii=False))
            sys.exit(1)
        raise


@app.command()
def schema(
    kind: Annotated[
        str, typer.Argument(help="centre, gateway, simulator, people, key, terms, investment, factors or case")
    ] = "centre",
    _as_json: JsonOption = False,
) -> None:
    """Prints the JSON schema of a configuration; it is JSON with or without --json."""
    from cli.configs import schema_of

    print(schema_of(kind))


add_data_commands(app)
add_field_commands(app)
app.command(name="doctor")(doctor)
app.command(name="settle")(settle_command)
app.command(name="sizing")(sizing_command)
app.command(name="import")(import_command)
app.command(name="backtest")(backtest_command)
app.add_typer(alerts_app, name="alerts")
app.add_typer(buildings_app, name="buildings")
app.add_typer(keys_app, name="keys")
app.add_typer(sharing_app, name="sharing")
app.add_typer(statements_app, name="statements")
app.add_typer(users_app, name="users")
app.add_typer(register_app, name="register")
app.add_typer(dashboards_app, name="dashboards")


@app.command(name="backfill", hidden=True)
def backfill(directory: Annotated[Path, typer.Argument(help="Data directory of the demonstration.")]) -> None:
    """Fills the demonstration's past through the gateway's own decoder, outbox and uplink."""
    from cli.demo.backfill import run_backfill

    run_backfill(directory)


@app.command(name="broker", hidden=True)
def broker(port: Annotated[int, typer.Option(min=1, max=65535)] = 1883) -> None:
    """An embedded MQTT 3.1.1 broker for demonstrations."""
    from cli.broker import run_embedded_broker

    run_embedded_broker(port)


def main() -> None:
    """Entry point: expected errors become one message on stderr and exit code 1."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BaseExceptionGroup as group:  # what ended a service's tasks
        known = group.subgroup(_is_told)
        if known is None:
            raise
        _fail(_first(known))
    except (CommonwattError, ModuleNotFoundError, OSError) as error:
        if not _is_told(error):
            raise
        _fail(error)


def _is_told(error: BaseException) -> bool:
    """Whether a person can do something about it: ours, a package or a file. Anything else is a fault of the program."""
    return isinstance(error, CommonwattError | ModuleNotFoundError) or (
        isinstance(error, OSError) and error.filename is not None
    )


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _fail(error: BaseException) -> None:
    if isinstance(error, ModuleNotFoundError):
        error = ConfigError(
            f"this command needs the package {error.name!r}, which is not installed",
            hint="pip install 'commonwatt[all]' (or [gateway], [centre], [simulator])",
        )
    if isinstance(error, OSError):
        error = ConfigError(
            f"cannot be used: {error.strerror}",
            file=os.fsdecode(error.filename),
            hint="check the path, the rights of who runs this, and the disk's free space",
        )
    print(f"error: {error}", file=sys.stderr)
    for other in error.others if isinstance(error, ConfigError) else ():
        print(f"error: {other}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
