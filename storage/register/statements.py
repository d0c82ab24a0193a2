"""The statements of alerts, commands and quarantine, built once for each dialect: building costs ten times the running."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BindParameter,
    Connection,
    Select,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from storage.register.records import Act, QuarantineEntry
from storage.register.tables import ActRow, AlertRow, CommandRow, QuarantineRow, TallyRow, TrailRow, table

__all__ = ["ALERT", "COMMAND", "QUARANTINE", "TALLY", "Statements", "statements"]

COMMAND: Final = table(CommandRow)
TRAIL: Final = table(TrailRow)
ALERT: Final = table(AlertRow)
ACT: Final = table(ActRow)
QUARANTINE: Final = table(QuarantineRow)
TALLY: Final = table(TallyRow)

_COMMAND_FIELDS: Final = (
    *("id", "device", "values_json", "ttl_s", "issued_by", "reason", "t", "state", "ends_at"),
    *("renewals", "renewed_at", "renewals_asked"),
)
# How far a step is in a command's life: clocks of gateway and centre differ, so time alone does not order steps.
# a refusal below applied: a message that came twice is refused under the id of the lease that stands
_STAGE: Final = case(
    (TRAIL.c.state == "asked", 0), (TRAIL.c.state == "refused", 1), (TRAIL.c.state == "applied", 2), else_=3
)
_URGENCY: Final = case(
    (ALERT.c.state == "cleared", 0), (ALERT.c.severity == "critical", 0), (ALERT.c.severity == "warning", 1), else_=2
)


@dataclass(frozen=True, slots=True)
class Statements:
    """Parameters are the columns' names, and those that each builder below names."""

    ask: Any
    renew: Update
    confirm: Update
    tell: Any
    step: Any
    save_alert: Any
    keep: Any
    count: Any
    lock_command: Select[Any]
    settle: Update
    trails: Select[Any]
    command: Select[Any]
    commands: Select[Any]
    act: Any
    acts: Select[Any]
    lock_alert: Select[Any]
    alert: Select[Any]
    open_alerts: Select[Any]
    alerts: Select[Any]
    quarantined: Select[Any]


def statements(connection: Connection) -> Statements:
    """Those of the connection's database."""
    return _built(connection.dialect.name)


@lru_cache
def _built(dialect: str) -> Statements:
    insert: Any = postgresql.insert if dialect == "postgresql" else sqlite.insert
    fields = [QUARANTINE.c[field.name] for field in dataclasses.fields(QuarantineEntry)]
    alerts = select(ALERT.c.body)
    alert = alerts.where(ALERT.c.id == bindparam("wanted"))
    commands = select(*(COMMAND.c[name] for name in _COMMAND_FIELDS))
    return Statements(
        ask=_ask(insert(COMMAND)),
        renew=_renew(),
        confirm=_confirm(),
        tell=insert(COMMAND).on_conflict_do_nothing(index_elements=["id"]),
        step=insert(TRAIL).on_conflict_do_nothing(),
        save_alert=_save_alert(insert(ALERT)),
        keep=_keep(insert(QUARANTINE)),
        count=insert(TALLY).on_conflict_do_update(index_elements=["name"], set_={"value": TALLY.c.value + 1}),
        lock_command=select(COMMAND.c.id).where(COMMAND.c.id == bindparam("wanted")).with_for_update(),
        settle=_settle(),
        trails=_trails(),
        command=commands.where(COMMAND.c.id == bindparam("wanted")),
        commands=commands.order_by(COMMAND.c.t.desc(), COMMAND.c.id.desc()).limit(bindparam("most")),
        act=insert(ACT),
        acts=_acts(),
        lock_alert=alert.with_for_update(),
        alert=alert,
        open_alerts=_worst_first(alerts.where(ALERT.c.state != "cleared")),
        alerts=_worst_first(alerts),
        quarantined=select(*fields).order_by(QUARANTINE.c.t.desc(), QUARANTINE.c.id.desc()).limit(bindparam("most")),
    )


def _ask(asked: Any) -> Any:
    """What is asked again is renewed; when a result came before its command, the time of asking is known only now."""
    names = ("device", "values_json", "ttl_s", "issued_by", "reason", "asked_until")
    renewed = {name: asked.excluded[name] for name in names}
    renewed["t"] = case((COMMAND.c.device == "", asked.excluded.t), else_=COMMAND.c.t)
    return asked.on_conflict_do_update(index_elements=["id"], set_=renewed)


def _renew() -> Update:
    """Another renewal of a command that asks for the very same is noted there."""
    same = [COMMAND.c[name] == bindparam(f"same_{name}") for name in ("id", "device", "issued_by", "values_json")]
    number: BindParameter[int] = bindparam("number", type_=COMMAND.c.renewals_asked.type)
    newer = COMMAND.c.renewals_asked < number
    asked_until = case((newer, bindparam("until", type_=COMMAND.c.asked_until.type)), else_=COMMAND.c.asked_until)
    asked = case((newer, number), else_=COMMAND.c.renewals_asked)
    return update(COMMAND).where(*same).values(renewals_asked=asked, asked_until=asked_until)


def _confirm() -> Update:
    """A renewal was confirmed; the newest one's number and time are kept."""
    number: BindParameter[int] = bindparam("number", type_=COMMAND.c.renewals.type)
    told: BindParameter[int] = bindparam("told", type_=COMMAND.c.renewed_at.type)
    newer = COMMAND.c.renewals < number
    kept = {"renewals": case((newer, number), else_=COMMAND.c.renewals)}
    kept["renewed_at"] = case((newer, told), else_=COMMAND.c.renewed_at)
    return update(COMMAND).where(COMMAND.c.id == bindparam("wanted")).values(kept)


def _save_alert(saved: Any) -> Any:
    kept = {name: saved.excluded[name] for name in ("community", "severity", "state", "since", "body")}
    return saved.on_conflict_do_update(index_elements=["id"], set_=kept)


def _keep(kept: Any) -> Any:
    newest = case((QUARANTINE.c.t > kept.excluded.t, QUARANTINE.c.t), else_=kept.excluded.t)
    again = {"count": QUARANTINE.c.count + 1, "t": newest}
    return kept.on_conflict_do_update(index_elements=["digest"], set_=again)


def _settle() -> Update:
    """State and end of the command `wanted` from its trail. What ended it before its newest renewal ended nothing."""
    wanted: BindParameter[str] = bindparam("wanted")
    own = and_(TRAIL.c.command == wanted, or_(_STAGE.in_((0, 2)), TRAIL.c.renewal >= COMMAND.c.renewals))
    furthest = select(TRAIL.c.state).where(own).order_by(_STAGE.desc(), TRAIL.c.t.desc(), TRAIL.c.state).limit(1)
    applied = TRAIL.alias()
    was_applied = exists(literal(1)).where(applied.c.command == wanted, applied.c.state == "applied")
    ended = select(func.min(TRAIL.c.t)).where(own, or_(_STAGE == 3, and_(_STAGE == 1, ~was_applied)))
    ends_at = func.coalesce(ended.scalar_subquery(), COMMAND.c.asked_until)
    return update(COMMAND).where(COMMAND.c.id == wanted).values(state=furthest.scalar_subquery(), ends_at=ends_at)


def _trails() -> Select[Any]:
    """The steps of the commands `wanted`, each command's in the order of its life."""
    columns = (TRAIL.c.command, TRAIL.c.t, TRAIL.c.state, TRAIL.c.reason)
    wanted = TRAIL.c.command.in_(bindparam("wanted", expanding=True))
    return select(*columns).where(wanted).order_by(_STAGE, TRAIL.c.t, TRAIL.c.state, TRAIL.c.reason)


def _acts() -> Select[Any]:
    """What people did to the alerts `wanted`, in the order it was done."""
    columns = [ACT.c[field.name] for field in dataclasses.fields(Act)]
    return select(*columns).where(ACT.c.alert.in_(bindparam("wanted", expanding=True))).order_by(ACT.c.id)


def _worst_first(alerts: Select[Any]) -> Select[Any]:
    past = case((ALERT.c.state == "cleared", 1), else_=0)
    return alerts.order_by(past, _URGENCY, ALERT.c.since.desc(), ALERT.c.id).limit(bindparam("most"))
