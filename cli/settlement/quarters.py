"""Every quarter-hour that a member's lines add up, as CSV: its reading, what of it was shared, for which line."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from decimal import Decimal

from energy.settlement.explain import steps
from energy.settlement.month import Settled
from energy.sharing.settlement import Direction

__all__ = ["quarters_csv"]

_HEAD = ("side", "line", "ean", "start", "reading_kwh", "reading", "shared_kwh")


def quarters_csv(settled: Settled, member: str) -> bytes:
    """A row for each line with a point and each quarter-hour that counts for it.

    `ean` and `start` name the row of the readings file; `reading_kwh` is that row's withdrawal, of a remuneration its injection.
    `reading` is `file`, or `filled` where the sharing key had to say what stands for an empty cell. Volumes are our own.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_HEAD)
    for statement in settled.statements:
        for line in statement.lines if statement.member == member else ():
            for step in steps(settled, member, line.ean) if line.ean else ():
                paid = line.kind == "remuneration"
                way = Direction.INJECTION if paid else Direction.WITHDRAWAL
                shared_wh, reading_wh = (
                    (step.given_wh, step.injection_wh) if paid else (step.received_wh, step.withdrawal_wh)
                )
                if shared_wh:
                    start = datetime.fromtimestamp(step.start / 1000, UTC)
                    source = "filled" if way in step.filled else "file"
                    writer.writerow(
                        [statement.side, line.name, line.ean, f"{start:%Y-%m-%dT%H:%M:%SZ}",
                         _kwh(reading_wh), source, _kwh(shared_wh)]
                    )  # fmt: skip
    return text.getvalue().encode()


def _kwh(energy_wh: int) -> Decimal:
    return Decimal(energy_wh).scaleb(-3)
