"""Who stands on documents as issuer or receiver: names, addresses, numbers, accounts; each with its days."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import date
from typing import Annotated, Any, Final

from pydantic import AfterValidator, StringConstraints
from sqlalchemy import Connection
from sqlalchemy.orm import Mapped
from stdnum import bic, iban
from stdnum.be import vat as belgian
from stdnum.eu import at_02, vat
from stdnum.exceptions import ValidationError as NumberError

from energy.errors import ConfigError
from energy.settlement.paper import Party
from storage.register.facts import PERSONAL, Fact, FactRow, Facts

__all__ = ["PARTIES", "BillingParty", "Parties"]


def _number(check: Callable[[str], str], what: str) -> AfterValidator:
    """Empty, or a number that its own check digits prove, in its compact form."""

    def checked(value: str) -> str:
        if not value:
            return value
        try:
            return check(value)
        except NumberError as error:
            raise ValueError(f"{value!r} is no {what}: {error}") from None

    return AfterValidator(checked)


def _vat(value: str) -> str:
    return str(vat.validate(value))


def _iban(value: str) -> str:
    return str(iban.validate(value, check_country=False))  # its list of Belgian banks lacks some


def _peppol(value: str) -> str:
    """Belgian addresses are enterprise numbers (0208) or VAT numbers (9925); of others the form alone is known."""
    scheme, _, address = value.partition(":")
    if scheme == "0208":
        return f"0208:{belgian.validate(address)}"
    return value


Text = Annotated[str, StringConstraints(max_length=140, strip_whitespace=True)]
Iban = Annotated[str, _number(_iban, "IBAN")]
Bic = Annotated[str, _number(bic.validate, "BIC")]
VatNumber = Annotated[str, _number(_vat, "VAT number")]
CompanyNumber = Annotated[str, _number(belgian.validate, "Belgian enterprise number")]
CreditorId = Annotated[str, _number(at_02.validate, "SEPA creditor identifier")]
Peppol = Annotated[
    str, StringConstraints(pattern=r"^(\d{4}:[0-9A-Za-z.\-]{1,50})?$"), _number(_peppol, "Peppol address")
]
Mandate = Annotated[
    str, StringConstraints(pattern=r"^[0-9A-Za-z+?/:().,'\-]{0,35}$")
]  # EPC: what a mandate's name may hold


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingParty(Fact):
    """`id` is a participant's, or a community's, which issues the documents."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=70)] = field(metadata=PERSONAL)
    street: Text = field(default="", metadata=PERSONAL)
    postcode: Annotated[str, StringConstraints(max_length=16)] = field(default="", metadata=PERSONAL)
    city: Annotated[str, StringConstraints(max_length=35)] = field(default="", metadata=PERSONAL)
    country: Annotated[str, StringConstraints(pattern="^[A-Z]{2}$")] = "BE"
    vat_number: VatNumber = field(default="", metadata=PERSONAL)
    company_number: CompanyNumber = field(default="", metadata=PERSONAL)
    peppol: Peppol = field(default="", metadata=PERSONAL)
    iban: Iban = field(default="", metadata=PERSONAL)
    bic: Bic = field(default="", metadata=PERSONAL)
    creditor_id: CreditorId = field(default="", metadata=PERSONAL)
    mandate: Mandate = field(default="", metadata=PERSONAL)
    mandate_signed: date | None = field(default=None, metadata=PERSONAL)


class BillingPartyRow(FactRow):
    """See BillingParty."""

    __tablename__ = "billing_party"

    name: Mapped[str]
    street: Mapped[str]
    postcode: Mapped[str]
    city: Mapped[str]
    country: Mapped[str]
    vat_number: Mapped[str]
    company_number: Mapped[str]
    peppol: Mapped[str]
    iban: Mapped[str]
    bic: Mapped[str]
    creditor_id: Mapped[str]
    mandate: Mapped[str]
    mandate_signed: Mapped[date | None]


PARTIES: Final = Facts("party", BillingParty, BillingPartyRow)
_SHOWN: Final = tuple(each.name for each in fields(Party))


class Parties:
    """Who everybody was, as it was known at `known_at` (ms UTC); what was told later only where nothing was."""

    def __init__(self, connection: Connection, known_at: int) -> None:
        self._known: dict[str, list[BillingParty]] = {}
        for each in (*PARTIES.all(connection, known_at=known_at), *PARTIES.all(connection)):
            self._known.setdefault(each.id, []).append(each)

    def of(self, name: str, on: date) -> Party:
        """Of a participant or community on a day. Raises ConfigError when nobody has said."""
        for each in self._known.get(name, ()):
            if each.holds(on):
                values: dict[str, Any] = {shown: getattr(each, shown) for shown in _SHOWN}
                return Party(**values)
        raise ConfigError(
            f"{name} has no name and address on {on}", field="parties", hint="add it under `parties` of the people file"
        )
