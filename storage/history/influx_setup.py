"""Databases, policies, buckets and mappings of an InfluxDB server: made where there are none, checked where there are.

    version 1    database, its default policy: readings, `raw_days`      policy `quarters`: all else, for ever
    version 2    `bucket`: readings, `raw_days`                          `{bucket}/quarters`: all else, for ever

What is there is never altered: a shorter retention deletes data, and a longer one is somebody's decision.
"""

# influxdb-client says it is typed and mostly is not.
# mypy: disable-error-code="no-untyped-call"

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Final

from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.domain.bucket_retention_rules import BucketRetentionRules
from influxdb_client.domain.dbrp_create import DBRPCreate
from influxdb_client.rest import ApiException
from influxdb_client.service.dbr_ps_service import DBRPsService

from energy.errors import StoreError
from storage.history.settings import InfluxSettings

__all__ = ["Shelf", "Source", "ready_buckets", "ready_database", "taken_as_it_is"]

log = logging.getLogger(__name__)

_DAY_S: Final = 86_400
_RAW_SHARD_S: Final = _DAY_S  # what ends goes by whole shards
_QUARTERS_SHARD_S: Final = 364 * _DAY_S  # a year of quarter-hours is little, and a shard costs memory
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_UNMAPPABLE: Final = re.compile(r"[^A-Za-z0-9_.-]")
_FORBIDDEN: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}

_Record = Mapping[str, Any]


class Shelf(StrEnum):
    """What is kept for how long."""

    RAW = "raw"
    QUARTERS = "quarters"  # and days and months: for ever


@dataclass(frozen=True, slots=True)
class Source:
    """Where a shelf is: as InfluxQL calls it, and the bucket of version 2."""

    database: str
    policy: str
    bucket: str = ""


def ready_database(ask: Callable[[str], list[_Record]], settings: InfluxSettings) -> dict[Shelf, Source]:
    """Readies a server of version 1; `ask` gives the records of a statement. Raises StoreError, ApiException."""
    name = settings.database
    create = f"CREATE DATABASE {_identifier(name)}{_with_duration(settings.raw_days)}"
    show = f"SHOW RETENTION POLICIES ON {_identifier(name)}"
    try:
        policies = _allowed(ask, show, settings, f"{create}; GRANT ALL ON {_identifier(name)} TO {settings.username}")
    except StoreError as error:
        if "database not found" not in error.message:
            raise
        _allowed(ask, create, settings)
        policies = ask(show)
    if any("duration" not in policy for policy in policies):
        raise StoreError(
            f"{settings.url} does not know retention policies: it is no InfluxDB 1.x",
            hint="VictoriaMetrics and others that take InfluxDB's lines cannot be the store, see docs/store-layout.md",
        )
    default = next((policy for policy in policies if policy["default"]), None)
    if default is None or default["name"] == Shelf.QUARTERS:
        raise StoreError(
            f"database {name!r} at {settings.url} has no default retention policy for readings",
            hint=f"ALTER RETENTION POLICY autogen ON {_identifier(name)} DEFAULT",
        )
    change = f"ALTER RETENTION POLICY {_identifier(default['name'])} ON {_identifier(name)} DURATION {{}}"
    _check_raw(_seconds(default["duration"]), settings, f"database {name!r}", change)
    quarters = next((policy for policy in policies if policy["name"] == Shelf.QUARTERS), None)
    if quarters is None:
        statement = (
            f"CREATE RETENTION POLICY {Shelf.QUARTERS} ON {_identifier(name)}"
            f" DURATION INF REPLICATION 1 SHARD DURATION {_QUARTERS_SHARD_S}s"
        )
        _allowed(ask, statement, settings)
    elif seconds := _seconds(quarters["duration"]):
        forever = f"ALTER RETENTION POLICY {Shelf.QUARTERS} ON {_identifier(name)} DURATION INF"
        raise _not_for_ever(f"policy {Shelf.QUARTERS!r} of database {name!r} at {settings.url}", seconds, forever)
    return {Shelf.RAW: Source(name, default["name"]), Shelf.QUARTERS: Source(name, Shelf.QUARTERS)}


def taken_as_it_is(settings: InfluxSettings) -> dict[Shelf, Source]:
    """The shelves of a server that takes lines as version 1 does and knows neither databases nor policies."""
    return {shelf: Source(settings.database, shelf) for shelf in Shelf}


def ready_buckets(client: Any, settings: InfluxSettings) -> dict[Shelf, Source]:
    """Readies a server of version 2. Raises StoreError, ApiException."""
    name, days = settings.bucket, settings.raw_days
    raw = _bucket(client, settings, name, (days or 0) * _DAY_S, _RAW_SHARD_S if days else None)
    change = f"influx bucket update --id {raw.id} --retention {{}}"
    _check_raw(_expiry_s(raw), settings, f"bucket {name!r}", change)
    quarters = _bucket(client, settings, f"{name}/{Shelf.QUARTERS}", 0, _QUARTERS_SHARD_S)
    if seconds := _expiry_s(quarters):
        forever = f"influx bucket update --id {quarters.id} --retention 0"
        raise _not_for_ever(f"bucket {quarters.name!r} at {settings.url}", seconds, forever)
    database = _UNMAPPABLE.sub("_", name)
    return {
        Shelf.RAW: _mapped(client, raw, database, "autogen"),
        Shelf.QUARTERS: _mapped(client, quarters, database, Shelf.QUARTERS),
    }


def _bucket(client: Any, settings: InfluxSettings, name: str, every_s: int, shard_s: int | None) -> Any:
    """The bucket of that name, made when there is none."""
    found = client.buckets_api().find_bucket_by_name(name)
    if found is not None:
        return found
    rule = BucketRetentionRules(type="expire", every_seconds=every_s, shard_group_duration_seconds=shard_s)
    try:
        made = client.buckets_api().create_bucket(bucket_name=name, org=settings.org, retention_rules=[rule])
    except (ApiException, InfluxDBError) as error:  # the latter: this token may not even see the organisation
        if isinstance(error, ApiException) and error.status not in _FORBIDDEN:
            raise
        kept = f" --retention {every_s}s" if every_s else ""
        raise StoreError(
            f"InfluxDB at {settings.url} has no bucket {name!r} that this token may see, nor may it make one",
            hint=f"influx bucket create --org {settings.org} --name {name}{kept}, and let the token of token_file read and write it",
        ) from error
    log.info("made bucket %s, kept %s", name, f"{every_s // _DAY_S} days" if every_s else "for ever")
    return made


def _mapped(client: Any, bucket: Any, database: str, policy: str) -> Source:
    """How InfluxQL calls a bucket. Newer servers map every bucket by themselves; on older ones a mapping is made."""
    service = DBRPsService(client.api_client)
    found = service.get_dbr_ps(org_id=bucket.org_id, bucket_id=bucket.id).content
    if found:
        return Source(found[0].database, found[0].retention_policy, bucket.name)
    log.info("mapping bucket %s to %s/%s for InfluxQL", bucket.name, database, policy)
    wanted = DBRPCreate(
        bucket_id=bucket.id,
        org_id=bucket.org_id,
        database=database,
        retention_policy=policy,
        default=policy != Shelf.QUARTERS,
    )
    made = service.post_dbrp(wanted)
    return Source(made.database, made.retention_policy, bucket.name)


def _allowed(
    ask: Callable[[str], list[_Record]], statement: str, settings: InfluxSettings, instead: str | None = None
) -> list[_Record]:
    """Runs a statement; where this user may not, the error says what an administrator has to run."""
    try:
        found = ask(statement)
    except ApiException as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        raise StoreError(
            f"InfluxDB at {settings.url} refuses {settings.username!r}: {statement}",
            hint=f"have an administrator run: {instead or statement}",
        ) from error
    if not statement.startswith("SHOW"):
        log.info("InfluxDB at %s: %s", settings.url, statement)
    return found


def _check_raw(kept_s: int, settings: InfluxSettings, what: str, change: str) -> None:
    """Readings must be kept as long as the configuration says; longer is no error, but somebody may not know."""
    wanted_s = (settings.raw_days or 0) * _DAY_S
    if kept_s == wanted_s:
        return
    told = f"{what} at {settings.url} keeps readings {_told(kept_s)}, the configuration says {_told(wanted_s)}"
    by_hand = change.format(f"{wanted_s}s" if wanted_s else 0)
    if kept_s and (not wanted_s or kept_s < wanted_s):
        fits = "" if kept_s < 36 * _DAY_S else f"set `raw_days: {kept_s // _DAY_S}`, or "
        raise StoreError(told, hint=f"{fits}{by_hand}")
    log.warning("%s; they stay until somebody runs: %s", told, by_hand)


def _not_for_ever(what: str, kept_s: int, change: str) -> StoreError:
    return StoreError(f"{what} keeps quarter-hours {_told(kept_s)}, not for ever", hint=change)


def _told(seconds: int) -> str:
    return f"{seconds / _DAY_S:.4g} days" if seconds else "for ever"


def _expiry_s(bucket: Any) -> int:
    """How long a bucket keeps a point; 0: for ever."""
    return max((int(rule.every_seconds or 0) for rule in bucket.retention_rules or ()), default=0)


def _seconds(duration: str) -> int:
    """A duration as SHOW RETENTION POLICIES writes it, `2160h0m0s`; 0: for ever."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise StoreError(f"InfluxDB tells a duration {duration!r}", hint="is it a 1.x server?")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


def _with_duration(days: int | None) -> str:
    return f" WITH DURATION {days}d REPLICATION 1 SHARD DURATION {_RAW_SHARD_S}s NAME autogen" if days else ""


def _identifier(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
