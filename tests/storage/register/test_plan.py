"""Plan and apply: told before, written whole or not at all, refused when the register changed meanwhile."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from energy.errors import RefusedError
from energy.sharing.ean import check_digit
from storage.register import audit
from storage.register.consistency import problems
from storage.register.participants import METERING_POINTS, MeteringPoint, Participant, SharingKeyVersion
from storage.register.people import Person, User
from storage.register.places import CommunityFact, SiteFact
from storage.register.plan import apply, compare
from storage.register.roles import AccessRole

T = 1_750_000_000_000
EAN = "541448911000000003"
JANUARY, JULY = date(2026, 1, 1), date(2026, 7, 1)
WISH: dict[str, list[Any]] = {
    "community": [CommunityFact(id="ixelles", name="Ixelles", kind="cer", grid_type="C")],
    "site": [SiteFact(id="hall", community="ixelles", name="Town hall", floor_area_m2=1200.0)],
    "person": [Person(id="lea", name="Léa Dubois", mail="lea@example.org")],
    "user": [User(id="lea", person="lea", role=AccessRole.MANAGER, communities=("ixelles",))],
    "participant": [Participant(id="p-1", community="ixelles", person="lea", member_class="citizen")],
    "metering_point": [MeteringPoint(id=EAN, participant="p-1", direction="both", site="hall", valid_from=JANUARY)],
    "sharing_key": [
        SharingKeyVersion(
            id="k1", community="ixelles", key={"participants": {EAN: {"weight": 0.5}}, "rounds": "hybrid"}
        )
    ],
}


def plan_of(register, wish: Mapping[str, Any]):
    with register.database.read() as connection:
        return compare(connection, wish)


def applied(register, wish: Mapping[str, Any], now_ms: int = T):
    return apply(register.database, wish, plan_of(register, wish).digest, by="mia", why="test", now_ms=now_ms)


def with_(kind: str, *facts: Any) -> dict[str, list[Any]]:
    return {**WISH, kind: list(facts)}


def test_an_empty_register_gets_everything(register):
    plan = plan_of(register, WISH)
    assert [(change.what, change.kind) for change in plan.changes] == [("add", kind) for kind in WISH]
    assert plan.problems == plan.kept == ()


def test_what_is_applied_needs_no_second_plan(register):
    applied(register, WISH)
    assert plan_of(register, WISH).changes == ()


def test_a_change_is_told_with_before_and_after(register):
    applied(register, WISH)
    (change,) = plan_of(register, with_("site", replace(WISH["site"][0], floor_area_m2=1250.0))).changes
    assert (change.what, change.before, change.after) == (
        "change",
        {"floor_area_m2": 1200.0},
        {"floor_area_m2": 1250.0},
    )


def test_an_end_is_told_as_an_end_and_keeps_the_past(register):
    applied(register, WISH)
    ended = replace(WISH["metering_point"][0], valid_to=JULY)
    taken_over = MeteringPoint(id=EAN, participant="p-1", direction="withdrawal", valid_from=JULY)
    wish = with_("metering_point", ended, taken_over)
    assert [change.what for change in plan_of(register, wish).changes] == ["end", "add"]
    applied(register, wish, T + 10)
    with register.database.read() as connection:
        assert METERING_POINTS.all(connection, known_at=T) == WISH["metering_point"]
        assert METERING_POINTS.all(connection) == [ended, taken_over]


def test_what_stands_only_in_the_register_is_kept_and_said(register):
    applied(register, WISH)
    wish = {kind: facts for kind, facts in WISH.items() if kind != "sharing_key"}
    plan = plan_of(register, wish)
    assert plan.changes == ()
    assert [(kind, fact.id) for kind, fact in plan.kept] == [("sharing_key", "k1")]


def test_a_plan_is_refused_when_the_register_changed_meanwhile(register):
    first = plan_of(register, WISH)
    applied(register, {"community": [replace(WISH["community"][0], name="Elsene")]})
    with pytest.raises(RefusedError, match="have changed"):
        apply(register.database, WISH, first.digest, by="mia", why="", now_ms=T)
    assert len(plan_of(register, WISH).changes) == len(WISH)


def test_a_plan_is_refused_when_the_wish_changed_meanwhile(register):
    digest = plan_of(register, WISH).digest
    with pytest.raises(RefusedError, match="have changed"):
        apply(register.database, with_("person"), digest, by="mia", why="", now_ms=T)


def test_of_plans_applied_at_once_one_is_written(register):
    digest = plan_of(register, WISH).digest

    def attempt(_: int) -> bool:
        try:
            apply(register.database, WISH, digest, by="mia", why="", now_ms=T)
        except RefusedError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attempt, range(6))) == 1
    with register.database.read() as connection:
        assert len(audit.entries(connection)) == len(WISH)


def test_every_change_has_its_line_in_the_audit_without_who_a_person_is(register):
    applied(register, WISH)
    with register.database.read() as connection:
        lines = audit.entries(connection)
    assert {(line.kind, line.action, line.who, line.why) for line in lines} == {
        (kind, "add", "mia", "test") for kind in WISH
    }
    told = json.dumps([line.after for line in lines], ensure_ascii=False)
    assert "Dubois" not in told
    assert "example.org" not in told


def test_a_write_that_fails_half_way_writes_nothing(register, monkeypatch):
    digest = plan_of(register, WISH).digest
    monkeypatch.setattr("storage.register.plan.record", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        apply(register.database, WISH, digest, by="mia", why="", now_ms=T)
    monkeypatch.undo()
    assert len(plan_of(register, WISH).changes) == len(WISH)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        (with_("site", SiteFact(id="hall", community="elsene", name="x")), "hall: site.community names 'elsene'"),
        (with_("person"), "lea: user.person names 'lea', which is no person"),
        (with_("user", replace(WISH["user"][0], sites=("x",))), "lea: user.sites names 'x', which is no site"),
        (
            with_("participant", replace(WISH["participant"][0], valid_from=JULY)),
            f"{EAN}: metering_point.participant names 'p-1', which does not hold on all its days",
        ),
        (
            with_("metering_point", WISH["metering_point"][0], replace(WISH["metering_point"][0], valid_from=JULY)),
            f"{EAN}: metering_point from 2026-01-01 overlaps the one from 2026-07-01",
        ),
        (
            with_("metering_point", replace(WISH["metering_point"][0], valid_to=JANUARY)),
            f"{EAN}: metering_point.valid_to 2026-01-01 must lie after valid_from 2026-01-01",
        ),
        (
            with_("sharing_key", WISH["sharing_key"][0], replace(WISH["sharing_key"][0], id="k2", valid_from=JULY)),
            "k2: sharing_key of ixelles overlaps k1",
        ),
        (with_("metering_point"), f"k1: sharing_key.participants names {EAN}"),
        (
            with_("participant", replace(WISH["participant"][0], social_tariff=True)),
            "p-1: participant.legal_basis is needed",
        ),
    ],
)
def test_an_inconsistent_wish_is_told_and_refused(register, wish, told):
    plan = plan_of(register, wish)
    assert any(problem.startswith(told) for problem in plan.problems), plan.problems
    with pytest.raises(RefusedError):
        apply(register.database, wish, plan.digest, by="mia", why="", now_ms=T)
    assert len(plan_of(register, WISH).changes) == len(WISH)


_days = st.integers(0, 60).map(lambda n: JANUARY + timedelta(days=n))


@given(spans=st.lists(st.tuples(_days, st.one_of(st.none(), _days)), min_size=1, max_size=5))
@settings(max_examples=200, deadline=None)
def test_no_day_has_two_holders_where_nothing_is_told(spans):
    body = "54144891100000099"
    ean = body + str(check_digit(body))
    points = [
        MeteringPoint(id=ean, participant="p-1", direction="both", valid_from=begin, valid_to=end)
        for begin, end in spans
    ]
    told = problems({**WISH, "metering_point": points, "sharing_key": []})
    days = [JANUARY + timedelta(days=n) for n in range(90)]
    doubled = any(sum(point.holds(day) for point in points) > 1 for day in days)
    backwards = any(point.valid_to is not None and point.valid_to <= point.valid_from for point in points)
    assert bool(told) == (doubled or backwards)
