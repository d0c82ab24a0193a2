"""Models by their JSON definitions, with pysunspec2's own client as the oracle."""

from __future__ import annotations

import asyncio
import json
import random
import struct

import pytest
from sunspec2.device import ModelError
from sunspec2.modbus.client import SunSpecModbusClientDeviceTCP, SunSpecModbusClientModel

from energy.errors import ConfigError
from gateway import sunspec_models
from gateway.modbus import Bus
from gateway.probe import probe_models
from gateway.profile import Library
from gateway.sunspec_models import decode_model, model_definition
from tests.gateway.sunspec_reference import FOLDER, MODELS, counts_of, oracle_value, points_of


def image(model, seed):
    """The registers of a model with arbitrary values, small counts and usable scale factors."""
    definition = json.loads((FOLDER / f"model_{model}.json").read_text())["group"]
    chance = random.Random(seed)
    counts = counts_of(definition)

    def words_of(point):  # noqa: PLR0911 - one return for each kind of point
        size, kind = point["size"], point["type"]
        if kind == "sunssf":
            return [chance.choice([0xFFFE, 0xFFFF, 0, 1, 2])]
        if kind == "count" or point["name"] in counts:
            return [2]
        if kind == "string":
            text = "".join(chance.choice("abcXYZ 123") for _ in range(2 * size - 1)).strip().encode()
            return list(struct.unpack(f">{size}H", text.ljust(2 * size, b"\0")))
        if kind in {"float32", "float64"}:
            packed = struct.pack(">f" if kind == "float32" else ">d", chance.uniform(-1e5, 1e5))
            return list(struct.unpack(f">{size}H", packed))
        if chance.random() < 0.2:
            return [0xFFFF] * size if kind[0] in "ueb" else [0x8000] + [0] * (size - 1)
        if kind == "eui48":
            return [0, *(chance.randrange(1, 0xFFFF) for _ in range(3))]
        return [0] * (size - 1) + [chance.randrange(1, 0x7FFF)]

    def lay(group):
        words = [word for point in group["points"] for word in words_of(point)]
        for inner in group.get("groups", ()):
            for _ in range(1 if inner.get("count") is None else 2):
                words += lay(inner)
        return words

    words = lay(definition)
    return [model, len(words) - 2, *words[2:]]


@pytest.mark.parametrize("model", MODELS)
def test_every_published_model_decodes_as_pysunspec2_decodes_it(model):
    words = image(model, model)
    data = struct.pack(f">{len(words)}H", *words)
    try:
        reference = SunSpecModbusClientModel(model_id=model, model_len=words[1], data=data)
    except ModelError as error:
        pytest.skip(f"pysunspec2 cannot lay it out: {error}")
    if reference.error_info:
        pytest.skip(f"pysunspec2 cannot decode it: {reference.error_info}")
    expected = {path: oracle_value(point) for path, point in points_of(reference) if point.pdef["type"] != "pad"}
    decoded = {point.path: point.value for point in decode_model(model_definition(model), words)}
    assert decoded.keys() == expected.keys()
    for path, value in expected.items():
        if isinstance(value, float):
            assert decoded[path] == pytest.approx(value, rel=1e-9), path
        else:
            assert decoded[path] == value, path


def test_enough_models_were_compared_and_not_skipped():
    compared = 0
    for model in MODELS:
        words = image(model, model)
        try:
            reference = SunSpecModbusClientModel(
                model_id=model, model_len=words[1], data=struct.pack(f">{len(words)}H", *words)
            )
        except ModelError:
            continue
        compared += not reference.error_info
    assert compared == len(MODELS)


@pytest.mark.parametrize("kind", ["inverter", "storage"])
async def test_probe_of_a_live_device_agrees_with_pysunspec2s_client(serve, devices, kind):
    server = await serve({1: getattr(devices, kind)()})
    bus = Bus(server.address, timeout_s=0.5)
    ours = {point.source: point.value for point in (await probe_models(bus, 1, Library())).points}
    bus.close()

    def read() -> dict[str, object]:
        client = SunSpecModbusClientDeviceTCP(slave_id=1, ipaddr="127.0.0.1", ipport=server.port, timeout=2)
        client.scan()
        client.close()
        models = [model for model in client.model_list if not model.error_info]
        return {
            f"{model.model_id}.{path}": oracle_value(point)
            for model in models
            for path, point in points_of(model)
            if point.pdef["type"] != "pad"
        }

    theirs = await asyncio.to_thread(read)
    assert len(theirs) > 60
    assert {source: ours[source] for source in theirs} == pytest.approx(theirs, nan_ok=True)


def test_model_shorter_than_the_standard_ends_where_the_device_says():
    words = image(103, 1)
    short = [103, 20, *words[2:22]]
    decoded = decode_model(model_definition(103), short)
    assert decoded[-1].path == "VAr_SF"


def test_value_whose_scale_factor_is_not_implemented_is_missing():
    words = image(103, 1)
    words[14], words[15] = 100, 0x8000
    assert {point.path: point.value for point in decode_model(model_definition(103), words)}["W"] is None


def test_unknown_model_has_no_definition():
    assert model_definition(64_999) is None


def test_definitions_that_are_not_installed_say_what_to_install(monkeypatch):
    monkeypatch.setattr(sunspec_models, "find_spec", lambda _name: None)
    model_definition.cache_clear()
    with pytest.raises(ConfigError, match="not installed") as caught:
        model_definition(103)
    assert "pip install pysunspec2" in caught.value.hint
