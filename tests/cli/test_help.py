"""The command tree is a promise: names, arguments and options as in commands.txt.

Written anew by `COMMONWATT_UPDATE_COMMANDS=1 pytest tests/cli/test_help.py`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from cli.main import app

COMMANDS = Path(__file__).with_name("commands.txt")


def tree(command: Any, name: str) -> Iterator[str]:
    """One line for each visible command with its arguments and options."""
    parameters = [one for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
    words = [_word(one) for one in parameters]
    if hasattr(command, "commands"):
        yield " ".join([name, *words, "COMMAND"])
        for child in sorted(command.commands):
            if not command.commands[child].hidden:
                yield from tree(command.commands[child], f"{name} {child}")
    else:
        yield " ".join([name, *words])


def _word(parameter: Any) -> str:
    if parameter.param_type_name == "option":
        text = max(parameter.opts, key=len)
        text = text if parameter.is_flag else f"{text} VALUE"
    else:
        text = (parameter.name or "").upper()
    text += "..." if parameter.nargs == -1 or getattr(parameter, "multiple", False) else ""
    return text if parameter.required else f"[{text}]"


def test_command_tree_is_the_committed_one():
    lines = "".join(f"{line}\n" for line in tree(typer.main.get_command(app), "commonwatt"))
    if os.environ.get("COMMONWATT_UPDATE_COMMANDS"):
        COMMANDS.write_text(lines, encoding="utf-8")
    assert lines == COMMANDS.read_text(encoding="utf-8"), "run with COMMONWATT_UPDATE_COMMANDS=1 if it is meant"


def test_every_command_that_prints_facts_prints_them_as_json_too():
    """Services print none; these write a file for people, or one that is no JSON."""
    files = {"buildings report", "register export", "sharing coefficients", "sharing read-coefficients"}
    services = {"api", "collector", "demo", "gateway", "run", "simulate"}
    lines = [line for line in COMMANDS.read_text(encoding="utf-8").splitlines() if not line.endswith(" COMMAND")]
    without = {line.removeprefix("commonwatt ") for line in lines if "[--json]" not in line.split()}
    assert {re.split(r" [\[A-Z-]", line)[0] for line in without} == files | services


def test_every_visible_command_and_option_says_what_it_does():
    def silent(command: Any, name: str) -> Iterator[str]:
        if not command.help:
            yield name
        for parameter in command.params:
            if parameter.param_type_name == "option" and not parameter.hidden and not parameter.help:
                yield f"{name} {parameter.opts[0]}"
        for child, inner in getattr(command, "commands", {}).items():
            if inner.hidden:
                continue
            yield from silent(inner, f"{name} {child}")

    assert list(silent(typer.main.get_command(app), "commonwatt")) == []


def test_commands_of_the_contract_are_there():
    commands = COMMANDS.read_text(encoding="utf-8")
    promised = [
        "demo",
        "run",
        "gateway",
        "collector",
        "api",
        "simulate",
        "scan",
        "probe",
        "profiles",
        "check",
        "schema",
    ]
    for name in [*promised, "doctor", "settle", "dashboards build", "dashboards push", "keys create"]:
        assert f"\ncommonwatt {name} " in commands


def test_command_line_starts_without_what_only_some_commands_need():
    """`commonwatt --version` and shell completion wait for every import; pydantic alone doubled them."""
    heavy = ["pydantic", "msgspec", "sqlalchemy", "numpy", "duckdb", "pyarrow", "fastapi", "highspy", "yaml"]
    probe = f"import sys, cli.main; sys.exit(' '.join(sys.modules.keys() & {set(heavy)!r}))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""
