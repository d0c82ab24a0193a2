"""The network cost of each metering point, as the grid operator's monthly file has it."""

from __future__ import annotations

import csv
import re
from decimal import Decimal
from pathlib import Path
from typing import Final

from energy.errors import DataError
from energy.sharing.ean import parse_ean

__all__ = ["read_fees"]

_COLUMNS: Final = ["ean", "grid_fee_eur"]
_AMOUNT: Final = re.compile(r"\d{1,7}(\.\d{1,6})?", re.ASCII)


def read_fees(path: Path) -> dict[str, Decimal]:
    """Euros before VAT by EAN; an EAN may have several rows (day and night), which are added. Raises DataError."""
    fees: dict[str, Decimal] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if header != _COLUMNS:
                raise DataError(f"has the columns {','.join(header)}", field=f"{path}:1", hint="ean,grid_fee_eur")
            for row in reader:
                if row:
                    ean, fee = _fee(path, reader.line_num, row)
                    fees[ean] = fees.get(ean, Decimal(0)) + fee
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", field=str(path), hint="check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"is no CSV in UTF-8: {error}", field=str(path), hint="save it as CSV in UTF-8") from error
    return fees


def _fee(path: Path, line: int, row: list[str]) -> tuple[str, Decimal]:
    if len(row) != len(_COLUMNS):
        raise DataError(f"has {len(row)} cells", field=f"{path}:{line}", hint="ean,grid_fee_eur")
    ean, amount = (cell.strip() for cell in row)
    try:
        parse_ean(ean)
    except ValueError as error:
        raise DataError(str(error), field=f"{path}:{line} ean", hint="an EAN is text of 18 digits") from None
    if not _AMOUNT.fullmatch(amount):
        raise DataError(
            f"{amount!r} is no amount of euros", field=f"{path}:{line} grid_fee_eur", hint="write it as 12.34"
        )
    return ean, Decimal(amount)
