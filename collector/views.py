"""The live objects as JSON: the very bytes that are published, served and shown. An unknown number is null, never 0."""

from __future__ import annotations

from typing import Any

import msgspec

from collector.live import LiveSite
from collector.today import CommunityToday, RunningQuarter, SiteToday
from energy.balance import CommunityBalance, DeviceNow

__all__ = ["community_object", "encode_object", "site_object"]


def site_object(site: LiveSite) -> dict[str, Any]:
    """A site now: powers in W, energies since local midnight in Wh, ratios from 0 to 1."""
    balance = site.balance
    return {
        "id": balance.id,
        "community": balance.community,
        "registered": site.registered,
        "t": balance.t,
        "pv_w": _rounded(balance.pv_w),
        "grid_w": _rounded(balance.grid_w),
        "battery_w": _rounded(balance.battery_w),
        "consumption_w": _rounded(balance.consumption_w),
        "soc_pct": _rounded(balance.soc_pct),
        "self_sufficiency": _ratio(balance.self_sufficiency),
        "self_consumption": _ratio(balance.self_consumption),
        "quality": balance.quality,
        "stale": list(balance.stale),
        "devices": [_device_object(device, historical=device.id in site.from_store) for device in balance.devices],
        "today": _site_today_object(site.today),
        "quarter": None if site.quarter is None else _quarter_object(site.quarter),
    }


def community_object(balance: CommunityBalance, today: CommunityToday) -> dict[str, Any]:
    """A community now; `known` sums over the sites where the quantity is known, beside the unknown total."""
    return {
        "id": balance.id,
        "t": balance.t,
        "pv_w": _rounded(balance.pv_w),
        "grid_w": _rounded(balance.grid_w),
        "battery_w": _rounded(balance.battery_w),
        "consumption_w": _rounded(balance.consumption_w),
        "shared_w": _rounded(balance.shared_w),
        "surplus_w": _rounded(balance.surplus_w),
        "import_w": _rounded(balance.import_w),
        "self_sufficiency": _ratio(balance.self_sufficiency),
        "self_consumption": _ratio(balance.self_consumption),
        "quality": balance.quality,
        "stale": list(balance.stale),
        "known": {
            "pv_w": _rounded(balance.known.pv_w),
            "grid_w": _rounded(balance.known.grid_w),
            "battery_w": _rounded(balance.known.battery_w),
            "consumption_w": _rounded(balance.known.consumption_w),
            "sites": balance.known.sites,
            "of": balance.known.of,
        },
        "today": _community_today_object(today),
    }


def encode_object(live: dict[str, Any]) -> bytes:
    """Compact UTF-8 JSON."""
    return msgspec.json.encode(live)


def _device_object(device: DeviceNow, *, historical: bool) -> dict[str, Any]:
    return {
        "id": device.id,
        "role": device.role,
        "t": device.t,
        "power_w": _rounded(device.power_w),
        "soc_pct": _rounded(device.soc_pct),
        "state": device.state,
        "stale": device.stale,
        "historical": historical,
    }


def _site_today_object(today: SiteToday) -> dict[str, Any]:
    return {
        "pv_wh": _rounded(today.pv_wh),
        "import_wh": _rounded(today.import_wh),
        "export_wh": _rounded(today.export_wh),
        "charge_wh": _rounded(today.charge_wh),
        "discharge_wh": _rounded(today.discharge_wh),
        "consumption_wh": _rounded(today.consumption_wh),
        "self_sufficiency": _ratio(today.self_sufficiency),
        "quality": today.quality,
    }


def _quarter_object(quarter: RunningQuarter) -> dict[str, Any]:
    return {
        "start": quarter.start,
        "until": quarter.until,
        "import_wh": _rounded(quarter.import_wh),
        "export_wh": _rounded(quarter.export_wh),
        "quality": quarter.quality,
    }


def _community_today_object(today: CommunityToday) -> dict[str, Any]:
    return {
        "pv_wh": _rounded(today.pv_wh),
        "import_wh": _rounded(today.import_wh),
        "export_wh": _rounded(today.export_wh),
        "shared_wh": _rounded(today.shared_wh),
        "consumption_wh": _rounded(today.consumption_wh),
        "self_sufficiency": _ratio(today.self_sufficiency),
        "quality": today.quality,
    }


def _rounded(value: float | None) -> float | None:
    """To a hundredth: sums still add up to a tenth, and messages stay short."""
    return None if value is None else round(value, 2)


def _ratio(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
