"""`commonwatt alerts`: what stands, the rules behind it, evidence to take away, and a message to try a channel."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import CentreOption, JsonOption
from energy.errors import ConfigError, DataError, StoreError
from energy.languages import Language

if TYPE_CHECKING:
    from cli.configs import CentreConfig
    from energy.alerts.rules import Rule
    from storage.register import Alert, Register

__all__ = ["alerts_app"]

alerts_app = typer.Typer(help="Alerts, their rules, evidence and messages.", no_args_is_help=True)


@alerts_app.command("list")
def list_alerts(
    config: CentreOption,
    everything: Annotated[bool, typer.Option("--all", help="Those that have cleared, too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """What stands, the worst first."""
    import msgspec

    with _register(_load(config)) as register:
        found = register.alerts(open_only=not everything, limit=limit)
    if as_json:
        print(json.dumps({"alerts": msgspec.to_builtins(found)}, ensure_ascii=False))
        return
    for alert in found:
        value = "unknown" if alert.value is None else f"{alert.value:,.10g} {alert.unit}".rstrip()
        print(f"{alert.id}\t{alert.severity}\t{alert.state}\tsince {_utc(alert.since)}\t{value}")
    if not found:
        print("no alert stands")


@alerts_app.command("rules")
def list_rules(
    config: CentreOption,
    library: Annotated[
        bool, typer.Option("--library", help="The ready rules there are, instead of those used.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """The rules with their raise and clear values, and how much each watches."""
    from energy.alerts.library import ready_rules, texts_of
    from energy.alerts.subjects import subjects

    communities = _load(config).communities
    facts = []
    if library:
        facts = [_rule_facts(rule, "", None, texts_of(rule, "en").title) for rule in ready_rules().values()]
    else:
        for community in communities:
            for rule in community.rules:
                watched = len(subjects(rule, community))
                facts.append(_rule_facts(rule, community.id, watched, texts_of(rule, "en").title))
    if as_json:
        print(json.dumps({"rules": facts}, ensure_ascii=False))
        return
    for each in facts:
        watches = "" if each["watches"] is None else f"\twatches {each['watches']}"
        print(
            f"{each['community']}\t{each['id']}\t{each['severity']}\t{each['raises']}\t{each['clears']}{watches}\t{each['title']}".lstrip()
        )


@alerts_app.command("export")
def export_evidence(
    config: CentreOption,
    out: Annotated[Path, typer.Option(help="The file to write: .csv or .json; `-` is standard output as CSV.")],
    alert: Annotated[list[str] | None, typer.Option(help="An alert's id; may be repeated. Without: all.")] = None,
    language: Annotated[Language, typer.Option("--lang", help="Of the sentences.")] = "en",
    as_json: JsonOption = False,
) -> None:
    """The evidence of alerts: crossing, action, command, result, effect measured, cleared."""
    import msgspec

    from storage.register.evidence import as_csv, commands_of, evidence_rows, translated

    if out.suffix not in {".csv", ".json"} and str(out) != "-":
        raise ConfigError("is neither .csv nor .json", field="--out", hint="name the file alerts.csv or alerts.json")
    with _register(_load(config)) as register:
        found = _chosen(register, alert)
        commands = {
            each.id: [command for name in commands_of(each) if (command := register.command(name))] for each in found
        }
    if out.suffix == ".json":
        chains = [{"alert": translated(each, language), "commands": commands[each.id]} for each in found]
        text = json.dumps(msgspec.to_builtins({"chains": chains}), ensure_ascii=False, indent=1) + "\n"
    else:
        rows = [row for each in found for row in evidence_rows(each, commands[each.id], language)]
        text = as_csv(sorted(rows, key=lambda row: row.t))
    if str(out) == "-":
        sys.stdout.write(text)
        return
    _write(out, text)
    facts = {"file": str(out), "alerts": len(found)}
    print(json.dumps(facts) if as_json else f"{out}: {len(found)} alerts")


@alerts_app.command("test")
def try_channels(
    config: CentreOption,
    channel: Annotated[list[str] | None, typer.Option(help="A channel's id; may be repeated. Without: all.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Sends a test message to channels, and says how it went. Exit 1 when an address did not take it."""
    import msgspec

    from messaging.notices import Mailbox, trial

    settings = _load(config).notifications
    names = channel or [each.id for each in settings.channels]
    sent = []
    for name in names:
        wanted = settings.channel(name)
        if wanted is None:
            known = ", ".join(each.id for each in settings.channels) or "none"
            raise ConfigError(
                f"there is no channel {name!r}", file=str(config), field="notifications", hint=f"there are: {known}"
            )
        sent.append(Mailbox(wanted, settings).send(*trial(wanted)))
    if as_json:
        print(json.dumps({"channels": msgspec.to_builtins(sent)}))
    elif not sent:
        print("no channel is configured; docs/alerts.md shows how")
    else:
        print("\n".join(f"{each.channel}\t{each.problem or 'every address took it'}" for each in sent))
    if any(each.problem for each in sent):
        raise typer.Exit(1)


def _load(config: Path) -> CentreConfig:
    from cli.configs import load_centre

    return load_centre(config)


@contextlib.contextmanager
def _register(config: CentreConfig) -> Iterator[Register]:
    from storage.register import Register

    with contextlib.closing(Register(config.register_)) as register:
        yield register


def _chosen(register: Register, names: list[str] | None) -> list[Alert]:
    if not names:
        return register.alerts(limit=1_000_000)
    found = [(name, register.alert(name)) for name in names]
    for name, alert in found:
        if alert is None:
            raise DataError(
                f"there is no alert {name!r}", field="--alert", hint="`commonwatt alerts list --all` shows them"
            )
    return [alert for _, alert in found if alert is not None]


def _rule_facts(rule: Rule, community: str, watches: int | None, title: str) -> dict[str, object]:
    limits = rule.limits
    raises, clears = ("above", "below") if limits.rising else ("below", "above")
    unit = f" {rule.unit}".rstrip()
    return {
        "community": community,
        "id": rule.id,
        "kind": rule.kind,
        "severity": rule.severity,
        "raises": f"raised {raises} {limits.raise_at:g}{unit} for {limits.for_s:g} s",
        "clears": f"clears {clears} {limits.clear_at:g}{unit} for {limits.clear_for_s:g} s",
        "watches": watches,
        "title": title,
    }


def _write(out: Path, text: str) -> None:
    """The file appears when it is complete."""
    part = out.with_name(f"{out.name}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(out)
    except OSError as error:
        raise StoreError(
            f"{out} cannot be written: {error.strerror}", hint="check the folder and its rights"
        ) from error


def _utc(t: int) -> str:
    return f"{datetime.fromtimestamp(t / 1000, UTC):%Y-%m-%d %H:%M} UTC"
