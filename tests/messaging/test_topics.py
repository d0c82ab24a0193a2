"""Topics built and parsed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from energy.errors import DataError
from messaging import topics


@pytest.mark.parametrize("build", [topics.status, topics.data, topics.ack, topics.command, topics.result])
def test_gateway_topic_round_trips(build):
    parsed = topics.parse_gateway_topic(build("ixelles", "gw-hall"))
    assert (parsed.community, parsed.gateway) == ("ixelles", "gw-hall")
    assert build("ixelles", "gw-hall").endswith(parsed.channel)


@pytest.mark.parametrize(
    "topic", ["cw/v1/c/live/community", "cw/v1/c/alerts/a1", "cw/v2/c/g/data", "cw/v1/c/g/other", "cw/v1/c/g", ""]
)
def test_parse_of_what_is_no_gateway_topic_is_refused(topic):
    with pytest.raises(DataError):
        topics.parse_gateway_topic(topic)


@given(st.text())
def test_parse_of_any_text_raises_nothing_but_data_error(topic):
    try:
        topics.parse_gateway_topic(topic)
    except DataError:
        pass
