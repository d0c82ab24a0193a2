import pytest

from energy.settlement.statement import Member, statements
from tests.energy.settlement.example import setting, volume


@pytest.fixture
def charge():
    """charge(received_wh, ...): the consumer's statement of one citizen."""

    def run(received_wh=123_457, member=None, volumes=None, **fields):
        made = statements(setting(**fields), [member or Member("m-1", "citizen")], volumes or [volume(received_wh)])
        return made[0]

    return run
