"""What the market's day-ahead prices are, from a file that is read again when it changes or from ENTSO-E. Never in the way.

A source that is missing, wrong or away is said once and in every plan; what was known before goes on to count.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Final

import msgspec

from collector.market import PriceQuestion
from energy.errors import CommonwattError, ConfigError
from energy.quarters import QUARTER_MS
from energy.tariff import Co2, Entsoe, Market
from runtime.cells import Cells, open_cells
from runtime.child import ask_child
from runtime.secret_file import read_secret

__all__ = ["KEY_ENV", "MarketPrices", "co2_curve", "read_co2", "read_prices"]

log = logging.getLogger(__name__)

KEY_ENV: Final = "COMMONWATT_ENTSOE_KEY"
_ASK_MS: Final = 3_600_000  # tomorrow's prices come out once a day, at about one o'clock
_RETRY_MS: Final = 600_000
_BACK_MS: Final = 86_400_000
_AHEAD_MS: Final = 2 * 86_400_000
_WITHIN_S: Final = 60.0
_LONGEST_MS: Final = 3_600_000
_MOST_EUR: Final = 10.0
_MOST_G: Final = 2_000.0


class MarketPrices:
    """The prices of one market. `known`: EUR/kWh by start of quarter-hour; `problem`: why not all of them are."""

    def __init__(
        self, market: Market, read: Callable[[Path], dict[int, float]] | None = None, what: str = "market prices"
    ) -> None:
        self._read_file = read or read_prices
        self._what = what
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
            log.warning("%s: %s; what is known goes on to count", self._what, self.problem)
        self.known = {start: price for start, price in self.known.items() if start >= now_ms - _BACK_MS}
        return self.known != before

    def _read(self, path: Path) -> None:
        """Raises DataError, OSError."""
        mtime = path.stat().st_mtime
        if mtime != self._read_mtime:
            self._read_mtime = mtime
            self.known = self._read_file(path)
            self.problem = None


def co2_curve(co2: Co2) -> MarketPrices:
    """What a kWh of the grid emits, kg, kept up to date as prices are."""
    return MarketPrices(Market(csv=co2.csv), read_co2, "CO2 of the grid")


def read_prices(path: Path) -> dict[int, float]:
    """`start,eur_kwh` by start of quarter-hour; a price holds until the next one, an hour at most. Raises DataError."""

    def price(cells: Cells, line: int, text: str) -> float:
        found = cells.number(line, "eur_kwh", text, "write it as 0.0912")
        if not abs(found) <= _MOST_EUR:
            cells.fail(line, "eur_kwh", f"{text} is no price per kWh", "EUR/MWh are 1000 times that")
        return found

    return _read(path, "eur_kwh", price, "check `csv` of the market")


def read_co2(path: Path) -> dict[int, float]:
    """`start,g_kwh` as kg/kWh by start of quarter-hour; a value holds until the next one, an hour at most. Raises DataError."""

    def emitted(cells: Cells, line: int, text: str) -> float:
        found = cells.number(line, "g_kwh", text, "write it as 165")
        if not 0 <= found <= _MOST_G:
            cells.fail(line, "g_kwh", f"{text} is no CO2 of a kWh", f"grams, from 0 to {_MOST_G:g}")
        return found / 1000

    return _read(path, "g_kwh", emitted, "check `csv` of co2")


def _read(path: Path, column: str, value: Callable[[Cells, int, str], float], hint: str) -> dict[int, float]:
    told: dict[int, float] = {}
    with open_cells(path, ("start", column), (), hint) as cells:
        for line, row in cells:
            start = cells.instant(line, "start", row["start"])
            found = value(cells, line, row[column])
            if start % QUARTER_MS:
                cells.fail(line, "start", f"{row['start']} is no start of a quarter-hour", "minutes 00, 15, 30 or 45")
            if start in told:
                cells.fail(line, "start", f"{row['start']} stands twice", "keep one of the two rows")
            told[start] = found
        if not told:
            cells.fail(1, "", "has no rows", "one row for each quarter-hour or hour")
    return _by_quarter(told)


def _by_quarter(told: dict[int, float]) -> dict[int, float]:
    starts = sorted(told)
    step = starts[-1] - starts[-2] if len(starts) > 1 else QUARTER_MS
    ends = [min(following, start + _LONGEST_MS) for start, following in pairwise(starts)]
    ends.append(starts[-1] + min(step, _LONGEST_MS))
    return {
        quarter: told[start]
        for start, end in zip(starts, ends, strict=True)
        for quarter in range(start, end, QUARTER_MS)
    }


async def _ask(entsoe: Entsoe, now_ms: int) -> dict[int, float]:
    """Raises DataError, ConfigError, OSError."""
    key = await asyncio.to_thread(_key, entsoe)
    if not key:
        raise ConfigError("no security token of ENTSO-E is known", hint=f"set `key_file`, or {KEY_ENV}")
    question = PriceQuestion(entsoe.area, key, now_ms - _BACK_MS, now_ms + _AHEAD_MS, entsoe.url)
    answer = await ask_child("collector.market", msgspec.json.encode(question), _WITHIN_S)
    return msgspec.json.decode(answer, type=dict[int, float])


def _key(entsoe: Entsoe) -> str:
    """Raises ConfigError."""
    if entsoe.key_file is not None:
        return read_secret(Path(entsoe.key_file), "market.entsoe.key_file", wanted="ENTSO-E's security token")
    return os.environ.get(KEY_ENV, "").strip()
