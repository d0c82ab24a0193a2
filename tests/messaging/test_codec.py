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
    decode_wholly_good,
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


@pytest.mark.parametrize("name", ["", "x" * 65])
def test_decode_result_of_what_can_be_no_command_is_refused(name: str):
    with pytest.raises(DataError, match="1 to 64 characters") as caught:
        decode_result(msgspec.json.encode({"id": name, "state": "applied", "reason": "", "t": 1}))
    assert caught.value.field == "id"


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


near_values = st.one_of(
    st.integers(-(10**12), 10**12),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=4),
    st.sampled_from([0, -1, 100, 100.0, 100.1, 1e9, -1e9, 1e9 + 1, 2**53, 2**64, "on", "a:b", "\x00", "x" * 201]),
)
near_readings = st.fixed_dictionaries(
    {
        "device": st.sampled_from(["s/a", "s:a", ""]),
        "t": st.sampled_from([NOW, 0, NOW + 10**12]),
        "v": st.dictionaries(st.sampled_from([*QUANTITIES, "nope"]), near_values, max_size=4),
    },
    optional={"bad": st.lists(st.text(max_size=3), max_size=2), "more": st.none()},
)


@settings(max_examples=1000, deadline=None)
@given(
    st.fixed_dictionaries(
        {
            "epoch": st.sampled_from(["e", "", "e:1", "x" * 65]),
            "seq": st.integers(-1, 2),
            "readings": st.lists(near_readings, max_size=3),
        },
        optional={
            "historical": st.booleans(),
            "clock": st.sampled_from(["unsynchronised", "x"]),
            "more": st.just({"a": 1}),
        },
    ),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :")]),
)
def test_what_is_called_wholly_good_passes_every_check_and_reads_the_same(body, separators):
    payload = json.dumps(body, separators=separators).encode()
    good = decode_wholly_good(payload, NOW)
    if good is None:
        return
    data = decode_data(payload)
    checked, rejected = check_readings([r for r in data.readings if r.device == "s/a"], NOW)
    assert rejected == []
    assert [r.v for r in checked] == [r.v for r in good.readings if r.device == "s/a"]
    assert [r.bad for r in checked] == [r.bad or [] for r in good.readings if r.device == "s/a"]
    assert (data.epoch, data.seq, data.historical) == (good.epoch, good.seq, good.historical is True)
    assert set(body) <= {"epoch", "seq", "readings", "historical", "clock"}


def test_usual_batch_is_wholly_good():
    reading = Reading("s/a", NOW, {"power_w": 5, "frequency_hz": 50.01, "state": "mppt"}, ["voltage_l1_v"])
    good = decode_wholly_good(encode(Data("e", 1, [reading], historical=True, clock="unsynchronised")), NOW)
    assert good is not None
    assert good.readings[0].v == reading.v
    assert isinstance(good.readings[0].v["power_w"], int)


@pytest.mark.parametrize(
    "values",
    [
        b'"nope":1',
        b'"power_w":1,"power_w":2',
        b'"power_w":1e10',
        b'"frequency_hz":true',
        b'"power_w":"5"',
        b'"state":5',
        b'"state":"a\\u0000"',
        b'"frequency_hz":-0.1',
        b'"soc_pct":101',
    ],
)
def test_batch_with_anything_wrong_in_it_is_not_wholly_good(values):
    payload = b'{"epoch":"e","seq":1,"readings":[{"device":"s/a","t":%d,"v":{%s}}]}' % (NOW, values)
    assert decode_wholly_good(payload, NOW) is None
    assert decode_wholly_good(payload.replace(values, b'"power_w":1'), NOW) is not None
