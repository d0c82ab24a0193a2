"""Configuration errors name file, line, field and the next step."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, SecretStr

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


class Login(BaseModel):
    model_config = ConfigDict(extra="forbid")

    password: SecretStr | None = None
    port: int | None = None


class Centre(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mqtt: Login | None = None


@pytest.mark.parametrize("text", ["12345", "#secret", "a: b", "yes", "1e5", "{", "2026-01-01"])
def test_load_secret_of_the_environment_is_the_text_that_stands_there(tmp_path, text):
    path = tmp_path / "c.yaml"
    path.write_text("{}")
    loaded = load_config(path, Centre, env={"COMMONWATT_MQTT__PASSWORD": text})
    assert loaded.mqtt is not None
    assert loaded.mqtt.password is not None
    assert loaded.mqtt.password.get_secret_value() == text


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("COMMONWATT_MQTT__PORT", "abc", "COMMONWATT_MQTT__PORT: Input should be a valid integer"),
        ("COMMONWATT_MQTT__PORT", "{", "COMMONWATT_MQTT__PORT: is no YAML"),
        ("COMMONWATT_MQTTT__PORT", "1", "COMMONWATT_MQTTT__PORT: unknown setting\n  next: did you mean `mqtt`?"),
        ("COMMONWATT_MQTT__PROT", "1", "COMMONWATT_MQTT__PROT: unknown setting\n  next: did you mean `port`?"),
    ],
)
def test_load_error_of_a_variable_names_the_variable_and_not_the_file(tmp_path, name, value, told):
    path = tmp_path / "c.yaml"
    path.write_text("mqtt: {port: 5}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path, Centre, env={name: value})
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("COMMONWATT_MQTT_PORT", "did you mean COMMONWATT_MQTT__PORT?"),
        ("COMMONWATT_MQTT_PASWORD", "did you mean COMMONWATT_MQTT__PASSWORD?"),
        ("COMMONWATT_LOGFORMAT", "did you mean COMMONWATT_LOG_FORMAT?"),
        ("COMMONWATT_ZZZZ", "a.b is COMMONWATT_A__B; `commonwatt schema` shows what there is"),
    ],
)
def test_load_warns_once_of_a_variable_that_names_nothing_and_tells_the_nearest(tmp_path, caplog, name, told):
    class Fresh(Centre):
        pass

    path = tmp_path / "c.yaml"
    path.write_text("mqtt: {port: 5}\n")
    for _ in range(2):
        loaded = load_config(path, Fresh, env={name: "s3cret"})
    assert loaded.mqtt == Login(port=5)
    assert [record.getMessage() for record in caplog.records] == [
        f"{name} in the environment names no setting and is ignored: {told}"
    ]


def test_load_is_silent_about_every_variable_that_the_product_reads_elsewhere(tmp_path, caplog):
    root = Path(__file__).parents[2]
    folders = (
        "api",
        "cli",
        "collector",
        "dashboards",
        "deploy",
        "energy",
        "gateway",
        "messaging",
        "runtime",
        "storage",
    )
    texts = (
        path.read_text(encoding="utf-8")
        for folder in folders
        for kind in ("*.py", "*.sh", "*.yaml")
        for path in (root / folder).rglob(kind)
        if "node_modules" not in path.parts
    )
    names = {name for text in texts for name in re.findall(r"COMMONWATT_[A-Z][A-Z_]*[A-Z]", text) if "__" not in name}
    assert {"COMMONWATT_CLOCK", "COMMONWATT_LOG_FORMAT", "COMMONWATT_PKI"} <= names
    path = tmp_path / "c.yaml"
    path.write_text("{}")
    load_config(path, Centre, env=dict.fromkeys(names, "x"))
    assert caplog.records == []


def test_load_error_of_the_file_is_not_the_variables_beside_it(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("mqtt:\n  port: five\n")
    with pytest.raises(ConfigError, match=r"c\.yaml:2: mqtt\.port"):
        load_config(path, Centre, env={"COMMONWATT_MQTT__PASSWORD": "x"})


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
