"""The report of a municipality's month, made from the accounts."""

from __future__ import annotations

from collections.abc import Sequence

from api.buildings.accounts import Accounts
from api.buildings.report.content import Material
from api.buildings.sources import Place
from energy.buildings.days import Days
from energy.errors import DataError

__all__ = ["month_of", "report_material"]


def month_of(text: str | None, accounts: Accounts, place: Place) -> Days:
    """The month `text` (2026-10), or the last that is over. Raises DataError for one that is not over."""
    today = accounts.today(place.community)
    if text is None:
        total = today.year * 12 + today.month - 2
        return Days.of_month(total // 12, total % 12 + 1)
    try:
        year, month = (int(part) for part in text.split("-"))
        wanted = Days.of_month(year, month)
    except ValueError as error:
        raise DataError(f"{text!r} is no month", field="month", hint="write 2026-10") from error
    if wanted.end > today:
        raise DataError(f"{text} is not over", field="month", hint="ask for a month before this one")
    return wanted


def report_material(accounts: Accounts, places: Sequence[Place], municipality: str, month: Days) -> Material:
    """What the report of these buildings is made of. Raises StoreError."""
    days = Days.year_until(month.end)
    found = [accounts.account(place.site.id, days) for place in places]
    targets = accounts.targets(municipality, [one.year for one in found], month.end)
    made = accounts.today(places[0].community)
    return Material(municipality, month, found, targets, accounts.book, accounts.station, made)
