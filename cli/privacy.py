"""`commonwatt users consent | consents | withdraw | export | erase | research`: what a person may ask of who keeps its data."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.options import CentreOption, JsonOption, WhoOption, WhyOption
from cli.register.command import open_register, who
from energy.errors import RefusedError
from runtime.clock import clock_from_env

if TYPE_CHECKING:
    from energy.settlement.curves import Curve

__all__ = ["add_privacy_commands"]

PersonArgument = Annotated[str, typer.Argument(help="A user's or a person's id.")]
PurposeArgument = Annotated[str, typer.Argument(help="curve, research, or another of your own.")]
_EVER = (0, 1 << 62)
_HEAD = ("participant", "ean", "start", "withdrawn_wh", "received_wh", "injected_wh", "given_wh")
_README = """\
Everything this register holds about one person.

about.json         the register's rows, API keys (without their secrets), consents, the audit's lines, what was done by the
                   person's users, statements and documents of settled months
quarter_hours.csv  quarter-hours of the person's metering points in settled months, Wh; an empty cell is unknown

Readings of a building are not in it: they are the building's, not a person's.
"""


def add_privacy_commands(app: typer.Typer) -> None:
    """Adds the commands to `users`."""
    app.command("consents")(list_consents)
    app.command("consent")(give_consent)
    app.command("withdraw")(withdraw_consent)
    app.command("export")(export_person)
    app.command("erase")(erase_person)
    app.command("delete", hidden=True)(erase_person)  # its name of before
    app.command("research")(export_research)


def list_consents(person: PersonArgument, config: CentreOption, as_json: JsonOption = False) -> None:
    """What a person agreed to, and until when."""
    from storage.register.consents import consents
    from storage.register.erasure import ids_of

    with open_register(config) as database, database.read() as connection:
        found = consents(connection, ids_of(connection, person).person)
    if as_json:
        print(json.dumps({"consents": [asdict(one) for one in found]}))
        return
    for one in found:
        until = "stands" if one.withdrawn_at is None else f"withdrawn {_instant(one.withdrawn_at)}"
        print(f"{one.purpose}\tsince {_instant(one.given_at)}\t{until}\t{one.evidence}")
    if not found:
        print("none was ever given")


def give_consent(
    person: PersonArgument,
    purpose: PurposeArgument,
    config: CentreOption,
    evidence: Annotated[str, typer.Option(help="The form, its date, and where it lies.")],
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Keeps a consent with its evidence."""
    from storage.register.consents import give
    from storage.register.erasure import ids_of

    with open_register(config) as database, database.write() as connection:
        known, now_ms = ids_of(connection, person).person, clock_from_env().now_ms()
        give(connection, known, purpose, evidence, now_ms)
        _note(connection, now_ms, by, "consent", known, purpose, why)
    told = {"person": known, "purpose": purpose, "stands": True}
    print(json.dumps(told) if as_json else f"{known} consents to {purpose}")


def withdraw_consent(
    person: PersonArgument,
    purpose: PurposeArgument,
    config: CentreOption,
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Ends a consent: from now on what needs it is refused. That it stood stays known."""
    from storage.register.consents import withdraw
    from storage.register.erasure import ids_of

    with open_register(config) as database, database.write() as connection:
        known, now_ms = ids_of(connection, person).person, clock_from_env().now_ms()
        withdraw(connection, known, purpose, now_ms)
        _note(connection, now_ms, by, "withdraw", known, purpose, why)
    told = {"person": known, "purpose": purpose, "stands": False}
    print(json.dumps(told) if as_json else f"{known} no longer consents to {purpose}")


def export_person(
    person: PersonArgument,
    config: CentreOption,
    out: Annotated[Path, typer.Option(help="The .zip to write; only its owner may read it.")],
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Writes everything about a person into one archive, for that person."""
    from storage.register import audit
    from storage.register.curves import of_participants
    from storage.register.erasure import about, ids_of

    if out.exists():
        raise RefusedError(f"{out} exists", hint="name a file that does not exist yet")
    with open_register(config) as database, database.write() as connection:
        ids = ids_of(connection, person)
        facts = about(connection, ids)
        curves = of_participants(connection, ids.participants, *_EVER)
        audit.record(connection, clock_from_env().now_ms(), who(by), "export", "person", ids.person, why=why)
        quarters = _archive(out, facts, curves)
    told = {"person": ids.person, "participants": list(ids.participants), "quarter_hours": quarters, "file": str(out)}
    print(json.dumps(told) if as_json else f"{out}: everything about {ids.person}, {quarters} quarter-hours")


def erase_person(
    person: PersonArgument, config: CentreOption, by: WhoOption = None, why: WhyOption = "", as_json: JsonOption = False
) -> None:
    """Erases a person: name, mail, login, evidence and quarter-hours; statements and documents stay under the pseudonym."""
    from storage.register.erasure import erase, ids_of

    with open_register(config) as database, database.write() as connection:
        ids = ids_of(connection, person)
        erase(connection, ids, by=who(by), why=why, now_ms=clock_from_env().now_ms())
    left = "copies made before still hold it: backups, exports, `.before-` files of the register"
    print(
        json.dumps({"person": ids.person, "erased": True, "left": left}) if as_json else f"{person} is erased; {left}"
    )


def export_research(
    config: CentreOption,
    community: Annotated[str, typer.Option(help="The community's id.")],
    out: Annotated[Path, typer.Option(help="The CSV to write.")],
    by: WhoOption = None,
    why: WhyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Writes the settled quarter-hours of those members who consent to `research`, under their pseudonyms, without EAN."""
    from storage.register import audit
    from storage.register.consents import Purpose, stands
    from storage.register.curves import of_community
    from storage.register.participants import PARTICIPANTS

    if out.exists():
        raise RefusedError(f"{out} exists", hint="name a file that does not exist yet")
    with open_register(config) as database, database.write() as connection:
        members = [each for each in PARTICIPANTS.all(connection) if each.community == community]
        agreed = {each.id for each in members if stands(connection, each.person, Purpose.RESEARCH)}
        if not agreed:
            raise RefusedError(
                f"nobody of {community} consents to {Purpose.RESEARCH}", hint="`commonwatt users consent` keeps one"
            )
        curves = [each for each in of_community(connection, community, *_EVER) if each.member in agreed]
        after = {"members": sorted(agreed)}
        now_ms = clock_from_env().now_ms()
        audit.record(connection, now_ms, who(by), "research", "community", community, after=after, why=why)
        text = io.StringIO()
        quarters = _write(text, curves, with_points=False)
        out.write_text(text.getvalue(), encoding="utf-8")
    left_out = len({each.id for each in members}) - len(agreed)
    told = {"members": len(agreed), "left_out": left_out, "quarter_hours": quarters}
    print(
        json.dumps(told)
        if as_json
        else f"{out}: {quarters} quarter-hours of {len(agreed)} members, {left_out} left out"
    )


def _archive(out: Path, facts: dict[str, Any], curves: Iterable[Curve]) -> int:
    text = io.StringIO()
    quarters = _write(text, curves, with_points=True)
    part = out.with_name(f"{out.name}.part")
    part.touch(mode=0o600)
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _README)
        archive.writestr("about.json", json.dumps(facts, indent=2, ensure_ascii=False, default=str))
        archive.writestr("quarter_hours.csv", text.getvalue())
    part.replace(out)
    return quarters


def _write(text: io.StringIO, curves: Iterable[Curve], *, with_points: bool) -> int:
    """Rows of quarter-hours; gives how many."""
    writer = csv.writer(text, lineterminator="\n")
    head = [name for name in _HEAD if with_points or name != "ean"]
    writer.writerow(head)
    quarters = 0
    for curve in curves:
        for start, *values in _rows(curve):
            names = [curve.member, curve.point] if with_points else [curve.member]
            writer.writerow([*names, start, *values])
            quarters += 1
    return quarters


def _rows(curve: Curve) -> Iterator[tuple[object, ...]]:
    from energy.quarters import QUARTER_MS
    from energy.settlement.curves import UNKNOWN

    for place, values in enumerate(curve.values.T.tolist()):
        start = _instant(curve.start + place * QUARTER_MS)
        yield start, *("" if value == UNKNOWN else value for value in values)


def _note(connection: Any, now_ms: int, by: str | None, action: str, person: str, purpose: str, why: str) -> None:
    from storage.register import audit

    audit.record(connection, now_ms, who(by), action, "consent", person, after={"purpose": purpose}, why=why)


def _instant(t: int) -> str:
    return f"{datetime.fromtimestamp(t / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
