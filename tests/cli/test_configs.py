"""`check` and `schema`: every kind of file is known, wrong ones are told by file, line and field."""

import json
from pathlib import Path

import pytest
import yaml

from cli.configs import CentreConfig, check_file, load_centre, schema_of
from cli.register.file import load_people
from energy.errors import ConfigError

ROOT = Path(__file__).parents[2]
CENTRE = yaml.safe_load((ROOT / "deploy" / "examples" / "centre.yaml").read_text())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("centre.yaml", "centre"),
        ("gateway.yaml", "gateway"),
        ("one-machine/centre.yaml", "centre"),
        ("one-machine/gateway.yaml", "gateway"),
    ],
)
def test_check_says_what_an_example_configures(name, kind):
    path = ROOT / "deploy" / "examples" / name
    told = json.loads(check_file(path, as_json=True))
    assert (told["kind"], told["ok"]) == (kind, True)
    assert f"a valid {kind} configuration" in check_file(path, as_json=False)


def test_check_of_a_people_file_is_not_disturbed_by_the_centres_variables(tmp_path, monkeypatch):
    monkeypatch.setenv("COMMONWATT_REGISTER__PASSWORD", "s3cret")
    path = tmp_path / "people.yaml"
    path.write_text("people: []\n")
    assert json.loads(check_file(path, as_json=True))["kind"] == "people"
    assert load_people(path).people == ()


def test_check_of_something_else_names_the_kinds_there_are(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("hello: world\n")
    with pytest.raises(ConfigError, match="communities"):
        check_file(path, as_json=False)


def test_check_of_no_file_is_told(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        check_file(tmp_path / "none.yaml", as_json=False)


@pytest.mark.parametrize("kind", ["centre", "gateway", "simulator", "key", "case"])
def test_schema_is_json_schema_that_refuses_unknown_settings(kind):
    schema = json.loads(schema_of(kind))
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False


def test_schema_of_an_unknown_kind_names_the_known(tmp_path):
    with pytest.raises(ConfigError, match="one of case, centre"):
        schema_of("toaster")


def test_the_same_site_in_two_communities_is_refused(tmp_path):
    content = {"communities": [CENTRE["communities"][0], {**CENTRE["communities"][0], "id": "other", "rules": []}]}
    path = tmp_path / "centre.yaml"
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ConfigError, match="site ids must be unique"):
        load_centre(path)


def test_centre_without_store_is_embedded():
    config = CentreConfig.model_validate({"communities": [{"id": "c", "name": "C"}]})
    assert config.store.kind == "embedded"
    assert config.register_.dirty_path.name == "dirty.db"


def _two_communities(tmp_path, **parts):
    content = {"communities": [{"id": "a", "name": "A"}, {"id": "b", "name": "B"}], **parts}
    path = tmp_path / "centre.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def test_collector_serves_all_communities_or_those_it_names(tmp_path):
    assert [c.id for c in load_centre(_two_communities(tmp_path)).collected] == ["a", "b"]
    named = load_centre(_two_communities(tmp_path, collector={"communities": ["b"]}))
    assert [c.id for c in named.collected] == ["b"]


def test_collector_of_an_unknown_community_is_told(tmp_path):
    with pytest.raises(ConfigError, match="names c, which is no community"):
        load_centre(_two_communities(tmp_path, collector={"communities": ["c"]}))


def test_collectors_that_stand_by_for_each_other_need_a_server(tmp_path):
    with pytest.raises(ConfigError, match="configure InfluxDB"):
        load_centre(_two_communities(tmp_path, collector={"stands_by": True}))


@pytest.mark.parametrize(
    ("command", "text", "kind"),
    [("simulate", "sites: [{id: 5}]", "simulator"), ("gateway", "gateway: g\nbuses: 7", "gateway")],
)
def test_service_with_a_wrong_file_names_the_schema_of_its_kind(tmp_path, commonwatt, command, text, kind):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    done = commonwatt(command, "--config", path)
    assert done.code == 1
    assert f"`commonwatt schema {kind}` shows what is allowed" in done.err
    assert "`commonwatt schema`" not in done.err
