"""Grafana's classic dashboard JSON as small values: a board is rows of panels, a panel is queries and a look.

Written for schemaVersion 41 (Grafana 11.6), which later versions migrate on load. Positions are computed, so panels
cannot overlap. The data source is always the one provisioned under the uid `commonwatt`: `__inputs` and `${DS_...}`
are resolved only by Grafana's import dialog, never by provisioning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = [
    "DATASOURCE",
    "DATASOURCE_UID",
    "SCHEMA_VERSION",
    "Board",
    "Json",
    "Link",
    "Look",
    "Panel",
    "Row",
    "Target",
    "Threshold",
    "Variable",
]

Json = dict[str, Any]
PanelType = Literal["timeseries", "stat", "gauge", "table"]
ResultFormat = Literal["time_series", "table"]

SCHEMA_VERSION: Final = 41
DATASOURCE_UID: Final = "commonwatt"
DATASOURCE: Final[Json] = {"type": "influxdb", "uid": DATASOURCE_UID}
COLUMNS: Final = 24


@dataclass(frozen=True, slots=True)
class Target:
    """One InfluxQL query. `name` is the series' name: text, `$tag_<tag>` and `$col`."""

    query: str
    name: str = ""
    result_format: ResultFormat = "time_series"

    def to_json(self, position: int) -> Json:
        """Grafana's target; `position` counts from 0 and becomes the letter of the query."""
        return {
            "refId": chr(ord("A") + position),
            "datasource": DATASOURCE,
            "rawQuery": True,
            "query": self.query,
            "alias": self.name,
            "resultFormat": self.result_format,
        }


@dataclass(frozen=True, slots=True)
class Link:
    """Where a click on a value leads. `field`: only on that column; everywhere when None."""

    title: str
    url: str
    field: str | None = None

    def to_json(self) -> Json:
        """Grafana's data link."""
        return {"title": self.title, "url": self.url, "targetBlank": False}


@dataclass(frozen=True, slots=True)
class Threshold:
    """From `value` on (None: from the bottom) a value has `colour`."""

    value: float | None
    colour: str


@dataclass(frozen=True, slots=True)
class Look:
    """How a series or column that deviates from its panel is shown. `match`: its exact name."""

    match: str
    unit: str | None = None
    colour: str | None = None
    right_axis: bool = False
    dashed: bool = False
    step: bool = False

    def to_json(self) -> Json:
        """Grafana's field override."""
        properties: list[Json] = []
        if self.unit is not None:
            properties.append({"id": "unit", "value": self.unit})
        if self.colour is not None:
            properties.append({"id": "color", "value": {"mode": "fixed", "fixedColor": self.colour}})
        if self.right_axis:
            properties.append({"id": "custom.axisPlacement", "value": "right"})
            properties.append({"id": "custom.fillOpacity", "value": 0})
        if self.dashed:
            properties.append({"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}})
        if self.step:
            properties.append({"id": "custom.lineInterpolation", "value": "stepAfter"})
        return {"matcher": {"id": "byName", "options": self.match}, "properties": properties}


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart, number or table. `unit` is a Grafana unit id; `step` the shortest interval its queries group by."""

    title: str
    description: str
    unit: str
    targets: tuple[Target, ...]
    type: PanelType = "timeseries"
    width: int = 12
    height: int = 8
    step: str = "1m"
    bars: bool = False
    stacked: bool = False
    low: float | None = None
    high: float | None = None
    decimals: int | None = None
    today: bool = False
    no_value: str = "unknown"
    thresholds: tuple[Threshold, ...] = (Threshold(None, "text"),)
    looks: tuple[Look, ...] = ()
    links: tuple[Link, ...] = ()

    def to_json(self, panel_id: int, x: int, y: int) -> Json:
        """Grafana's panel at column `x`, line `y`."""
        panel: Json = {
            "id": panel_id,
            "type": self.type,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "interval": self.step,
            "targets": [target.to_json(position) for position, target in enumerate(self.targets)],
            "fieldConfig": {"defaults": self._defaults(), "overrides": self._overrides()},
            "options": self._options(),
        }
        if self.today:
            panel["timeFrom"] = "now/d"
        return panel

    def _defaults(self) -> Json:
        defaults: Json = {
            "unit": self.unit,
            "noValue": self.no_value,
            "color": {"mode": "palette-classic" if self.type == "timeseries" else "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": step.value, "color": step.colour} for step in self.thresholds],
            },
            "links": [link.to_json() for link in self.links if link.field is None],
        }
        optional = {"min": self.low, "max": self.high, "decimals": self.decimals}
        defaults.update({name: value for name, value in optional.items() if value is not None})
        if self.type == "timeseries":
            defaults["custom"] = self._drawing()
        return defaults

    def _drawing(self) -> Json:
        return {
            "drawStyle": "bars" if self.bars else "line",
            "lineWidth": 1,
            "fillOpacity": 60 if self.bars else 8,
            "showPoints": "never" if self.bars else "auto",
            "spanNulls": False,  # a gap is shown as a gap
            "insertNulls": False,
            "stacking": {"mode": "normal" if self.stacked else "none", "group": "A"},
            "axisPlacement": "auto",
        }

    def _overrides(self) -> list[Json]:
        linked = [
            {
                "matcher": {"id": "byName", "options": link.field},
                "properties": [{"id": "links", "value": [link.to_json()]}],
            }
            for link in self.links
            if link.field is not None
        ]
        return [look.to_json() for look in self.looks] + linked

    def _options(self) -> Json:
        if self.type == "timeseries":
            return {
                "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
                "tooltip": {"mode": "multi", "sort": "none"},
            }
        if self.type == "table":
            return {"showHeader": True, "cellHeight": "sm"}
        reduced = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
        if self.type == "gauge":
            return {**reduced, "showThresholdLabels": False, "showThresholdMarkers": True}
        return {**reduced, "colorMode": "value", "graphMode": "none", "textMode": "auto", "justifyMode": "auto"}


@dataclass(frozen=True, slots=True)
class Row:
    """A heading and the panels under it, from left to right, wrapping at 24 columns."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a board, filled by a query."""

    name: str
    label: str
    description: str
    query: str

    def to_json(self) -> Json:
        """Grafana's template variable."""
        return {
            "name": self.name,
            "label": self.label,
            "description": self.description,
            "type": "query",
            "datasource": DATASOURCE,
            "query": self.query,
            "definition": self.query,
            "refresh": 2,  # when the time range changes
            "sort": 1,
            "multi": False,
            "includeAll": False,
            "hide": 0,
        }


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard under a stable uid."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...]
    links: tuple[Link, ...] = ()
    tags: tuple[str, ...] = ("commonwatt",)
    time_from: str = "now-24h"
    refresh: str = "30s"

    def to_json(self) -> Json:
        """Grafana's classic dashboard."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": list(self.tags),
            "schemaVersion": SCHEMA_VERSION,
            "timezone": "browser",
            "time": {"from": self.time_from, "to": "now"},
            "refresh": self.refresh,
            "editable": True,
            "liveNow": False,
            "graphTooltip": 1,
            "templating": {"list": [variable.to_json() for variable in self.variables]},
            "annotations": {"list": []},
            "links": [self._board_link(link) for link in self.links],
            "panels": self._panels(),
        }

    @staticmethod
    def _board_link(link: Link) -> Json:
        return {
            "title": link.title,
            "type": "link",
            "url": link.url,
            "icon": "dashboard",
            "tooltip": "",
            "tags": [],
            "asDropdown": False,
            "includeVars": False,
            "keepTime": True,
            "targetBlank": False,
        }

    def _panels(self) -> list[Json]:
        placed: list[Json] = []
        y = 0
        for row in self.rows:
            heading = {"id": len(placed) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": []}
            placed.append({**heading, "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1}})
            x, y, tallest = 0, y + 1, 0
            for panel in row.panels:
                if x + panel.width > COLUMNS:
                    x, y, tallest = 0, y + tallest, 0
                placed.append(panel.to_json(len(placed) + 1, x, y))
                x, tallest = x + panel.width, max(tallest, panel.height)
            y += tallest
        return placed
