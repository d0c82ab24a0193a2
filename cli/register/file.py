"""The people file, and what it and the centre's configuration say should stand in the register."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, field_validator, model_validator

from energy.community import Community
from energy.errors import ConfigError
from energy.names import device_id
from runtime.config import load_config, several
from storage.register.consistency import problems
from storage.register.facts import ALWAYS, Fact, plain
from storage.register.participants import MeteringPoint, Participant, Price, SharingKeyVersion
from storage.register.parties import BillingParty
from storage.register.people import Person, User
from storage.register.places import CommunityFact, DeviceFact, SiteFact
from storage.register.plan import Wanted

_TELLING = 3  # letters

__all__ = ["PeopleFile", "as_yaml", "line_of", "load_people", "wanted"]


class PeopleFile(BaseModel):
    """People, users, participants, metering points, sharing keys and prices; who stands on documents as issuer or receiver."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    people: tuple[Person, ...] = ()
    users: tuple[User, ...] = ()
    participants: tuple[Participant, ...] = ()
    metering_points: tuple[MeteringPoint, ...] = ()
    sharing_keys: tuple[SharingKeyVersion, ...] = ()
    prices: tuple[Price, ...] = ()
    parties: tuple[BillingParty, ...] = ()

    @field_validator("sharing_keys", mode="before")
    @classmethod
    def _presets(cls, written: Any) -> Any:
        """The register keeps the rounds themselves: a preset that changes later changes no key that was registered."""
        if not isinstance(written, list):
            return written
        return [_without_preset(each) for each in written]

    def facts(self) -> dict[str, Sequence[Fact]]:
        """Its facts by the register's kinds."""
        return {
            "person": self.people,
            "user": self.users,
            "participant": self.participants,
            "metering_point": self.metering_points,
            "sharing_key": self.sharing_keys,
            "price": self.prices,
            "party": self.parties,
        }

    def telling_ids(self) -> list[tuple[str, str]]:
        """(kind, id) of those that say who somebody is, which pseudonyms must not."""
        names = {person.id: _words(person.name) for person in self.people}
        ids = [("person", each.id, each.id) for each in self.people]
        ids += [("user", each.id, each.person) for each in self.users]
        ids += [("participant", each.id, each.person or "") for each in self.participants]
        return [(kind, name) for kind, name, person in ids if any(word in name for word in names.get(person, ()))]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        """What can be told without knowing the register: references into it are checked with the plan."""
        found = [told for told in problems(self.facts()) if " names " not in told]
        if found:
            raise several(found)
        return self


def _without_preset(entry: Any) -> Any:
    key = entry.get("key") if isinstance(entry, dict) else None
    if not isinstance(key, dict) or "preset" not in key:
        return entry
    from energy.sharing.presets import with_preset
    from runtime.presets import shipped_presets

    return entry | {"key": with_preset(key, shipped_presets().presets)}


def _words(name: str) -> list[str]:
    """The words of a name as an id would have them; short ones stand in many ids by chance."""
    plain_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return [word for word in re.split(r"[^a-z]+", plain_name) if len(word) >= _TELLING]


def load_people(path: Path) -> PeopleFile:
    """The people file. Raises ConfigError naming file, line and field, with all others."""
    return load_config(path, PeopleFile, env={}, kind="people")


def wanted(communities: Sequence[Community], people: PeopleFile | None) -> Wanted:
    """What should stand in the register, by kind."""
    sites = [(community, site) for community in communities for site in community.sites]
    return {
        "community": [
            CommunityFact(
                id=each.id,
                name=each.name,
                kind=each.kind,
                region=each.region,
                grid_type=each.grid_type,
                municipality=each.municipality,
                timezone=each.timezone,
            )
            for each in communities
        ],
        "site": [
            SiteFact(
                id=site.id,
                community=community.id,
                name=site.name,
                kind=site.kind,
                gateway=site.gateway,
                address=site.address,
                municipality=site.municipality or community.municipality,
                floor_area_m2=site.floor_area_m2,
                opening_hours=site.opening_hours,
                latitude=site.latitude,
                longitude=site.longitude,
            )
            for community, site in sites
        ],
        "device": [
            DeviceFact(
                id=device_id(site.id, device.id),
                site=site.id,
                role=device.role.value,
                name=device.name,
                interval_s=device.interval_s,
                rated_w=device.rated_w,
                capacity_wh=device.capacity_wh,
            )
            for _, site in sites
            for device in site.devices
        ],
        **(people.facts() if people is not None else {}),
    }


def line_of(path: Path | None, problem: str) -> ConfigError:
    """A problem found beside the register, as an error at the line of the id it begins with, if the file has it."""
    subject = problem.partition(":")[0]
    line = None
    if path is not None:
        lines = path.read_text(encoding="utf-8").splitlines()
        line = next((number for number, text in enumerate(lines, 1) if subject in text), None)
    file = str(path) if line is not None else None
    return ConfigError(problem, file=file, line=line, hint="correct it; nothing was written")


def as_yaml(facts: Wanted) -> str:
    """A people file that says what these facts say; open ends and defaults are left out."""
    names = {
        "person": "people",
        "user": "users",
        "participant": "participants",
        "metering_point": "metering_points",
        "sharing_key": "sharing_keys",
        "price": "prices",
        "party": "parties",
    }
    content = {name: [_written(fact) for fact in facts[kind]] for kind, name in names.items() if facts.get(kind)}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, default_flow_style=None, width=120)


def _written(fact: Fact) -> dict[str, object]:
    """Its fields that are not the default's; days as YAML's own dates."""
    values = {}
    for field in dataclasses.fields(fact):
        value = getattr(fact, field.name)
        if value != field.default and not (field.name == "valid_from" and value == ALWAYS):
            values[field.name] = plain(value, days=True)
    return values
