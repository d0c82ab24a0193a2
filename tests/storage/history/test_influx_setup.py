"""InfluxDB at start: what is made, what is refused, and what nobody touches."""

from __future__ import annotations

import logging
from contextlib import closing

import pytest

from energy.errors import StoreError
from energy.quantities import Quality, Role
from storage.history import DeviceQuarter, DeviceTags, Row
from storage.history.influxdb import InfluxHistory
from tests.influxdb_server import InfluxServer
from tests.storage.conftest import new_server

DAY_S = 86_400
T = 4_000_000_000_000  # in the future: within any retention
PV = DeviceTags("ixelles", "hall", "hall/pv", Role.PV)
ROW = Row(PV, T, {"power_w": 1.0})
QUARTER = DeviceQuarter(PV, T, 1.0, 2.0, Quality.MEASURED)


def opened(settings):
    return closing(InfluxHistory(settings))


def kept(server: InfluxServer, settings) -> dict[str, int]:
    """Seconds that the server keeps what is on each shelf, 0: for ever; as its administrator sees it."""
    if server.version == 2:
        names = {"raw": settings.bucket, "quarters": f"{settings.bucket}/quarters"}
        found = server.buckets(*names.values())
        return {
            shelf: sum(rule["everySeconds"] for rule in found[name]["retentionRules"])
            for shelf, name in names.items()
            if name in found
        }
    [series] = server.query(f'SHOW RETENTION POLICIES ON "{settings.database}"')["results"][0]["series"]
    policies = [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
    return {
        "raw" if policy["default"] else policy["name"]: int(policy["duration"].partition("h")[0].rstrip("s")) * 3600
        for policy in policies
    }


def make(server: InfluxServer, settings, *, raw_s: int = 0, quarters_s: int | None = None) -> None:
    """What an administrator has made before."""
    if server.version == 2:
        server.make_bucket(settings.bucket, retention_s=raw_s)
        if quarters_s is not None:
            server.make_bucket(f"{settings.bucket}/quarters", retention_s=quarters_s)
        return
    server.query(f'CREATE DATABASE "{settings.database}" WITH DURATION {f"{raw_s}s" if raw_s else "INF"} NAME "mine"')
    if quarters_s is not None:
        server.query(
            f'CREATE RETENTION POLICY "quarters" ON "{settings.database}" DURATION {quarters_s}s REPLICATION 1'
        )


@pytest.mark.parametrize(("raw_days", "seconds"), [(90, 90 * DAY_S), (None, 0)])
def test_what_is_not_there_is_made(influx, raw_days, seconds):
    settings = influx.fresh(raw_days=raw_days)
    with opened(settings) as history:
        history.check()
        assert kept(influx, settings) == {"raw": seconds, "quarters": 0}
        history.write([ROW])
        history.write_quarters([QUARTER], [])
        assert history.last() == {PV.device: ROW}
        assert history.device_quarters(PV.device, T, T + 1) == [QUARTER]


def test_what_is_there_and_fits_is_left_alone(influx, caplog):
    settings = influx.fresh(raw_days=90)
    make(influx, settings, raw_s=90 * DAY_S, quarters_s=0)
    with caplog.at_level(logging.WARNING), opened(settings) as history:
        history.check()
    assert kept(influx, settings) == {"raw": 90 * DAY_S, "quarters": 0}
    assert not caplog.records


@pytest.mark.parametrize(("there_s", "told"), [(0, "for ever"), (400 * DAY_S, "400 days")])
def test_readings_kept_longer_than_configured_stay_and_a_warning_says_so(influx, caplog, there_s, told):
    settings = influx.fresh(raw_days=90)
    make(influx, settings, raw_s=there_s)
    with caplog.at_level(logging.WARNING), opened(settings) as history:
        history.write([ROW])
        assert history.last() == {PV.device: ROW}
    assert kept(influx, settings) == {"raw": there_s, "quarters": 0}
    [said] = [record.getMessage() for record in caplog.records]
    assert f"keeps readings {told}, the configuration says 90 days" in said


@pytest.mark.parametrize(("raw_days", "hint"), [(90, "set `raw_days: 40`, or"), (None, "set `raw_days: 40`, or")])
def test_readings_kept_shorter_than_configured_are_an_error_and_nothing_is_changed(influx, raw_days, hint):
    settings = influx.fresh(raw_days=raw_days)
    make(influx, settings, raw_s=40 * DAY_S)
    with opened(settings) as history, pytest.raises(StoreError, match="keeps readings 40 days") as caught:
        history.write([ROW])
    assert hint in caught.value.hint
    assert kept(influx, settings)["raw"] == 40 * DAY_S


def test_quarter_hours_that_would_end_are_an_error(influx):
    settings = influx.fresh()
    make(influx, settings, quarters_s=400 * DAY_S)
    with opened(settings) as history, pytest.raises(StoreError, match="400 days, not for ever"):
        history.check()
    assert kept(influx, settings)["quarters"] == 400 * DAY_S


def test_a_wrong_retention_that_is_put_right_is_seen_without_a_restart(running_influx):
    server = running_influx(1)
    settings = server.fresh(raw_days=90)
    make(server, settings, raw_s=40 * DAY_S)
    with opened(settings) as history:
        with pytest.raises(StoreError):
            history.check()
        server.query(f'ALTER RETENTION POLICY "mine" ON "{settings.database}" DURATION 90d')
        history.check()


def test_a_default_policy_called_quarters_leaves_no_place_for_readings(running_influx):
    server = running_influx(1)
    settings = server.fresh()
    server.query(f'CREATE DATABASE "{settings.database}" WITH NAME "quarters"')
    with opened(settings) as history, pytest.raises(StoreError, match="no default retention policy for readings"):
        history.check()


@pytest.fixture
def guarded(tmp_path):
    """A server of version 1 that asks for passwords; the settings are those of a user with all rights on `energy`."""
    password = tmp_path / "password"
    password.write_text("secret\n")
    server = new_server(1, tmp_path / "influxdb", environment={"INFLUXDB_HTTP_AUTH_ENABLED": "true"})
    server.start()
    server.query("CREATE USER admin WITH PASSWORD 'root' WITH ALL PRIVILEGES")
    as_admin(server, "CREATE USER collector WITH PASSWORD 'secret'")
    yield server, server.settings.model_copy(update={"username": "collector", "password_file": password})
    server.kill()


def as_admin(server, statement):
    server.query(statement, u="admin", p="root")


def test_passwords_are_sent_and_a_wrong_one_is_told(guarded):
    server, settings = guarded
    as_admin(server, "CREATE DATABASE energy")
    as_admin(server, "CREATE RETENTION POLICY quarters ON energy DURATION INF REPLICATION 1")
    as_admin(server, "GRANT ALL ON energy TO collector")
    with opened(settings) as history:
        history.write([ROW])
        history.write_quarters([QUARTER], [])
        assert history.last() == {PV.device: ROW}
    settings.password_file.write_text("wrong")
    with opened(settings) as history, pytest.raises(StoreError, match="401") as caught:
        history.check()
    assert "password_file" in caught.value.hint


def test_a_user_who_may_not_make_things_gets_the_commands_for_an_administrator_one_by_one(guarded):
    server, settings = guarded
    with opened(settings) as history:
        for statement in ("SHOW RETENTION POLICIES", "CREATE RETENTION POLICY quarters"):
            with pytest.raises(StoreError, match=f"refuses 'collector': {statement}") as caught:
                history.write([ROW])
            as_admin(server, caught.value.hint.removeprefix("have an administrator run: "))
        history.write([ROW])
        history.write_quarters([QUARTER], [])
        assert history.device_quarters(PV.device, T, T + 1) == [QUARTER]


def limited(server, settings, names, path):
    """Settings with a token that may read and write buckets of these names and nothing else."""
    found = server.buckets(*names)
    resources = [{"type": "buckets", "id": found[n]["id"], "orgID": found[n]["orgID"]} for n in names]
    permissions = [{"action": action, "resource": each} for each in resources for action in ("read", "write")]
    organisation = server.api("GET", "/api/v2/orgs")["orgs"][0]["id"]
    body = {"orgID": organisation, "permissions": permissions}
    path.write_text(server.api("POST", "/api/v2/authorizations", body)["token"])
    return settings.model_copy(update={"token_file": path})


def test_a_token_for_the_two_buckets_and_nothing_else_is_enough(running_influx, tmp_path):
    server = running_influx(2)
    settings = server.fresh()
    make(server, settings, quarters_s=0)
    names = [settings.bucket, f"{settings.bucket}/quarters"]
    with opened(limited(server, settings, names, tmp_path / "token")) as history:
        history.write([ROW])
        history.write_quarters([QUARTER], [])
        assert history.last() == {PV.device: ROW}
        assert history.devices() == [PV]
        assert history.device_quarters(PV.device, T, T + 1) == [QUARTER]


def test_a_bucket_that_is_not_there_and_may_not_be_made_is_told(running_influx, tmp_path):
    server = running_influx(2)
    settings = server.fresh(raw_days=90)
    make(server, settings, raw_s=90 * DAY_S)
    narrow = limited(server, settings, [settings.bucket], tmp_path / "token")
    with opened(narrow) as history, pytest.raises(StoreError, match=r"no bucket .*/quarters'") as caught:
        history.write([ROW])
    assert f"influx bucket create --org town --name {settings.bucket}/quarters" in caught.value.hint
    elsewhere = narrow.model_copy(update={"bucket": "nowhere"})
    with opened(elsewhere) as history, pytest.raises(StoreError, match="no bucket 'nowhere'") as caught:
        history.write([ROW])
    assert f"--name nowhere --retention {90 * DAY_S}s" in caught.value.hint


@pytest.mark.parametrize("name", ["town/autogen", "my bucket", "énergie"])
def test_a_bucket_may_have_a_name_that_no_database_could_have(running_influx, name):
    settings = running_influx(2).fresh(prefix=name)  # 2.x reads a slash as database/retention policy
    with opened(settings) as history:
        assert history.last() == {}
        history.write([ROW])
        history.write_quarters([QUARTER], [])
        assert history.last() == {PV.device: ROW}
        assert history.device_quarters(PV.device, T, T + 1) == [QUARTER]
