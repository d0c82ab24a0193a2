"""An outage is told once, whatever else goes wrong goes on."""

import logging

import pytest

from energy.errors import StoreError
from runtime.outage import Outage

log = logging.getLogger("test")


def away(outage):
    with outage:
        raise StoreError("the server is away")


def test_first_error_of_each_outage_is_told_and_no_other(caplog):
    outage = Outage(log, "it waits: %s")
    away(outage)
    away(outage)
    assert [record.getMessage() for record in caplog.records] == ["it waits: the server is away"]
    with outage:
        pass
    away(outage)
    assert len(caplog.records) == 2


def test_what_is_no_outage_goes_on_and_ends_none(caplog):
    outage = Outage(log, "it waits: %s")
    away(outage)
    with pytest.raises(ValueError, match="a defect"), outage:
        raise ValueError("a defect")
    away(outage)
    assert len(caplog.records) == 1
