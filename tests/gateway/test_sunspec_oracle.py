"""Every published SunSpec model with arbitrary registers: decoded as pysunspec2 decodes the same bytes."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sunspec2.device import ModelError
from sunspec2.modbus.client import SunSpecModbusClientModel

from gateway.sunspec_models import decode_model, model_definition
from tests.gateway.sunspec_reference import MODELS, counts_of, oracle_value, points_of

WORD = st.one_of(st.integers(0, 0xFFFF), st.sampled_from([0, 1, 0x7FFF, 0x8000, 0xFFFF]))
FACTOR = st.sampled_from([*range(-10, 11), -0x8000])
TEXT = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
TIMES = st.integers(0, 4)
ENDLESS = st.integers(1, 8)  # repetitions of a group that only the model's length ends
SETTINGS = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example]
)


@st.composite
def registers(draw, model):
    """All registers of a model, with whatever in them; only its counts, texts and scale factors keep within reason."""
    top = model_definition(model)
    counts = counts_of(top)

    def words_of(point, told):
        kind, size = point["type"], point["size"]
        if point["name"] in counts:
            told[point["name"]] = draw(TIMES)
            return [told[point["name"]]]
        if kind == "sunssf":
            return [draw(FACTOR) & 0xFFFF]
        if kind == "string":
            data = draw(TEXT).encode()[: 2 * size]
            return list(struct.unpack(f">{size}H", data.ljust(2 * size, b"\0")))
        return [draw(WORD) for _ in range(size)]

    def lay(group, outer):
        told = dict(outer)
        words = [word for point in group["points"] for word in words_of(point, told)]
        for inner in group.get("groups", ()):
            count = inner.get("count")
            times = 1 if count is None else told[count] if isinstance(count, str) else count or draw(ENDLESS)
            for _ in range(times):
                words += lay(inner, told)
        return words

    words = lay(top, {})
    return [model, len(words) - 2, *words[2:]]


def reference(words):
    """pysunspec2's values by our path; None where it cannot lay the model out."""
    try:
        model = SunSpecModbusClientModel(
            model_id=words[0], model_len=words[1], data=struct.pack(f">{len(words)}H", *words)
        )
    except ModelError:
        return None
    if model.error_info:
        return None
    return {path: oracle_value(point) for path, point in points_of(model) if point.pdef["type"] != "pad"}


def same(ours, theirs):
    if theirs is None or isinstance(theirs, str):
        return ours == theirs
    if isinstance(theirs, float) and not math.isfinite(theirs):
        return ours is None
    return ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_model_decodes_as_pysunspec2_decodes_it_whatever_it_holds(model):
    compared = []

    @SETTINGS
    @given(registers(model))
    def decodes_alike(words):
        theirs = reference(words)
        assume(theirs is not None)
        ours = {point.path: point.value for point in decode_model(model_definition(model), words)}
        assert ours.keys() == theirs.keys()
        for path, value in theirs.items():
            assert same(ours[path], value), f"{path}: {ours[path]!r}, pysunspec2 {value!r}"
        compared.append(model)

    decodes_alike()
    assert compared


@pytest.mark.parametrize("model", [101, 103, 113, 123, 160, 203, 213, 701, 704, 708, 802])
def test_model_cut_short_tells_what_it_has_and_nothing_else(model):
    """A device trusts its own length: what lies beyond is not there, a value whose factor lies beyond has none."""

    @SETTINGS
    @given(registers(model), st.data())
    def cut(words, data):
        length = data.draw(st.integers(2, len(words)))
        whole = {point.path: point for point in decode_model(model_definition(model), words)}
        for point in decode_model(model_definition(model), words[:length]):
            assert point.registers == whole[point.path].registers
            assert point.value in {whole[point.path].value, None}

    cut()
