"""The month that docs/settlement.md lets a newcomer settle: its commands as they stand there, and that every euro adds up."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(400)  # ten commands in processes of their own, on a machine that may be busy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settlement.md").read_text(encoding="utf-8")
MONTH = ("--config", "deploy/examples/month/centre.yaml", "--community", "ixelles", "--month", "2026-07")


def _told_block() -> str:
    (block,) = re.findall(r"<!-- month: .*? -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
    return block


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory):
    """The folder after the page's commands, and what they printed."""
    folder = tmp_path_factory.mktemp("newcomer")
    (folder / "deploy").symlink_to(ROOT / "deploy")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", _told_block()],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def _run(folder: Path, version: int) -> dict:
    done = subprocess.run(
        [Path(sys.executable).parent / "commonwatt", "statements", "show", *MONTH, "--version", str(version), "--json"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)["run"]


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_page_shows_what_its_commands_print(newcomer):
    """Every line of a run that the page shows; days and numbers of documents depend on today."""
    _, printed = newcomer
    shown = [
        line for line in PAGE.splitlines() if re.match(r"ixelles 2026-07, version|  m-\w+(:| pays| is paid) ", line)
    ]
    assert len(shown) == 10
    assert [line for line in shown if line not in printed.splitlines()] == []


@pytest.mark.parametrize(("version", "folder"), [(2, "papers"), (3, "papers-corrected")])
def test_papers_add_up_to_what_the_run_says(newcomer, version, folder):
    """By member and side: the net of every line in month.csv, without credit notes, is the statement's."""
    home, _ = newcomer
    run = _run(home, version)
    documents = {each["number"]: each["draft"] for each in run["documents"]}
    net: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in _rows(home / "month" / folder / "month.csv"):
        draft = documents[row["document"]]
        if draft["kind"] != "credit_note":
            net[draft["member"], draft["kind"]] += Decimal(row["net"])
    kinds = {"consumer": "invoice", "producer": "remuneration"}
    said = {(each["member"], kinds[each["side"]]): each["totals"] for each in run["statements"] if each["lines"]}
    assert net == {place: Decimal(totals["net"]) for place, totals in said.items()}
    sent = {(draft["member"], draft["kind"]): Decimal(draft["totals"]["gross"]) for draft in documents.values()}
    assert {place: sent[place] for place in said} == {place: Decimal(each["gross"]) for place, each in said.items()}
    pdfs = {path.name[:11] for path in (home / "month" / folder).glob("*.pdf")}
    assert pdfs == set(documents)


def test_delta_lines_lead_from_the_final_to_the_correction(newcomer):
    home, printed = newcomer
    before, after = (_lines(_run(home, version)) for version in (2, 3))
    for correction in _run(home, 3)["corrections"]:
        new = correction["after"]
        for delta in correction["deltas"]:
            place = (new["member"], new["side"], delta["name"], delta["ean"])
            energy_wh, net = before.get(place, (0, Decimal(0)))
            before[place] = (energy_wh + delta["energy_wh"], net + Decimal(delta["net"]))
    assert before == after
    assert "m-tom: shared_energy +5.164 kWh, +0.72 EUR before VAT" in printed


def _lines(run: dict) -> dict[tuple, tuple[int, Decimal]]:
    return {
        (each["member"], each["side"], line["name"], line["ean"]): (line["energy_wh"] or 0, Decimal(line["net"]))
        for each in run["statements"] for line in each["lines"]
    }  # fmt: skip


def test_credit_notes_take_back_exactly_what_was_sent(newcomer):
    home, _ = newcomer
    sent = {each["number"]: Decimal(each["draft"]["totals"]["gross"]) for each in _run(home, 2)["documents"]}
    back = {
        each["draft"]["credits"]: -Decimal(each["draft"]["totals"]["gross"])
        for each in _run(home, 3)["documents"] if each["draft"]["kind"] == "credit_note"
    }  # fmt: skip
    assert back == sent


def test_invoice_line_is_explained_by_readings_of_the_file(newcomer):
    """Each row's reading stands in the readings file, no more is shared than was read, and the rows add up to the line."""
    home, _ = newcomer
    read = {(row["ean"], row["start"]): row for row in _rows(home / "month" / "july-late.csv")}
    shared: dict[str, Decimal] = defaultdict(Decimal)
    for row in _rows(home / "month" / "tom.csv"):
        reading = Decimal(read[row["ean"], row["start"]]["withdrawal_kwh"])
        assert (reading, row["reading"]) == (Decimal(row["reading_kwh"]), "file")
        assert 0 < Decimal(row["shared_kwh"]) <= reading
        shared[row["line"]] += Decimal(row["shared_kwh"])
    lines = {place[2]: Decimal(wh) / 1000 for place, (wh, _) in _lines(_run(home, 3)).items() if place[0] == "m-tom"}
    assert shared == lines
    assert shared["shared_energy"] == Decimal("162.786")


def test_explain_never_writes_over_the_readings(newcomer):
    home, _ = newcomer
    late = home / "month" / "july-late.csv"
    before = late.read_bytes()
    done = subprocess.run(
        [Path(sys.executable).parent / "commonwatt", "statements", "explain", *MONTH, "--member", "m-tom",
         "--readings", str(late), "--quarters", str(late)],
        cwd=home, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "would be written over" in done.stderr
    assert late.read_bytes() == before
