"""The built JSON: Grafana's form, stable ids, no overlap, known data source, and only fields that are stored."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dashboards.boards import build, write
from dashboards.dictionary import MEASUREMENTS
from energy.errors import ConfigError

SCHEMA = json.loads((Path(__file__).parent / "dashboard.schema.json").read_text(encoding="utf-8"))
BUILT = build()
BOARDS = pytest.mark.parametrize("dashboard", BUILT.values(), ids=BUILT.keys())

_MEASUREMENT = re.compile(r'FROM (?:"(\w+)"\.)?"(\w+)"')
_NAME = re.compile(r'"(\w+)"')
_OWN = re.compile(r'AS "(\w+)"')


def _panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def _queries(dashboard: dict[str, Any]) -> list[str]:
    panels = [target["query"] for panel in _panels(dashboard) for target in panel["targets"]]
    return panels + [variable["query"] for variable in dashboard["templating"]["list"]]


def unknown_names(query: str) -> set[str]:
    """Quoted names in `query` that are no measurement, tag or field of its measurement, nor named by the query."""
    sources = _MEASUREMENT.findall(query)
    measurements = {name for _, name in sources}
    known = measurements | {policy for policy, name in sources if name in MEASUREMENTS} | set(_OWN.findall(query))
    for name in measurements & set(MEASUREMENTS):
        known |= MEASUREMENTS[name].tags | MEASUREMENTS[name].fields
    return (set(_NAME.findall(query)) - known) | (measurements - set(MEASUREMENTS))


@BOARDS
def test_dashboard_has_the_form_of_grafanas_classic_json(dashboard: dict[str, Any]):
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    problems = [f"{e.json_path}: {e.message}" for e in jsonschema.Draft7Validator(SCHEMA).iter_errors(dashboard)]
    assert problems == []


def test_schema_refuses_a_misspelt_key_and_another_datasource():
    """The check itself bites."""
    dashboard = json.loads(json.dumps(BUILT["commonwatt-site.json"]))
    dashboard["panels"][1]["datasource"]["uid"] = "${DS_INFLUXDB}"
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(dashboard)
    dashboard = json.loads(json.dumps(BUILT["commonwatt-site.json"]))
    dashboard["panels"][1]["fieldConfig"]["defaults"]["units"] = "watt"
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(dashboard)


def test_uids_are_unique_and_name_the_file():
    assert [f"{dashboard['uid']}.json" for dashboard in BUILT.values()] == list(BUILT)
    assert {"commonwatt-community.json", "commonwatt-site.json"} <= set(BUILT)


@BOARDS
def test_dashboard_carries_no_id_and_no_import_inputs(dashboard: dict[str, Any]):
    text = json.dumps(dashboard)
    assert "id" not in dashboard
    assert "__inputs" not in text
    assert "${DS_" not in text


@BOARDS
def test_panel_ids_are_unique(dashboard: dict[str, Any]):
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))


@BOARDS
def test_panels_do_not_overlap_and_stay_within_24_columns(dashboard: dict[str, Any]):
    boxes = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    for one, other in itertools.combinations(boxes, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@BOARDS
def test_queries_name_only_what_is_stored(dashboard: dict[str, Any]):
    for query in _queries(dashboard):
        assert unknown_names(query) == set(), query


def test_unknown_names_finds_a_field_and_a_measurement_that_do_not_exist():
    assert unknown_names('SELECT mean("power_kw") FROM "reading"') == {"power_kw"}
    assert unknown_names('SELECT mean("power_w") FROM "readings"') == {"power_w", "readings"}
    assert unknown_names('SELECT sum("power_w") FROM "quarters"."site_quarter"') == {"power_w"}


@BOARDS
def test_queries_look_where_a_measurement_is_kept(dashboard: dict[str, Any]):
    for query in _queries(dashboard):
        for policy, name in _MEASUREMENT.findall(query):
            assert (policy or None) == MEASUREMENTS[name].policy, query


@BOARDS
def test_queries_are_bound_in_time_and_to_one_community(dashboard: dict[str, Any]):
    """A query without either would read the whole store or another municipality's data."""
    for panel in _panels(dashboard):
        for target in panel["targets"]:
            assert "$timeFilter" in target["query"] or "now() -" in target["query"]
            inner = target["query"].split('FROM "')[1:]
            assert all("\"community\" = '$community'" in part for part in inner), target["query"]


@BOARDS
def test_fill_stands_only_in_the_outermost_query(dashboard: dict[str, Any]):
    """InfluxDB 1.6.7 gives wrong rows for a filled sub-query grouped by a tag."""
    for query in _queries(dashboard):
        for inner in re.findall(r"fill\((\w+)\)(?=.*\))", query):
            assert inner == "none", query


@BOARDS
def test_overrides_match_a_series_of_their_panel(dashboard: dict[str, Any]):
    """An override whose name no series has would do nothing, silently."""
    for panel in _panels(dashboard):
        names = {target["alias"] for target in panel["targets"]} | {"Time", "site", "device", "role"}
        patterns = [re.escape(name).replace(r"\$tag_role", r"\w+") for name in names if name]
        for override in panel["fieldConfig"]["overrides"]:
            wanted = override["matcher"]["options"]
            assert any(re.fullmatch(pattern, wanted) for pattern in patterns), (panel["title"], wanted)


def test_every_link_leads_to_a_dashboard_that_exists():
    uids = {dashboard["uid"] for dashboard in BUILT.values()}
    links = re.findall(r'"/d/([a-z-]+)[?"]', json.dumps(list(BUILT.values())))
    assert len(links) >= 4
    assert set(links) <= uids


def test_write_leaves_exactly_the_built_dashboards(tmp_path: Path):
    out = tmp_path / "new" / "folder"
    paths = write(out)
    assert sorted(path.name for path in out.iterdir()) == sorted(BUILT)
    assert {path.name: json.loads(path.read_text(encoding="utf-8")) for path in paths} == BUILT
    assert write(out) == paths


def test_write_names_the_place_when_it_cannot_write(tmp_path: Path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(ConfigError, match=re.escape(os.fspath(blocked))) as raised:
        write(blocked)
    assert raised.value.hint
