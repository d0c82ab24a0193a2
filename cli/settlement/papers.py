"""A month's documents as a folder: PDF and Peppol XML of each, CSV of all, and what the bank is to do; whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from energy.errors import ConfigError, RefusedError
from energy.settlement.paper import Paper
from papers.payments import Transaction

__all__ = ["Written", "write_folder"]


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in the folder. `no_peppol`: documents without an XML, each with the reason."""

    folder: Path
    documents: int
    peppol: int
    no_peppol: dict[str, str]
    payments: tuple[Transaction, ...]

    def facts(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "folder": str(self.folder),
            "documents": self.documents,
            "peppol": self.peppol,
            "no_peppol": self.no_peppol,
            "payments": [
                {"way": each.way, "member": each.member, "amount": f"{each.amount:.2f}", "due": each.due.isoformat(),
                 "document": each.reference, "communication": each.communication}
                for each in self.payments
            ],
        }  # fmt: skip

    def text(self) -> str:
        """For people."""
        lines = [f"{self.documents} PDF and {self.peppol} Peppol XML in {self.folder}"]
        told = {
            "debit": "to collect by direct debit (direct-debits.xml)",
            "out": "to pay out (transfers.xml)",
            "itself": "that members transfer themselves",
            "no_account": "to pay out to accounts that nobody has told us",
        }
        for way, what in told.items():
            own = [each for each in self.payments if each.way == way]
            if own:
                lines.append(f"  {len(own)} times {what}, {sum(each.amount for each in own):.2f} EUR")
        lines += [f"  {why}" for why in self.no_peppol.values()]
        return "\n".join(lines)


def write_folder(papers: Sequence[Paper], folder: Path, now: datetime) -> Written:
    """Writes everything, at first beside the folder. Raises ConfigError when it is there already."""
    if folder.exists():
        raise ConfigError(f"{folder} is there already", field="--out", hint="name a folder that is not there yet")
    if not papers:
        raise ConfigError("nothing was charged or paid in this version", field="--version", hint="take another one")
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        written = _write(papers, part, now)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Written(folder, *written)


def _write(
    papers: Sequence[Paper], part: Path, now: datetime
) -> tuple[int, int, dict[str, str], tuple[Transaction, ...]]:
    from papers.payments import transactions
    from papers.pdf import pdf
    from papers.tables import month_csv
    from papers.ubl import ubl

    without: dict[str, str] = {}
    for paper in papers:
        name = _name(paper)
        (part / f"{name}.pdf").write_bytes(pdf(paper))
        if paper.document is None:
            continue
        try:
            (part / f"{name}.xml").write_bytes(ubl(paper))
        except RefusedError as refused:
            without[paper.document.number] = refused.message
    (part / "month.csv").write_bytes(month_csv(papers))
    (part / "month-excel.csv").write_bytes(month_csv(papers, "excel-be"))
    paid = tuple(transactions(papers))
    _write_bank(papers[0], paid, part, now)
    issued = sum(paper.document is not None for paper in papers)
    return len(papers), issued - len(without), without, paid


def _write_bank(paper: Paper, paid: Sequence[Transaction], part: Path, now: datetime) -> None:
    from papers.sepa import credit_transfers, direct_debits

    message = f"{re.sub('[^A-Za-z0-9]', '', paper.community.name)[:16]}-{paper.draft.month}-{paper.version}"
    debits, out = ([each for each in paid if each.way == way] for way in ("debit", "out"))
    if debits:
        (part / "direct-debits.xml").write_bytes(direct_debits(paper.community, f"{message}-DD", debits, now))
    if out:
        (part / "transfers.xml").write_bytes(credit_transfers(paper.community, f"{message}-CT", out, now))


def _name(paper: Paper) -> str:
    if paper.document is None:
        return f"preview-{paper.draft.kind}-{paper.draft.member}"
    return f"{paper.document.number}-{paper.draft.kind}-{paper.draft.member}"
