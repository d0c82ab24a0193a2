"""Files for the bank: against ISO 20022's own schemas, as sepaxml carries them, and by what the EPC asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import sepaxml
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from energy.errors import ConfigError
from energy.settlement.lines import totals
from papers.payments import Transaction, transactions
from papers.sepa import credit_transfers, direct_debits
from tests.papers.example import COMMUNITY, LEA, TOWN, credit_note, invoice, remuneration

SCHEMAS = Path(sepaxml.__file__).parent / "schemas"
NOW = datetime(2026, 7, 3, 10, tzinfo=UTC)
ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-?:().,'+ ")


def checked(xml, name):
    """The file's tree, once ISO's schema has nothing to say against it."""
    schema = etree.XMLSchema(etree.parse(str(SCHEMAS / f"{name}.xsd")))
    tree = etree.fromstring(xml)
    assert schema.validate(tree), schema.error_log
    return tree


def texts(tree, name):
    return [each.text for each in tree.iter(f"{{*}}{name}")]


def test_invoice_with_a_mandate_is_collected_on_its_day():
    (one,) = transactions([invoice()])
    assert (one.way, one.amount, one.due) == ("debit", invoice().draft.totals.gross, date(2026, 8, 2))
    tree = checked(direct_debits(COMMUNITY, "Ixelles-2026-06-1-DD", [one], NOW), "pain.008.001.08")
    assert texts(tree, "InstdAmt") == texts(tree, "CtrlSum")[:1] == [str(one.amount)]
    assert texts(tree, "ReqdColltnDt") == ["2026-08-02"]
    assert texts(tree, "MndtId") == ["M-0012"]
    assert texts(tree, "DtOfSgntr") == ["2026-01-05"]
    assert texts(tree, "Ref") == ["202600000192"]
    assert texts(tree, "EndToEndId") == ["2026-000001"]
    assert "BE81ZZZ0123456749" in texts(tree, "Id")
    assert texts(tree, "IBAN") == [COMMUNITY.iban, LEA.iban]
    assert texts(tree, "Nm")[-1] == "Lea Dubois-.ecka"


def test_producer_is_paid_out():
    (one,) = transactions([remuneration()])
    tree = checked(credit_transfers(COMMUNITY, "Ixelles-2026-06-1-CT", [one], NOW), "pain.001.001.09")
    assert one.way == "out"
    assert texts(tree, "InstdAmt") == ["12.07"]
    assert texts(tree, "Nm") == [
        "Energie commune d'Ixelles ASBL",
        "Energie commune d'Ixelles ASBL",
        "Commune d'Ixelles",
    ]
    assert texts(tree, "BICFI") == ["GKCCBEBB"]


def test_credit_note_and_what_takes_its_place_are_settled_together():
    less = invoice().draft.lines[:3]
    papers = credit_note(invoice(), again=replace(invoice().draft, lines=less, totals=totals(less)))
    (one,) = transactions(papers)
    assert (one.way, one.amount) == ("out", invoice().draft.totals.gross - totals(less).gross)
    assert one.reference == papers[1].document.number
    same = credit_note(invoice(), again=invoice().draft)
    assert transactions(same) == []


@pytest.mark.parametrize(
    ("paper", "way"),
    [
        (invoice(member=TOWN), "itself"),
        (invoice(community=replace(COMMUNITY, creditor_id="")), "itself"),
        (remuneration(member=replace(TOWN, iban="")), "no_account"),
        (credit_note(remuneration()), "itself"),
    ],
)
def test_each_amount_has_its_way(paper, way):
    (one,) = transactions([paper])
    assert one.way == way


def test_what_was_due_before_is_asked_for_today():
    (one,) = transactions([invoice()])
    tree = checked(direct_debits(COMMUNITY, "m", [one], datetime(2026, 9, 1, tzinfo=UTC)), "pain.008.001.08")
    assert texts(tree, "ReqdColltnDt") == ["2026-09-01"]


def test_community_without_account_or_creditor_identifier_is_told():
    (one,) = transactions([invoice()])
    for missing in ("iban", "creditor_id"):
        with pytest.raises(ConfigError) as caught:
            direct_debits(replace(COMMUNITY, **{missing: ""}), "m", [one], NOW)
        assert caught.value.hint
    with pytest.raises(ConfigError):
        credit_transfers(replace(COMMUNITY, iban=""), "m", [one], NOW)


@settings(deadline=None)  # a busy machine is no failure
@given(
    st.lists(
        st.tuples(st.text(min_size=1, max_size=70), st.decimals("0.01", "999999999.99", places=2), st.integers(0, 60)),
        min_size=1,
        max_size=20,
    )
)
def test_any_members_and_amounts_hold_to_the_schemas_and_add_up(rows):
    found = [
        Transaction(
            "debit",
            f"m-{place}",
            replace(LEA, name=name),
            amount,
            date.fromordinal(date(2026, 7, 1).toordinal() + days),
            f"2026-{place:06d}",
            "+++202/6000/00192+++",
        )
        for place, (name, amount, days) in enumerate(rows)
    ]
    for made, name in (
        (direct_debits(COMMUNITY, "m", found, NOW), "pain.008.001.08"),
        (credit_transfers(COMMUNITY, "m", found, NOW), "pain.001.001.09"),
    ):
        tree = checked(made, name)
        sums = [Decimal(each) for each in texts(tree, "CtrlSum")]
        assert sums[0] == sum(sums[1:]) == sum(each.amount for each in found)
        assert len(texts(tree, "EndToEndId")) == len(found)
        assert set("".join(texts(tree, "Nm"))) <= ALLOWED
        assert all(texts(tree, "Nm"))
