"""`commonwatt statements run | show | explain | papers | far-site | late | correct`: settles a community's month, keeps it, and says where each euro is from."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args
from zoneinfo import ZoneInfo

import typer

from cli.options import CentreOption, CommunityOption, JsonOption, MonthOption, WhoOption, WhyOption
from cli.register.command import open_register, who
from cli.settlement.late import correct_command, late_command, reopened_text
from energy.errors import ConfigError, DataError
from runtime.clock import clock_from_env

if TYPE_CHECKING:
    from energy.settlement.gaps import Gap
    from energy.settlement.inputs import Inputs
    from energy.settlement.month import MonthRun, Settled
    from energy.settlement.operator import Difference, OperatorTotal
    from energy.settlement.terms import GridType
    from energy.sharing.settlement import QuarterReadings

__all__ = ["run_json", "run_text", "settled_of", "statements_app"]

statements_app = typer.Typer(help="A community's month: statements, invoices, corrections.", no_args_is_help=True)
statements_app.command("late")(late_command)
statements_app.command("correct")(correct_command)

ReadingsOption = Annotated[Path, typer.Option(help="CSV or Parquet with ean,start,withdrawal_kwh,injection_kwh.")]
TermsOption = Annotated[Path, typer.Option(help="YAML with prices, charges, VAT and the social guard.")]
OperatorOption = Annotated[
    Path | None, typer.Option(help="The grid operator's file of the month: members are charged by its volumes.")
]
FormatOption = Annotated[str, typer.Option(help="Format of --operator: monthly, sibelga-monthly, or a YAML file.")]
VersionOption = Annotated[int | None, typer.Option(min=1, help="Which version; without: the last.")]
RunStatus = Literal["preview", "final", "correction"]
_GAPS_SHOWN = 10
_CAUSES = {
    "only_ours": "not in its file",
    "only_theirs": "not in our readings",
    "held": "we hold quarter-hours",
    "readings": "it counted another withdrawal",
    "estimated": "ours stands on estimates",
    "rounding": "less than a Wh a quarter-hour, as rounding is",
    "key": "it shares by another key, or among others",
}


@statements_app.command("run")
def run_command(
    config: CentreOption,
    community: CommunityOption,
    month: MonthOption,
    readings: ReadingsOption,
    terms: TermsOption,
    status: Annotated[str, typer.Option(help="preview, final or correction.")] = "preview",
    operator: OperatorOption = None,
    operator_format: FormatOption = "monthly",
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Settles a month and keeps it as its next version; a final one and a correction issue documents."""
    from cli.settle.readings import read_readings
    from energy.settlement.inputs import digest
    from storage.register.month_runs import keep

    wanted = _status(status)
    now_ms = clock_from_env().now_ms()
    with open_register(config) as database:
        with database.read() as connection:
            timezone, inputs = _inputs(connection, community, month, terms, _totals(operator, operator_format))
        file = read_readings(readings, 1).readings
        settled = settled_of(inputs, file, readings)
        issued = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(ZoneInfo(timezone)).date()
        sha, by = digest(inputs, file), who(by)
        with database.write() as connection:
            version, run = keep(
                connection, settled, sha, wanted, issued=issued, by=by, why=why, now_ms=now_ms, readings=file
            )
    print(run_json(version, run) if as_json else run_text(version, run))


@statements_app.command("show")
def show_command(
    config: CentreOption,
    community: CommunityOption,
    month: MonthOption,
    version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """What was settled for a month, as it was kept."""
    number, run = _kept(config, community, month, version)
    late = _reopened(config, community, run.inputs.month)
    print(run_json(number, run) if as_json else "\n".join([run_text(number, run), *late]))


@statements_app.command("explain")
def explain_command(
    config: CentreOption,
    community: CommunityOption,
    month: MonthOption,
    member: Annotated[str, typer.Option(help="The participant's id.")],
    readings: ReadingsOption,
    quarters: Annotated[
        Path | None, typer.Option(help="CSV to write: of every line each quarter-hour, with its reading.")
    ] = None,
    version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where each euro of a member's month comes from: settles the kept version again, down to a quarter-hour."""
    from cli.settle.output import write_all
    from cli.settlement.quarters import quarters_csv
    from energy.settlement.explain import explain_line

    number, run = _kept(config, community, month, version)
    settled = _again(run, readings)
    told = [
        {"side": statement.side, "line": line.name, "ean": line.ean, "net": str(line.net),
         "why": explain_line(settled, member, line)}
        for statement in run.statements if statement.member == member for line in statement.lines
    ]  # fmt: skip
    if not told:
        raise ConfigError(f"{member} was charged and paid nothing in {month}", field="--member", hint="check its id")
    if quarters is not None:
        if quarters.resolve() == readings.resolve():
            raise ConfigError("would be written over", field=str(readings), hint="write to another file")
        write_all({quarters: [quarters_csv(settled, member)]})
    if as_json:
        print(json.dumps({"version": number, "lines": told}, ensure_ascii=False))
        return
    print("\n".join(str(line["why"]) for line in told))


@statements_app.command("papers")
def papers_command(
    config: CentreOption,
    community: CommunityOption,
    month: MonthOption,
    out: Annotated[Path, typer.Option(help="A folder that is not there yet.")],
    version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Writes a version's documents: PDF, Peppol XML, CSV, and SEPA files for the bank. Of a preview, its statements."""
    from cli.settlement.papers import write_folder
    from storage.register.papers import document_papers, statement_papers

    number, run = _kept(config, community, month, version)
    made = document_papers if run.documents else statement_papers
    with open_register(config) as database, database.read() as connection:
        papers = made(connection, community, run.inputs.month, number)
    written = write_folder(papers, out, datetime.fromtimestamp(clock_from_env().now_ms() / 1000, UTC))
    print(json.dumps(written.facts(), ensure_ascii=False) if as_json else written.text())


@statements_app.command("far-site")
def far_site_command(
    config: CentreOption,
    community: CommunityOption,
    month: MonthOption,
    joining: Annotated[str, typer.Option("--type", help="Grid type of the site that would join: A, B, C or D.")],
    version: VersionOption = None,
    as_json: JsonOption = False,
) -> None:
    """What one farther site would cost everybody: it makes the whole operation of its grid type."""
    from cli.settlement.far_site import far_site_facts, far_site_text
    from energy.settlement.far_site import far_site

    _, run = _kept(config, community, month, version)
    found = far_site(run.inputs, run.volumes, _grid_type(joining))
    print(json.dumps(far_site_facts(found)) if as_json else far_site_text(run.inputs, found))


def _grid_type(text: str) -> GridType:
    from energy.settlement.terms import GridType

    if text not in get_args(GridType):
        raise ConfigError(f"{text!r} is no grid type", field="--type", hint=f"one of {', '.join(get_args(GridType))}")
    return cast("GridType", text)


def settled_of(inputs: Inputs, file: QuarterReadings, readings: Path) -> Settled:
    """The month settled. Raises DataError that names the file where its readings are wrong."""
    from energy.settlement.month import settle_month

    try:
        return settle_month(inputs, file)
    except DataError as error:
        if error.field != "readings":
            raise
        raise DataError(error.message.removeprefix("readings: "), field=str(readings), hint=error.hint) from error


def _again(run: MonthRun, readings: Path) -> Settled:
    """The run made again. Raises DataError when these are not its readings, or it gives anything else."""
    from cli.settle.readings import read_readings
    from energy.settlement.inputs import digest

    file = read_readings(readings, 1).readings
    if digest(run.inputs, file) != run.digest:
        raise DataError("are not those of this version", field=str(readings), hint="give the file the run was made of")
    settled = settled_of(run.inputs, file, readings)
    if settled.statements != run.statements:
        raise DataError(
            "gives other amounts than were kept", field="run", hint="explain it with the program it was made by"
        )
    return settled


def _kept(config: Path, community: str, month: str, version: int | None) -> tuple[int, MonthRun]:
    from energy.settlement.terms import Month
    from storage.register.month_runs import kept

    with open_register(config) as database, database.read() as connection:
        found: list[MonthRun] = kept(connection, community, str(Month.parse(month)))
    number = len(found) if version is None else version
    if not 0 < number <= len(found):
        raise ConfigError(
            f"{community} has {len(found)} versions of {month}", field="--version", hint="`statements run` makes one"
        )
    return number, found[number - 1]


def _reopened(config: Path, community: str, month: str) -> list[str]:
    from storage.register.reopened import reopened

    with open_register(config) as database, database.read() as connection:
        return [line for each in reopened(connection, community, month) for line in reopened_text(each)]


def _status(text: str) -> RunStatus:
    if text not in get_args(RunStatus):
        raise ConfigError(f"{text!r} is no status", field="--status", hint=f"one of {', '.join(get_args(RunStatus))}")
    return cast("RunStatus", text)


def _inputs(
    connection: Any, community: str, month: str, terms: Path, operator: tuple[OperatorTotal, ...] | None
) -> tuple[str, Inputs]:
    from cli.settlement.facts import month_facts
    from energy.settlement.inputs import inputs_of
    from energy.settlement.month import month_window
    from energy.settlement.statement import Setting
    from energy.settlement.terms import Month, Terms
    from runtime.config import load_config

    wanted = Month.parse(month)
    facts = month_facts(connection, community, wanted)
    setting = Setting(community, wanted, load_config(terms, Terms, env={}, kind="terms"), facts.grid_type)
    window = month_window(wanted, facts.timezone)
    return facts.timezone, inputs_of(setting, window, facts.keys, facts.members, facts.tenures, operator)


def _totals(path: Path | None, name: str) -> tuple[OperatorTotal, ...] | None:
    from cli.imports.formats import MonthlyFormat, format_named
    from cli.imports.monthly import read_monthly

    if path is None:
        return None
    layout = format_named(name)
    if not isinstance(layout, MonthlyFormat):
        raise ConfigError(
            f"{name} has no monthly volumes", field="--operator-format", hint="monthly or sibelga-monthly"
        )
    return read_monthly(path, layout)


def run_json(version: int, run: MonthRun) -> str:
    """A version as it is kept."""
    import msgspec

    return msgspec.json.format(msgspec.json.encode({"version": version, "run": run}), indent=2).decode()


def _because(difference: Difference) -> str:
    causes = ", ".join(_CAUSES[cause] for cause in difference.causes)
    return f": {causes}" if causes else ""


def _gap(gap: Gap) -> str:
    first, last = (datetime.fromtimestamp(at / 1000, UTC) for at in (gap.start, gap.end))
    return (
        f"{gap.point}: {gap.direction} unknown from {first:%Y-%m-%dT%H:%MZ} to {last:%Y-%m-%dT%H:%MZ}, "
        f"{gap.quarters:,} quarter-hours"
    )


def run_text(version: int, run: MonthRun) -> str:
    """A version for people."""
    head = f"{run.inputs.community} {run.inputs.month}, version {version} ({run.status})"
    lines = [
        f"{head}: {run.quarters - run.held:,} of {run.quarters:,} quarter-hours settled by {', '.join(key.id for key in run.inputs.keys)}"
    ]
    lines += [f"  held for {_gap(gap)}" for gap in run.gaps[:_GAPS_SHOWN]]
    if more := len(run.gaps[_GAPS_SHOWN:]) + run.gaps_left:
        lines.append(f"  and for {more} gaps more; --json lists them")
    for statement in run.statements:
        energy = statement.energy.received_wh if statement.side == "consumer" else statement.energy.given_wh
        what = "pays" if statement.side == "consumer" else "is paid"
        lines.append(
            f"  {statement.member} {what} {statement.totals.gross} EUR ({statement.totals.net} and {statement.totals.vat} VAT) "
            f"for {energy / 1000:,.3f} kWh"
        )
        lines += [f"    warning: {warning}" for warning in statement.warnings]
    lines += [
        f"  {each.ean} {each.direction}: {each.theirs_wh / 1000:,.3f} kWh by the grid operator, {each.ours_wh / 1000:,.3f} by us{_because(each)}"
        for each in run.differences
    ]
    for correction in run.corrections:
        member = (correction.after or correction.before).member  # type: ignore[union-attr]  # one of them is there
        lines += [
            f"  {member}: {delta.name} {delta.energy_wh / 1000:+,.3f} kWh, {delta.net:+} EUR before VAT"
            for delta in correction.deltas
        ]
    for document in run.documents:
        draft = document.draft
        credits_ = f" on {draft.credits}" if draft.credits else ""
        lines.append(
            f"  {draft.kind} {document.number}{credits_} to {draft.member}: {draft.totals.gross} EUR, "
            f"due {document.due}, {document.communication}"
        )
    return "\n".join(lines)
