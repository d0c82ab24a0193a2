"""Paths that are no readable file, at every border: folders, loops, nothing, no right to read; and outs that cannot be written."""

from __future__ import annotations

import os

import pytest

from tests.damage.borders import BORDERS
from tests.damage.harness import Desk


def _nothing(path):
    path.unlink()


def _folder(path):
    path.unlink()
    path.mkdir()


def _loop(path):
    path.unlink()
    path.symlink_to(path.name)


def _no_right(path):
    path.chmod(0)


@pytest.fixture(params=BORDERS, ids=lambda border: border.name)
def desk(request, tmp_path):
    """A border with its good files."""
    return Desk(request.param, tmp_path)


@pytest.mark.parametrize("damage", [_nothing, _folder, _loop, _no_right])
def test_path_that_cannot_be_read_is_refused_by_its_name(desk, damage):
    if damage is _no_right and os.geteuid() == 0:
        pytest.skip("root may read everything")
    damage(desk.path)
    desk.try_it().refused(desk.path.name)


def test_out_that_is_a_folder_leaves_every_out_as_it_was(desk):
    for name in desk.border.outs:
        (desk.folder / name).unlink()
        (desk.folder / name).mkdir()
        desk.try_it().refused(name)
