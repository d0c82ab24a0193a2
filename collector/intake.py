"""One message of the wire in, one batch of rows out, with everything that was wrong with it set aside: pure.

A message that is no batch at all is refused whole. A batch of which one reading is malformed, sent by the wrong gateway
or out of range loses that reading only. Whenever epoch and seq can be read there is a batch to confirm, even an empty
one: what is not confirmed comes back for ever.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from collector.directory import Directory
from energy.errors import DataError
from energy.quantities import QUANTITIES
from messaging import topics
from messaging.codec import UNSYNCHRONISED, Data, Reading, check_readings, decode_data, decode_wholly_good
from messaging.topics import GatewayTopic
from storage.history import Row

__all__ = ["Batch", "Intake", "Refused", "take_in"]


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Readings of one gateway that are confirmed together, in the words of the store; `topic` and `payload` as they came."""

    topic: str
    payload: bytes
    community: str
    gateway: str
    epoch: str
    seq: int
    historical: bool
    rows: tuple[Row, ...]
    unsynchronised: bool = False
    """The gateway knew that its clock was not set by anybody."""

    @property
    def size(self) -> int:
        """The room it takes while it waits for the store, in readings: an empty one takes room as well."""
        return len(self.rows) + 1


class Refused(NamedTuple):
    """What is set aside: the message, reading or value as it came, and why."""

    topic: str
    gateway: str
    payload: bytes
    reason: str


Intake = tuple[Batch | None, Sequence[Refused]]
"""What came of a message. There is no batch when not even epoch and seq could be read."""


def take_in(topic: str, payload: bytes, directory: Directory, now_ms: int) -> Intake:
    """Reads one message on a `data` topic. Never raises on what comes from outside."""
    try:
        place = topics.parse_gateway_topic(topic)
    except DataError as error:
        return None, [Refused(topic, "", payload, error.message)]
    batch = _wholly_good(topic, place, payload, directory, now_ms)
    return (batch, ()) if batch is not None else _with_care(topic, place, payload, directory, now_ms)


def _wholly_good(topic: str, place: GatewayTopic, payload: bytes, directory: Directory, now_ms: int) -> Batch | None:
    """The usual batch: nothing wrong in it, and every device known to be this gateway's. None: it needs a closer look."""
    data = decode_wholly_good(payload, now_ms)
    if data is None:
        return None
    community, gateway, _ = place
    placed = directory.placed(community, gateway)
    try:
        rows = tuple(
            [
                Row(placed[reading.device], reading.t, reading.v, tuple(reading.bad) if reading.bad else ())
                for reading in data.readings
            ]
        )
    except KeyError:
        return None
    unsynchronised = data.clock == UNSYNCHRONISED
    return Batch(
        topic, payload, community, gateway, data.epoch, data.seq, data.historical is True, rows, unsynchronised
    )


def _with_care(topic: str, place: GatewayTopic, payload: bytes, directory: Directory, now_ms: int) -> Intake:
    """A batch of which something may be wrong: it is taken, without what is."""
    refused: list[Refused] = []
    try:
        data = decode_data(payload)
    except DataError as error:
        salvaged = _salvage(payload, topic, place.gateway, refused)
        if salvaged is None:
            return None, [Refused(topic, place.gateway, payload, error.message)]
        data = salvaged
        if not refused:
            refused.append(Refused(topic, place.gateway, payload, error.message))
    good, rejections = check_readings(data.readings, now_ms)
    for rejection in rejections:
        culprit = msgspec.json.encode({"device": rejection.device, "field": rejection.field})
        refused.append(Refused(topic, place.gateway, culprit, f"{rejection.field}: {rejection.reason}"))
    rows = _rows(good, topic, place, directory, refused)
    unsynchronised = data.clock == UNSYNCHRONISED
    batch = Batch(
        topic, payload, place.community, place.gateway, data.epoch, data.seq, data.historical, rows, unsynchronised
    )
    return batch, refused


def _rows(
    readings: list[Reading], topic: str, place: GatewayTopic, directory: Directory, refused: list[Refused]
) -> tuple[Row, ...]:
    rows: list[Row] = []
    for reading in readings:
        try:
            tags = directory.place(place.community, place.gateway, reading.device)
        except DataError as error:
            culprit = msgspec.json.encode({"device": reading.device})
            refused.append(Refused(topic, place.gateway, culprit, error.message))
            continue
        rows.append(Row(tags, reading.t, reading.v, tuple(reading.bad)))
    return tuple(rows)


def _salvage(payload: bytes, topic: str, gateway: str, refused: list[Refused]) -> Data | None:
    """What can be read of a batch that is not wholly well formed; None when it cannot even be named.

    Read with the lenient parser of the standard library: publishers written with it send NaN, for one.
    """
    try:
        body = json.loads(payload)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError
        return None
    name = _name(body) if isinstance(body, dict) else None
    if name is None:
        return None
    readings: list[Reading] = []
    listed = body.get("readings")
    for item in listed if isinstance(listed, list) else ():
        kept, left_out = _values_only(item)
        culprit = json.dumps(item).encode()
        refused += [Refused(topic, gateway, culprit, f"v.{name}: is no number and no text") for name in left_out]
        try:
            reading = msgspec.convert(kept, Reading)
            msgspec.json.encode(reading)  # half a surrogate pair cannot be stored
        except (msgspec.ValidationError, UnicodeEncodeError) as error:
            refused.append(Refused(topic, gateway, culprit, f"reading: {error}"))
        else:
            readings.append(reading)
    return Data(*name, readings, body.get("historical") is True)


def _values_only(item: Any) -> tuple[Any, list[str]]:
    """A reading without what is no value (null, true, a list): that is bad there; and the names of what was left out."""
    values = item.get("v") if isinstance(item, dict) else None
    if not isinstance(values, dict):
        return item, []
    none = [
        name for name, value in values.items() if isinstance(value, bool) or not isinstance(value, int | float | str)
    ]
    bad = item.get("bad", [])
    if not none or not isinstance(bad, list):
        return item, []
    kept = {name: value for name, value in values.items() if name not in none}
    told = [name for name in none if name in QUANTITIES and name not in bad]
    return {**item, "v": kept, "bad": [*bad, *told]}, none


def _name(body: dict[str, Any]) -> tuple[str, int] | None:
    """Epoch and seq within the limits decode_data holds them to."""
    epoch, seq = body.get("epoch"), body.get("seq")
    if not isinstance(epoch, str) or not 0 < len(epoch) <= 64 or type(seq) is not int or not 0 <= seq < 2**63:
        return None
    half_pairs = any("\ud800" <= letter <= "\udfff" for letter in epoch)
    return None if half_pairs else (epoch, seq)
