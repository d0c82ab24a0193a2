"""What the market's day-ahead prices are, from a file that is read again when it changes or from ENTSO-E. Never in the way.

A source that is missing, wrong or away is said once and in every plan; what was known before goes on to count.
"""

from __future__ import annotations

import asyncio
import csv
import logging
import os
from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from collector.market import PriceQuestion
from energy.errors import CommonwattError, ConfigError, DataError
from energy.quarters import QUARTER_MS, quarter_start
from energy.tariff import Entsoe, Market
from runtime.child import ask_child

__all__ = ["KEY_ENV", "MarketPrices", "read_prices"]

log = logging.getLogger(__name__)

KEY_ENV: Final = "COMMONWATT_ENTSOE_KEY"
_ASK_MS: Final = 3_600_000  # tomorrow's prices come out once a day, at about one o'clock
_RETRY_MS: Final = 600_000
_BACK_MS: Final = 86_400_000
_AHEAD_MS: Final = 2 * 86_400_000
_WITHIN_S: Final = 60.0
_LONGEST_MS: Final = 3_600_000
_MOST_EUR: Final = 10.0


class MarketPrices:
    """The prices of one market. `known`: EUR/kWh by start of quarter-hour; `problem`: why not all of them are."""

    def __init__(self, market: Market) -> None:
        self.known: dict[int, float] = {}
        self.problem: str | None = None
        self._market = market
        self._read_mtime: float | None = None
        self._asked_ms = -_ASK_MS

    async def refresh(self, now_ms: int) -> bool:
        """Looks for news, whether there was any."""
        before, problem = self.known, self.problem
        try:
            if self._market.csv is not None:
                await asyncio.to_thread(self._read, Path(self._market.csv))
            elif self._market.entsoe is not None and now_ms - self._asked_ms >= _ASK_MS:
                self._asked_ms = now_ms
                self.known = {**self.known, **await _ask(self._market.entsoe, now_ms)}
                self.problem = None
        except (CommonwattError, OSError) as error:
            self.problem = str(error)
            self._asked_ms = now_ms - _ASK_MS + _RETRY_MS
        if self.problem is not None and self.problem != problem:
            log.warning("market prices: %s; what is known goes on to count", self.problem)
        self.known = {start: price for start, price in self.known.items() if start >= now_ms - _BACK_MS}
        return self.known != before

    def _read(self, path: Path) -> None:
        """Raises DataError, OSError."""
        mtime = path.stat().st_mtime
        if mtime != self._read_mtime:
            self._read_mtime = mtime
            self.known = read_prices(path)
            self.problem = None


def read_prices(path: Path) -> dict[int, float]:
    """`start,eur_kwh` by start of quarter-hour; a price holds until the next one, an hour at most. Raises DataError, OSError."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            told = dict(_rows(csv.reader(file), path))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no CSV in UTF-8: {error}", hint="save it as UTF-8 CSV") from error
    starts = sorted(told)
    ends = [*(min(following, start + _LONGEST_MS) for start, following in pairwise(starts))]
    if starts:
        step = starts[-1] - starts[-2] if len(starts) > 1 else QUARTER_MS
        ends.append(starts[-1] + min(step, _LONGEST_MS))
    return {
        quarter: told[start]
        for start, end in zip(starts, ends, strict=True)
        for quarter in range(quarter_start(start), end, QUARTER_MS)
    }


def _rows(rows: Iterator[list[str]], path: Path) -> Iterator[tuple[int, float]]:
    header = [name.strip() for name in next(rows, [])]
    if header[:2] != ["start", "eur_kwh"]:
        raise DataError(f"{path}:1: the columns are {', '.join(header) or 'none'}", hint="begin with `start,eur_kwh`")
    for number, row in enumerate(rows, start=2):
        if not any(cell.strip() for cell in row):
            continue
        try:
            start = datetime.fromisoformat(row[0].strip())
            price = float(row[1])
        except (ValueError, IndexError) as error:
            raise DataError(f"{path}:{number}: {error}", hint="as 2026-11-28T00:00:00+01:00,0.0912") from error
        if start.tzinfo is None:
            raise DataError(f"{path}:{number}: start: an instant needs its offset", hint="as 2026-11-28T00:00:00+01:00")
        if not abs(price) <= _MOST_EUR:
            raise DataError(
                f"{path}:{number}: eur_kwh: {row[1]} is no price per kWh", hint="EUR/MWh are 1000 times that"
            )
        yield round(start.timestamp() * 1000), price


async def _ask(entsoe: Entsoe, now_ms: int) -> dict[int, float]:
    """Raises DataError, ConfigError, OSError."""
    key = await asyncio.to_thread(_key, entsoe)
    if not key:
        raise ConfigError("no security token of ENTSO-E is known", hint=f"set `key_file`, or {KEY_ENV}")
    question = PriceQuestion(entsoe.area, key, now_ms - _BACK_MS, now_ms + _AHEAD_MS, entsoe.url)
    answer = await ask_child("collector.market", msgspec.json.encode(question), _WITHIN_S)
    return msgspec.json.decode(answer, type=dict[int, float])


def _key(entsoe: Entsoe) -> str:
    """Raises OSError."""
    if entsoe.key_file is not None:
        return Path(entsoe.key_file).read_text(encoding="utf-8").strip()
    return os.environ.get(KEY_ENV, "").strip()
