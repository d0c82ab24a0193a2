"""Random quarter-hours by the thousand through the fast engine, each compared with the exact rule.

COMMONWATT_CASES=100000 makes it so many; Hypothesis looks for the odd ones in test_properties.py.
"""

import os
import random
from fractions import Fraction

import numpy as np

from energy.sharing.exact import QuarterHour, share_exact
from energy.sharing.key import Roster, SharingKey
from energy.sharing.whole import share_whole

CASES = int(os.environ.get("COMMONWATT_CASES", "2000"))
A_KEY = 200  # quarter-hours


def random_key(source, points):
    parts = [source.choice([0, 1, 1, 2, 3, 5, 7]) for _ in points]
    whole = (sum(parts) or 1) + source.choice([0, 0, 1, 3])
    if source.random() < 0.3:  # percentages as people write them: in millionths
        parts, whole = [part * 1_000_003 // 20 for part in parts], 10**6 * len(points)
    stakes = source.random() < 0.2 and sum(parts) > 0
    people = {}
    for point, part in zip(points, parts, strict=True):
        if source.random() < 0.9 or not people:
            people[point] = {"stake": part} if stakes else {"weight": f"{part}/{whole}"}
            people[point] |= {
                "tier": source.choice([1, 2, 3, None]),
                "participation_pct": source.choice([100] * 9 + [40]),
            }
    if stakes and not any(each["stake"] for each in people.values()):
        people[next(iter(people))]["stake"] = 1
    methods = [source.choice(["equal", "fixed", "prorata", "priority"]) for _ in range(source.randint(1, 3))]
    if "fixed" in methods and not any(
        each.get("weight", "0/1") != f"0/{whole}" or each.get("stake") for each in people.values()
    ):
        methods = ["equal" if method == "fixed" else method for method in methods]
    share = {"share": f"1/{len(methods)}"} if source.random() < 0.5 else {}
    rounds = [
        {"method": method, "max_rounds": source.choice([1, 2, None]), "renormalise": source.random() < 0.5}
        | {"basis": source.choice(["residual", "withdrawal", "withdrawal_of_all"])} | share
        for method in methods
    ]  # fmt: skip
    return SharingKey.model_validate(
        {"participants": people, "rounds": rounds, "producers": source.choice(["prorata", "priority"])}
    )


def test_many_random_quarter_hours_are_shared_as_the_exact_rule_does():
    source = random.Random(20261128)
    generator = np.random.default_rng(20261128)
    for _ in range(max(1, CASES // A_KEY)):
        points = [f"p{n}" for n in range(source.randint(1, 7))]
        key = random_key(source, points)
        roster = Roster.of(key, points, [True] * len(points))
        largest = source.choice([5, 3000, 10**6, 10**10])
        shape = (A_KEY, len(points))
        known = generator.random(shape) < 0.95
        withdrawal = np.where(known, generator.integers(0, largest, shape), 0)
        injection = np.where(generator.random(shape) < 0.4, generator.integers(0, largest * 2, shape), 0)
        received, given = share_whole(key, roster, withdrawal, injection, known)
        assert (received.sum(axis=1) == given.sum(axis=1)).all()
        assert ((received >= 0) & (received <= withdrawal) & (given >= 0) & (given <= injection)).all()
        assert (received + given <= received.sum(axis=1, keepdims=True)).all()
        for row in range(A_KEY):
            quarter = QuarterHour(
                tuple(
                    Fraction(wh) if there else None
                    for wh, there in zip(withdrawal[row].tolist(), known[row], strict=True)
                ),
                tuple(map(Fraction, injection[row].tolist())),
            )
            oracle = share_exact(key, roster, quarter)
            assert received[row].tolist() == list(oracle.received), (key, quarter)
            assert given[row].tolist() == list(oracle.given), (key, quarter)
