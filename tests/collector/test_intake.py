"""What comes from outside is taken, or set aside with a reason; it never stops the stream."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.directory import Directory
from collector.intake import take_in
from energy.quantities import QUANTITIES

from .conftest import make_community, reading

NOW = 1_750_000_000_000
TOPIC = "cw/v1/ixelles/gw-hall/data"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.integers(-(10**400), 10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=15,
)
near_readings = st.fixed_dictionaries(
    {},
    optional={
        "device": st.sampled_from(["ixl-hall/pv", "ixl-school/pv", "x/y", "//", "+/#", "\x00/\ud800"]) | json_values,
        "t": st.sampled_from([NOW, 0, -1, 10**30]) | json_values,
        "v": st.dictionaries(st.sampled_from([*list(QUANTITIES)[:6], "nope"]), json_values, max_size=4) | json_values,
        "bad": st.lists(st.text(max_size=5), max_size=3) | json_values,
    },
)
near_batches = st.fixed_dictionaries(
    {},
    optional={
        "epoch": st.sampled_from(["e1", "", "x" * 65]) | json_values,
        "seq": st.integers(-2, 5) | json_values,
        "readings": st.lists(near_readings, max_size=4) | json_values,
        "historical": st.booleans() | json_values,
    },
)


def take(payload, *, topic=TOPIC, directory=None):
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return take_in(topic, body, directory or Directory([make_community()]), NOW)


@settings(max_examples=600, deadline=None)
@given(
    st.binary(max_size=200)
    | near_batches.map(lambda b: json.dumps(b).encode())
    | json_values.map(lambda v: json.dumps(v).encode())
)
def test_whatever_comes_is_taken_or_set_aside_and_never_raises(payload):
    batch, refused = take(payload)
    if batch is None:
        assert refused
    else:
        assert batch.seq >= 0
        assert 0 < len(batch.epoch) <= 64
        for row in batch.rows:
            assert set(row.values) <= set(QUANTITIES)
    for item in refused:
        assert item.reason
        assert isinstance(item.payload, bytes)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["e1", "ß"]), st.integers(0, 9), near_batches)
def test_a_batch_that_can_be_named_is_always_there_to_confirm(epoch, seq, rest):
    batch, _ = take({**rest, "epoch": epoch, "seq": seq})
    assert batch is not None
    assert (batch.epoch, batch.seq) == (epoch, seq)


@pytest.mark.parametrize(
    "payload",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"epoch":"e"}', b'{"epoch":"e","seq":-1,"readings":[]}', b"[" * 100_000],
)
def test_what_cannot_be_named_is_set_aside_whole(payload):
    batch, refused = take(payload)
    assert batch is None
    assert [item.payload for item in refused] == [payload]
    assert refused[0].gateway == "gw-hall"


def test_one_malformed_reading_is_set_aside_alone():
    batch, refused = take(
        {
            "epoch": "e",
            "seq": 1,
            "readings": [{"device": "ixl-hall/pv", "t": "noon", "v": {}}, reading("ixl-hall/pv", NOW, power_w=5)],
        }
    )
    assert [row.values for row in batch.rows] == [{"power_w": 5}]
    assert len(refused) == 1


def test_an_impossible_value_is_missing_and_the_rest_of_the_reading_stays():
    batch, refused = take(
        {"epoch": "e", "seq": 1, "readings": [reading("ixl-hall/pv", NOW, power_w=1e30, frequency_hz=50)]}
    )
    assert batch.rows[0].values == {"frequency_hz": 50}
    assert batch.rows[0].bad == ("power_w",)
    assert "power_w" in refused[0].reason


@pytest.mark.parametrize("value", [None, True, [5], {"w": 5}])
def test_what_is_no_value_is_missing_and_the_rest_of_the_reading_stays(value):
    values = {"power_w": value, "energy_import_wh": 500, "nope": None}
    batch, refused = take({"epoch": "e", "seq": 1, "readings": [{"device": "ixl-hall/pv", "t": NOW, "v": values}]})
    assert batch.rows[0].values == {"energy_import_wh": 500}
    assert batch.rows[0].bad == ("power_w",)
    assert [each.reason.partition(":")[0] for each in refused] == ["v.power_w", "v.nope"]


@pytest.mark.parametrize("topic", ["cw/v1/ixelles/live/data", "cw/v1/ixelles/gw-hall/data/more", "other/v1/a/b/data"])
def test_a_message_on_a_wrong_topic_is_set_aside(topic):
    batch, refused = take({"epoch": "e", "seq": 1, "readings": []}, topic=topic)
    assert batch is None
    assert refused


def test_a_number_too_large_for_a_float_is_no_value():
    payload = b'{"epoch":"e","seq":1,"readings":[{"device":"ixl-hall/pv","t":%d,"v":{"power_w":1%s}}]}' % (
        NOW,
        b"0" * 400,
    )
    batch, refused = take(payload)
    assert batch is not None
    assert refused
    assert all("power_w" not in row.values for row in batch.rows)


def test_the_rows_carry_the_tags_of_the_configuration():
    batch, _ = take({"epoch": "e", "seq": 1, "readings": [reading("ixl-hall/pv", NOW, power_w=5)], "historical": True})
    tags = batch.rows[0].tags
    assert (tags.community, tags.site, tags.device, tags.role) == ("ixelles", "ixl-hall", "ixl-hall/pv", "pv")
    assert batch.historical
    assert msgspec.json.encode(batch.rows[0].values) == b'{"power_w":5}'
