"""Payments as a bank takes them: ISO 20022 credit transfers (pain.001.001.09) and core direct debits (pain.008.001.08).

Which elements stand in them is said by the EPC's implementation guidelines; the structured communication travels as the
Belgian banks' reference (SCOR, issuer BBA).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import groupby
from typing import Final
from xml.etree import ElementTree as ET

from energy.errors import ConfigError
from energy.settlement.paper import Party
from papers.payments import Transaction

__all__ = ["credit_transfers", "direct_debits"]

_URN: Final = "urn:iso:std:iso:20022:tech:xsd:"
_ALLOWED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")
_LONGEST_NAME = 70


def credit_transfers(community: Party, message: str, paid: Sequence[Transaction], now: datetime) -> bytes:
    """pain.001 that pays everybody who is to be paid. Raises ConfigError when the community has no account."""
    _account_of(community)
    document, root = _message("pain.001.001.09", "CstmrCdtTrfInitn", community, message, paid, now)
    for number, (due, each) in enumerate(_by_day(paid, now), 1):
        info = _batch(root, f"{message}-{number}", "TRF", each)
        _path(info, "PmtTpInf/SvcLvl/Cd", "SEPA")
        _path(info, "ReqdExctnDt/Dt", due.isoformat())
        _party(info, "Dbtr", community)
        _path(info, "DbtrAcct/Id/IBAN", community.iban)
        _agent(info, "DbtrAgt", community)
        _path(info, "ChrgBr", "SLEV")
        for one in each:
            _transfer(ET.SubElement(info, "CdtTrfTxInf"), one)
    return _written(document)


def direct_debits(community: Party, message: str, owed: Sequence[Transaction], now: datetime) -> bytes:
    """pain.008 that collects from everybody with a mandate. Raises ConfigError when the community may not."""
    _account_of(community)
    if not community.creditor_id:
        raise ConfigError(
            "is needed to collect by direct debit", field="parties.creditor_id", hint="the community's bank gives it"
        )
    document, root = _message("pain.008.001.08", "CstmrDrctDbtInitn", community, message, owed, now)
    for number, (due, each) in enumerate(_by_day(owed, now), 1):
        info = _batch(root, f"{message}-{number}", "DD", each)
        kind = ET.SubElement(info, "PmtTpInf")
        _path(kind, "SvcLvl/Cd", "SEPA")
        _path(kind, "LclInstrm/Cd", "CORE")
        _path(kind, "SeqTp", "RCUR")
        _path(info, "ReqdColltnDt", due.isoformat())
        _party(info, "Cdtr", community)
        _path(info, "CdtrAcct/Id/IBAN", community.iban)
        _agent(info, "CdtrAgt", community)
        _path(info, "ChrgBr", "SLEV")
        scheme = _path(info, "CdtrSchmeId/Id/PrvtId/Othr")
        _path(scheme, "Id", community.creditor_id)
        _path(scheme, "SchmeNm/Prtry", "SEPA")
        for one in each:
            _debit(ET.SubElement(info, "DrctDbtTxInf"), one)
    return _written(document)


def _account_of(community: Party) -> None:
    if not community.iban:
        raise ConfigError(
            f"{community.name} has no account", field="parties.iban", hint="give the community's party its IBAN"
        )


def _by_day(all_: Sequence[Transaction], now: datetime) -> list[tuple[date, list[Transaction]]]:
    """A bank does nothing in the past: what was due before is due today."""
    today = now.date()
    ordered = sorted(all_, key=lambda each: (max(each.due, today), each.member, each.reference))
    return [(day, list(each)) for day, each in groupby(ordered, key=lambda each: max(each.due, today))]


def _message(
    name: str, kind: str, community: Party, message: str, all_: Sequence[Transaction], now: datetime
) -> tuple[ET.Element, ET.Element]:
    document = ET.Element("Document", xmlns=f"{_URN}{name}")
    root = ET.SubElement(document, kind)
    header = ET.SubElement(root, "GrpHdr")
    _path(header, "MsgId", message)
    _path(header, "CreDtTm", now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    _sums(header, all_)
    initiator = _path(header, "InitgPty")
    _path(initiator, "Nm", _latin(community.name))
    if community.company_number:
        other = _path(initiator, "Id/OrgId/Othr")
        _path(other, "Id", community.company_number)
        _path(other, "Issr", "KBO-BCE")
    return document, root


def _sums(into: ET.Element, all_: Sequence[Transaction]) -> None:
    _path(into, "NbOfTxs", str(len(all_)))
    _path(into, "CtrlSum", f"{sum((each.amount for each in all_), Decimal(0)):.2f}")


def _batch(root: ET.Element, name: str, method: str, all_: Sequence[Transaction]) -> ET.Element:
    info = ET.SubElement(root, "PmtInf")
    _path(info, "PmtInfId", name)
    _path(info, "PmtMtd", method)
    _sums(info, all_)
    return info


def _transfer(into: ET.Element, one: Transaction) -> None:
    _path(into, "PmtId/EndToEndId", one.reference)
    _amount(_path(into, "Amt"), one)
    if one.party.bic:
        _agent(into, "CdtrAgt", one.party)
    _party(into, "Cdtr", one.party)
    _path(into, "CdtrAcct/Id/IBAN", one.party.iban)
    _remittance(into, one)


def _debit(into: ET.Element, one: Transaction) -> None:
    _path(into, "PmtId/EndToEndId", one.reference)
    _amount(into, one)
    mandate = _path(into, "DrctDbtTx/MndtRltdInf")
    _path(mandate, "MndtId", one.party.mandate)
    assert one.party.mandate_signed is not None
    _path(mandate, "DtOfSgntr", one.party.mandate_signed.isoformat())
    _agent(into, "DbtrAgt", one.party)
    _party(into, "Dbtr", one.party)
    _path(into, "DbtrAcct/Id/IBAN", one.party.iban)
    _remittance(into, one)


def _amount(into: ET.Element, one: Transaction) -> None:
    _path(into, "InstdAmt", f"{one.amount:.2f}").set("Ccy", "EUR")


def _party(into: ET.Element, role: str, party: Party) -> None:
    _path(into, f"{role}/Nm", _latin(party.name))


def _agent(into: ET.Element, role: str, party: Party) -> None:
    """By its BIC; the IBAN is enough for a bank, which is said where the schema wants an agent."""
    institution = _path(into, f"{role}/FinInstnId")
    if party.bic:
        _path(institution, "BICFI", party.bic)
    else:
        _path(institution, "Othr/Id", "NOTPROVIDED")


def _remittance(into: ET.Element, one: Transaction) -> None:
    reference = _path(into, "RmtInf/Strd/CdtrRefInf")
    kind = _path(reference, "Tp")
    _path(kind, "CdOrPrtry/Cd", "SCOR")
    _path(kind, "Issr", "BBA")
    _path(reference, "Ref", "".join(digit for digit in one.communication if digit.isdigit()))


def _latin(name: str) -> str:
    """A name in the characters that every bank takes."""
    plain = unicodedata.normalize("NFKD", name)
    kept = (letter if letter in _ALLOWED else "." for letter in plain if not unicodedata.combining(letter))
    return "".join(kept)[:_LONGEST_NAME].strip() or "NOTPROVIDED"


def _path(into: ET.Element, names: str, text: str | None = None) -> ET.Element:
    """Elements inside each other, the last with the text."""
    for name in names.split("/"):
        into = ET.SubElement(into, name)
    into.text = text
    return into


def _written(document: ET.Element) -> bytes:
    ET.indent(document)
    made: bytes = ET.tostring(document, encoding="UTF-8", xml_declaration=True)
    return made
