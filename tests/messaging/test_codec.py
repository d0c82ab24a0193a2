"""The border of the wire: good messages round-trip, bad ones give DataError, bad readings are isolated."""

import json

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from energy.errors import DataError
from energy.quantities import QUANTITIES, Kind
from messaging.codec import (
    Command,
    Data,
    Reading,
    check_readings,
    decode_ack,
    decode_command,
    decode_data,
    decode_result,
    decode_status,
    encode,
)

NOW = 1_750_000_000_000
DECODERS = [decode_data, decode_ack, decode_status, decode_command, decode_result]


def _data(**changes):
    message = {
        "epoch": "e1",
        "seq": 3,
        "historical": False,
        "readings": [{"device": "s/pv", "t": NOW, "v": {"power_w": 5120}, "bad": ["voltage_l2_v"]}],
    }
    return json.dumps({**message, **changes}).encode()


def test_decode_data_reads_the_message_of_the_contract():
    message = decode_data(_data())
    assert message == Data("e1", 3, [Reading("s/pv", NOW, {"power_w": 5120}, ["voltage_l2_v"])], historical=False)


def test_decode_data_without_optional_fields_is_live_and_has_nothing_bad():
    message = decode_data(
        json.dumps({"epoch": "e", "seq": 0, "readings": [{"device": "s/pv", "t": NOW, "v": {}}]}).encode()
    )
    assert message.historical is False
    assert message.readings[0].bad == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"seq": -1}, "seq"),
        ({"seq": "3"}, "seq"),
        ({"epoch": ""}, "epoch"),
        ({"readings": [{"device": "s/pv", "v": {}}]}, "`t`"),
        ({"readings": 5}, "readings"),
    ],
)
def test_decode_data_names_the_field_that_is_wrong(changes, field):
    with pytest.raises(DataError, match=field):
        decode_data(_data(**changes))


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
        ).map(lambda v: json.dumps(v).encode()),
    )
)
@example(b"[" * 100_000)
@example(b'{"epoch":"e","seq":1e400,"readings":[]}')
@settings(max_examples=300)
def test_decoders_raise_nothing_but_data_error(payload):
    for decode in DECODERS:
        try:
            decode(payload)
        except DataError:
            pass


def test_check_readings_keeps_the_good_and_tells_why_not_the_bad():
    good, rejected = check_readings(
        [
            Reading("s/pv", NOW, {"power_w": 1.0}),
            Reading("nonsense", NOW, {"power_w": 1.0}),
            Reading("s/pv", 5, {"power_w": 1.0}),
            Reading("s/pv", NOW + 2 * 86_400_000, {"power_w": 1.0}),
            Reading(
                "s/grid", NOW, {"power_w": 1e12, "voltage_l1_v": 231.0, "colour": 3, "state": "on", "soc_pct": "full"}
            ),
        ],
        NOW,
    )
    assert [reading.device for reading in good] == ["s/pv", "s/grid"]
    assert good[1].v == {"voltage_l1_v": 231.0, "state": "on"}
    assert good[1].bad == ["power_w", "soc_pct"]
    assert [entry.field for entry in rejected] == ["device", "t", "t", "v.power_w", "v.colour", "v.soc_pct"]


VALUES = st.one_of(st.floats(), st.integers(), st.text(max_size=5))


@given(st.dictionaries(st.sampled_from(sorted(QUANTITIES)) | st.text(max_size=8), VALUES, max_size=6))
def test_check_readings_lets_only_possible_values_through(values):
    good, rejected = check_readings([Reading("s/x", NOW, values)], NOW)
    for name, value in good[0].v.items():
        quantity = QUANTITIES[name]
        assert isinstance(value, str) if quantity.kind is Kind.TEXT else quantity.low <= value <= quantity.high
    assert len(good[0].v) + len(rejected) == len(values)


@pytest.mark.parametrize("ttl_s", [-1, 301, 1e9])
def test_decode_command_outside_the_longest_lease_is_refused(ttl_s):
    payload = encode(Command("c1", "s/battery", {"power_w": 1.0}, ttl_s, "me", "why", NOW))
    with pytest.raises(DataError, match="ttl_s"):
        decode_command(payload)


def test_decode_command_unknown_quantity_is_refused():
    with pytest.raises(DataError, match="warp"):
        decode_command(encode(Command("c1", "s/battery", {"warp": 9}, 60, "me", "why", NOW)))


def test_encode_is_compact_json_that_leaves_out_nothing_required():
    payload = encode(Data("e", 1, [Reading("s/pv", NOW, {"power_w": 1})]))
    assert json.loads(payload) == {
        "epoch": "e",
        "seq": 1,
        "readings": [{"device": "s/pv", "t": NOW, "v": {"power_w": 1}}],
        "historical": False,
    }
    assert b" " not in payload
    assert msgspec.json.decode(payload)["seq"] == 1
