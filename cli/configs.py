"""The configuration files the commands read: which model each follows, checking one, printing a schema."""

from __future__ import annotations

import difflib
import importlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from api.buildings.settings import BuildingsSettings
from api.settings import ApiSettings
from collector.settings import CollectorSettings
from energy.community import Community
from energy.errors import ConfigError
from messaging.connection import MqttSettings
from messaging.notices import NotificationSettings
from runtime.config import load_config, yaml_names
from storage.history.settings import EmbeddedSettings, StoreSettings
from storage.register.settings import RegisterSettings

__all__ = [
    "CentreConfig",
    "check_file",
    "load_centre",
    "problem_facts",
    "read_config",
    "schema_of",
]

_FULL = 0.8  # a line that is busier has no room for commands and repetitions


class CentreConfig(BaseModel):
    """The configuration of collector and API: one file for both, each reads its part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    communities: tuple[Community, ...] = Field(min_length=1)
    mqtt: MqttSettings | None = Field(
        default=None, description="without it `run` starts a broker of its own on this machine"
    )
    store: StoreSettings = EmbeddedSettings()
    register_: RegisterSettings = Field(default=RegisterSettings(), alias="register")
    collector: CollectorSettings = CollectorSettings()
    notifications: NotificationSettings = NotificationSettings()
    api: ApiSettings = ApiSettings()
    buildings: BuildingsSettings = BuildingsSettings()

    @model_validator(mode="after")
    def _unique(self) -> Self:
        for kind, names in (
            ("community", [community.id for community in self.communities]),
            ("site", [site.id for community in self.communities for site in community.sites]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{kind} ids must be unique in the whole file: {', '.join(twice)}")
        self._check_channels()
        self._check_collector()
        return self

    def _check_channels(self) -> None:
        channels = [channel.id for channel in self.notifications.channels]
        for community in self.communities:
            for rule in community.rules:
                for name in rule.notify or ():
                    if name not in channels:
                        raise ValueError(
                            f"rule {rule.id!r} of {community.id!r} notifies {name!r}, which is no channel; "
                            f"there are {', '.join(channels) or 'none'}"
                        )

    def _check_collector(self) -> None:
        unknown = sorted(set(self.collector.communities) - {community.id for community in self.communities})
        if unknown:
            raise ValueError(f"collector.communities names {', '.join(unknown)}, which is no community of this file")
        if self.collector.stands_by and isinstance(self.store, EmbeddedSettings):
            raise ValueError("collector.stands_by needs a store that several can write: configure InfluxDB")

    @property
    def collected(self) -> tuple[Community, ...]:
        """The communities the collector serves."""
        chosen = self.collector.communities
        return tuple(community for community in self.communities if not chosen or community.id in chosen)


def load_centre(path: Path) -> CentreConfig:
    """The centre's configuration. Raises ConfigError naming file, line and field."""
    return load_config(path, CentreConfig)


_KINDS: Final = {  # each with the keys that tell it, and where its model is; a case has communities, too
    "case": (("tariffs",), "cli.backtest.case", "CaseFile"),
    "centre": (("communities",), "cli.configs", "CentreConfig"),
    "people": (("people",), "cli.register.file", "PeopleFile"),
    "gateway": (("gateway",), "gateway.config", "GatewayConfig"),
    "simulator": (("sites",), "simulator.config", "SimulatorConfig"),
    "key": (("rounds", "preset"), "cli.settle.key", "KeyFile"),
    "terms": (("shared_energy",), "energy.settlement.terms", "Terms"),
    "investment": (("finance",), "energy.sizing.terms", "SizingTerms"),
    "factors": (("factors", "scales", "degree_days", "targets"), "energy.buildings.factors", "FactorsFile"),
}

_OF_SERVICES: Final = frozenset({"centre", "gateway", "simulator"})  # what the environment's variables are about
_ALL_KEYS: Final = [key for keys, _, _ in _KINDS.values() for key in keys]

_COUNTED: Final = {  # what `check` counts of the simpler kinds, by field
    "case": {"communities": "communities", "tariffs": "tariffs"},
    "key": {"rounds": "rounds"},
    "terms": {"shared_energy": "prices", "charges": "charges", "vat": "VAT rates"},
    "investment": {"energy": "prices", "pv": "costs of PV", "battery": "costs of batteries"},
    "factors": {"factors": "factors", "scales": "scales", "targets": "targets", "benchmarks": "benchmarks"},
}


def _model(kind: str) -> type[BaseModel]:
    """The model of a kind of file. Only what is asked for is imported: a roof has no register, and little time."""
    _, module, name = _KINDS[kind]
    try:
        model: type[BaseModel] = getattr(importlib.import_module(module), name)
    except ModuleNotFoundError as error:
        hint = "do it at the centre, or install `commonwatt[centre]`"
        raise ConfigError(f"a {kind} file needs {error.name}, which is not installed here", hint=hint) from error
    return model


def schema_of(kind: str) -> str:
    """The JSON schema of a kind of configuration file."""
    if kind not in _KINDS:
        raise ConfigError(f"there is no configuration called {kind!r}", hint=f"one of {', '.join(_KINDS)}")
    return json.dumps(_model(kind).model_json_schema(by_alias=True), indent=2)


def check_file(path: Path, *, as_json: bool) -> str:
    """Validates the file and tells what it configures. Raises ConfigError for the first thing wrong, with all others."""
    kind, config = read_config(path)
    facts, doubts = _facts(kind, config), _doubts(kind, config)
    if as_json:
        return json.dumps({"file": str(path), "kind": kind, "ok": True, **facts, "warnings": doubts})
    told = ", ".join(f"{count} {what}" for what, count in facts.items())
    return "\n".join([f"{path}: a valid {kind} configuration: {told}", *(f"warning: {doubt}" for doubt in doubts)])


def problem_facts(error: ConfigError) -> dict[str, Any]:
    """One thing wrong with a file, for programs."""
    return {"file": error.file, "line": error.line, "field": error.field, "problem": error.problem, "next": error.hint}


def read_config(path: Path) -> tuple[str, Any]:
    """The kind of a configuration file and its validated content. Raises ConfigError."""
    kind, model = _kind_of(path)
    return kind, load_config(path, model, kind=kind, env=None if kind in _OF_SERVICES else {})


def _kind_of(path: Path) -> tuple[str, type[BaseModel]]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"cannot be read: {reason}", file=str(path), hint="check the path and its rights") from error
    for kind, (keys, _module, _name) in _KINDS.items():
        if any(line.startswith(f"{key}:") for line in text.splitlines() for key in keys):
            return kind, _model(kind)
    names = yaml_names(path)  # raises where it is no YAML at all
    close = [guess for name in names for guess in difflib.get_close_matches(name, _ALL_KEYS, n=1)]
    raise ConfigError(
        "is no configuration of commonwatt",
        file=str(path),
        hint=f"did you mean `{close[0]}:`?"
        if close
        else "a centre has `communities:`, a gateway `gateway:`, a simulator `sites:`, a sharing key `rounds:`, a people file `people:`, a case `tariffs:`, terms `shared_energy:`, an investment `finance:`, factors `factors:`",
    )


def _doubts(kind: str, config: Any) -> list[str]:
    """What is allowed and will hardly work, or that nobody has confirmed."""
    if kind in {"terms", "investment"}:
        return [f"{entry} is not verified: {source}" for entry, source in config.unverified()]
    if kind == "factors":
        found: list[str] = config.unverified()
        return found
    if kind == "centre":
        return _idle_rules(config.communities)
    if kind == "people":
        return [
            f"{kind} {name} holds a part of its person's name: ids stand in time series, statements and logs, and stay"
            for kind, name in config.telling_ids()
        ]
    if kind != "gateway":
        return []
    from gateway.buses import line_load
    from gateway.profile import Library

    library = Library(config.profiles_dir)
    loads = ((bus, line_load(bus, library)) for bus in config.buses)
    return [
        f"bus {bus.id}: its readings need {load:.0%} of what {bus.url} can carry; raise interval_s or the line's speed"
        for bus, load in loads
        if load is not None and load > _FULL
    ]


def _idle_rules(communities: Sequence[Community]) -> list[str]:
    from energy.alerts.subjects import subjects

    return [
        f"rule {rule.id} of {community.id} watches nothing: what it needs is missing at every site (docs/alerts.md)"
        for community in communities
        for rule in community.rules
        if not subjects(rule, community)
    ]


def _facts(kind: str, config: Any) -> dict[str, int]:
    if kind == "centre":
        sites = [site for community in config.communities for site in community.sites]
        rules = sum(len(community.rules) for community in config.communities)
        devices = sum(len(site.devices) for site in sites)
        return {"communities": len(config.communities), "sites": len(sites), "devices": devices, "rules": rules}
    if kind == "gateway":
        return {"buses": len(config.buses), "devices": sum(len(bus.devices) for bus in config.buses)}
    if kind == "people":
        return {name: len(getattr(config, name)) for name in type(config).model_fields}
    if kind in _COUNTED:
        return {told: len(getattr(config, field)) for field, told in _COUNTED[kind].items()}
    return {"sites": len(config.sites), "devices": sum(len(site.devices) for site in config.sites)}
