"""`commonwatt backtest`: runs forecast, dispatch, balance and sharing over historical data and reports what it earned."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from energy.errors import ConfigError

__all__ = ["backtest", "backtest_command"]


def backtest(case: Path, out: Path, *, quiet: bool = True) -> dict[str, Any]:
    """Runs the case directory `case`, writes result.json, series.parquet and report.html to `out`, gives the result.

    Raises ConfigError or DataError, which name file, line and field; then nothing is written.
    """
    # Here and not above: the command line also serves gateways, which have no numpy and no solver.
    from cli.backtest.case import CaseFile
    from cli.backtest.data import read_data
    from cli.backtest.report import report_html
    from cli.backtest.result import facts_of, series_of
    from cli.backtest.run import run_community
    from cli.backtest.sessions import read_sessions
    from cli.backtest.setting import setting_of
    from cli.backtest.tasks import read_tasks
    from cli.settle.output import write_all
    from runtime.config import load_config

    if not case.is_dir():
        raise ConfigError(f"{case} is no directory", field="--case", hint="it holds case.yaml and data.csv")
    if out.exists() and not out.is_dir():
        raise ConfigError(f"{out} is no directory", field="--out", hint="name a directory; it is made when missing")
    rules = load_config(case / "case.yaml", CaseFile, env={}, kind="case")
    data = read_data(case / "data.csv")
    chargers = {site: model.charger_kw for site, model in rules.chargers().items()}
    end_ms = data.starts_ms[-1] + data.step_ms
    sessions = read_sessions(case / "sessions.csv", data.starts_ms[0], end_ms, chargers) if chargers else ()
    sites = [site.id for community in rules.communities for site in community.sites]
    tasks = read_tasks(case / "tasks.csv", data.starts_ms, data.step_ms, sites)
    settings = [setting_of(rules, community, data, sessions, tasks) for community in rules.communities]
    runs = [run_community(setting, rules, _tell if not quiet else _hush) for setting in settings]
    facts = facts_of(rules, runs)
    out.mkdir(parents=True, exist_ok=True)
    contents = {
        "result.json": f"{_json(facts)}\n".encode(),
        "series.parquet": series_of(runs),
        "report.html": report_html(facts, runs).encode(),
    }
    write_all({out / name: [content] for name, content in contents.items()})
    return facts


def backtest_command(
    case: Annotated[Path, typer.Option(help="Directory with case.yaml, data.csv, sessions.csv for cars, tasks.csv.")],
    out: Annotated[Path, typer.Option(help="Directory for result.json, series.parquet and report.html.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Runs the controllers over historical data and says what each would have cost."""
    facts = backtest(case, out, quiet=as_json or not sys.stderr.isatty())
    print(_json(facts) if as_json else _text(facts, out))


def _json(facts: dict[str, Any]) -> str:
    import json

    return json.dumps(facts, indent=2)


def _text(facts: dict[str, Any], out: Path) -> str:
    lines = [f"{'':18}{'cost EUR':>12}{'import kWh':>13}{'export kWh':>13}{'peak kW':>10}{'self-suff.':>12}"]
    for name, each in facts["controllers"].items():
        sufficiency = each["self_sufficiency"]
        lines.append(
            f"{name.replace('_', ' '):18}{each['cost_eur']:>12,.2f}{each['import_kwh']:>13,.0f}"
            f"{each['export_kwh']:>13,.0f}{each['peak_kw']:>10,.1f}"
            f"{'not defined' if sufficiency is None else f'{sufficiency:.1%}':>12}"
        )
    captured = facts["captured"]
    lines.append(
        "captured: nothing to win here"
        if captured is None
        else f"captured: {captured:.1%} of what perfect foresight saves over the plain rule"
    )
    for community in facts["communities"]:
        worse = community["members_worse_than_plain_rule"]
        lines.append(f"{community['id']}: members worse off than under the plain rule: {', '.join(worse) or 'none'}")
    lines.append(f"written: {out / 'result.json'}, {out / 'series.parquet'}, {out / 'report.html'}")
    return "\n".join(lines)


def _tell(text: str) -> None:
    print(text, file=sys.stderr)


def _hush(_text: str) -> None:
    """Nobody watches."""
