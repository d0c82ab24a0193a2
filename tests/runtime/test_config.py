"""Configuration errors name file, line, field and the next step."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from energy.errors import ConfigError
from runtime.config import load_config


class Bus(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str
    timeout_s: float = Field(default=1, gt=0)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    port: int = 1883
    buses: list[Bus] = []


def _load(tmp_path, text, env=None):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(path, Settings, env=env or {})


def test_load_reads_the_file_and_fills_in_defaults(tmp_path):
    loaded = _load(tmp_path, "name: a\nbuses:\n- url: tcp://x\n")
    assert loaded == Settings(name="a", buses=[Bus(url="tcp://x")])


def test_load_environment_overrides_nested_fields(tmp_path):
    class Outer(BaseModel):
        mqtt: Settings

    path = tmp_path / "c.yaml"
    path.write_text("mqtt:\n  name: a\n")
    assert load_config(path, Outer, env={"COMMONWATT_MQTT__PORT": "8883"}).mqtt.port == 8883


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("name: a\nprot: 3\n", ["c.yaml:2", "prot", "unknown setting", "did you mean `port`?"]),
        ("name: a\nport: x\n", ["c.yaml:2", "port", "'x'"]),
        ("name: a\nbuses:\n- url: u\n  timeout_s: -1\n", ["c.yaml:4", "buses.0.timeout_s", "greater than 0", "-1"]),
        ("name: a\nbuses:\n- url: u\n  timout_s: 1\n", ["c.yaml:4", "did you mean `timeout_s`?"]),
        ("port: 1\n", ["c.yaml:1", "name", "required", "add it"]),
        ("name: a\nname: b\n", ["c.yaml:2", "name", "given twice"]),
        ("name: [\n", ["c.yaml", "no YAML"]),
        ("- a\n", ["c.yaml", "mapping"]),
        ("", ["name"]),
        ("name: 2024-99-99\nport: 0x\n", ["c.yaml"]),
    ],
)
def test_load_of_a_wrong_file_says_where_and_what_next(tmp_path, text, parts):
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, text)
    for part in parts:
        assert part in str(error.value)


def test_load_of_a_missing_file_says_so(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml", Settings)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_load_of_any_text_raises_nothing_but_config_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("fuzz") / "c.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        load_config(path, Settings, env={})
    except ConfigError:
        pass
