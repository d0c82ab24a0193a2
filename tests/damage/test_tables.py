"""CSV files damaged at every border: each is refused in words that name the place, or taken in as what it says; never in part."""

from __future__ import annotations

import pytest

from tests.damage.borders import TABLES
from tests.damage.damages import cell_damages, harmless, text_damages
from tests.damage.harness import Desk


@pytest.fixture(scope="module", params=TABLES, ids=lambda border: border.name)
def desk(request, tmp_path_factory):
    """A border with its good files."""
    return Desk(request.param, tmp_path_factory.mktemp("desk"))


def test_good_file_is_taken_in(desk):
    assert desk.try_it().told is None
    if desk.border.outs:
        assert set(desk.try_it().wrote) == set(desk.border.outs)


@pytest.mark.parametrize("damages", [text_damages, cell_damages])
def test_damaged_file_is_refused_and_nothing_is_written(desk, damages):
    failed = []
    for damage in damages(desk.border):
        try:
            desk.try_bytes(damage.content).refused(desk.path.name, *damage.told)
        except BaseException as error:  # all of them are told at once
            failed.append(f"{damage.name}: {type(error).__name__} {error}"[:400])
    assert not failed, "\n".join(failed)


def test_file_that_says_the_same_is_taken_in_as_the_same(desk):
    good = desk.try_it()
    for damage in harmless(desk.border):
        desk.try_bytes(damage.content).same_as(good)
