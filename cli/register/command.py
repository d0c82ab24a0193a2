"""`commonwatt register plan | apply | export | audit`: configuration as code, never silently overwritten."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import CentreOption, JsonOption, WhoOption, WhyOption
from runtime.clock import clock_from_env

if TYPE_CHECKING:
    from storage.register.settings import RegisterSettings

__all__ = ["open_database", "open_register", "register_app", "who"]

register_app = typer.Typer(help="The register: what configuration would change, and changing it.", no_args_is_help=True)

PeopleOption = Annotated[
    Path | None, typer.Option("--people", help="People, participants, metering points, sharing keys, prices.")
]


@contextmanager
def open_database(settings: RegisterSettings) -> Iterator[Any]:
    """The register's database until the block ends."""
    from storage.register.database import RegisterDatabase

    database = RegisterDatabase(settings)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def open_register(config: Path) -> Iterator[Any]:
    """The database of the register that a centre's configuration names, until the block ends."""
    from cli.configs import load_centre

    with open_database(load_centre(config).register_) as database:
        yield database


def who(given: str | None) -> str:
    """Who acts, for the audit."""
    return given or getpass.getuser()


@register_app.command("plan")
def plan_command(config: CentreOption, people: PeopleOption = None, as_json: JsonOption = False) -> None:
    """Compares the files with the register and tells what would change. Writes nothing into it."""
    from storage.register.plan import compare

    settings, wish = _read(config, people)
    with open_database(settings) as database, database.read() as connection:
        found = compare(connection, wish)
    _refuse(found, config, people)
    print(json.dumps(_facts(found)) if as_json else _told(found))


@register_app.command("apply")
def apply_command(
    config: CentreOption,
    plan: Annotated[str, typer.Option("--plan", help="The plan's number, as `register plan` told it.")],
    people: PeopleOption = None,
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Writes a plan into the register, as a whole or not at all."""
    from storage.register.plan import apply, compare

    settings, wish = _read(config, people)
    with open_database(settings) as database:
        with database.read() as connection:
            _refuse(compare(connection, wish), config, people)
        done = apply(database, wish, plan, by=who(by), why=why, now_ms=clock_from_env().now_ms())
    print(json.dumps(_facts(done)) if as_json else f"{len(done.changes)} changes are written")


@register_app.command("export")
def export_command(
    config: CentreOption,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only what holds on that day.")] = None,
    known_at: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="As it was known at that day's start (UTC).")
    ] = None,
) -> None:
    """Prints the register's people, participants, metering points, keys and prices as a people file."""
    from cli.register.file import as_yaml
    from storage.register.plan import KINDS

    known_ms = None if known_at is None else int(known_at.replace(tzinfo=UTC).timestamp() * 1000)
    with open_register(config) as database, database.read() as connection:
        facts = {each.kind: each.all(connection, known_at=known_ms) for each in KINDS}
    if on is not None:
        facts = {kind: [fact for fact in each if fact.holds(on.date())] for kind, each in facts.items()}
    print(as_yaml(facts), end="")


@register_app.command("audit")
def audit_command(
    config: CentreOption,
    subject: Annotated[str | None, typer.Option(help="Only what was done to this id.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many lines at most.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Who changed what, when and why; newest first."""
    from storage.register.audit import entries

    with open_register(config) as database, database.read() as connection:
        found = entries(connection, limit=limit, subject=subject)
    if as_json:
        print(json.dumps({"audit": [asdict(entry) for entry in found]}))
        return
    for entry in found:
        at = datetime.fromtimestamp(entry.t / 1000, UTC)
        print(f"{at:%Y-%m-%d %H:%M:%S}Z\t{entry.who}\t{entry.action} {entry.kind} {entry.subject}\t{entry.why}")


def _read(config: Path, people: Path | None) -> tuple[RegisterSettings, Any]:
    from cli.configs import load_centre
    from cli.register.file import load_people, wanted

    centre = load_centre(config)
    return centre.register_, wanted(centre.communities, load_people(people) if people is not None else None)


def _refuse(plan: Any, config: Path, people: Path | None) -> None:
    """Raises ConfigError for the first problem, with all others."""
    from cli.register.file import line_of

    if plan.problems:
        first, *others = (line_of(people or config, problem) for problem in plan.problems)
        first.others = tuple(others)
        raise first


def _facts(plan: Any) -> dict[str, Any]:
    return {
        "plan": plan.digest,
        "changes": [
            {
                "what": change.what,
                "kind": change.kind,
                "id": change.fact.id,
                "valid_from": change.fact.valid_from.isoformat(),
                "before": change.before,
                "after": change.after,
            }
            for change in plan.changes
        ],
        "kept": [{"kind": kind, "id": fact.id, "valid_from": fact.valid_from.isoformat()} for kind, fact in plan.kept],
    }


def _told(plan: Any) -> str:
    signs = {"add": "+", "change": "~", "end": "|"}
    lines = []
    for change in plan.changes:
        lines.append(f"{signs[change.what]} {change.kind} {change.fact.id}{_since(change.fact)}")
        if change.before is not None:
            lines += [f"    {name}: {value!r} -> {change.after[name]!r}" for name, value in change.before.items()]
    lines += [f"= {kind} {fact.id}{_since(fact)} stands only in the register and is kept" for kind, fact in plan.kept]
    count = {what: sum(change.what == what for change in plan.changes) for what in signs}
    lines.append(f"{count['add']} to add, {count['change']} to change, {count['end']} to end, {len(plan.kept)} kept")
    if plan.changes:
        lines.append(f"write it: commonwatt register apply --plan {plan.digest} with the same files")
    return "\n".join(lines)


def _since(fact: Any) -> str:
    from storage.register.facts import ALWAYS

    return "" if fact.valid_from == ALWAYS else f" from {fact.valid_from}"
