"""What people may say that devices are to do, and what they said: what cars want, and runs of machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool

from api.context import Context
from energy.community import Community, Device
from energy.names import device_id
from energy.run_profile import duration_ms
from storage.register.machines import Run, runs
from storage.register.wishes import CarWish, wishes

__all__ = ["NOTHING", "wanted_of"]

NOTHING: Final[dict[str, Any]] = {"wants": None, "run_s": None, "wish": None, "run": None}
_NO_WISH: Final[tuple[list[CarWish], list[Run]]] = ([], [])


async def wanted_of(context: Context, site: str) -> dict[str, dict[str, Any]]:
    """By device of the site that somebody may say something of: what may be said, and what was. Raises StoreError."""
    found = {
        device_id(site, device.id): (community, device)
        for community in context.communities
        for place in community.sites
        for device in place.devices
        if place.id == site and device.wants is not None
    }
    cars, machines = await run_in_threadpool(_said, context, list(found)) if found else _NO_WISH
    wish, run = {each.device: each for each in cars}, {each.device: each for each in machines}
    return {
        name: {
            "wants": device.wants,
            "run_s": _run_s(device),
            "wish": wish.get(name),
            "run": None if name not in run else _told(context, community, run[name]),
        }
        for name, (community, device) in found.items()
    }


def _said(context: Context, devices: list[str]) -> tuple[list[CarWish], list[Run]]:
    now_ms = context.clock.now_ms()
    with context.register.database.read() as connection:
        return wishes(connection, now_ms, devices), runs(connection, now_ms, devices)


def _run_s(device: Device) -> float | None:
    return duration_ms(device.steer.parts) / 1000 if device.steer is not None and device.wants == "run" else None


def _told(context: Context, community: Community, run: Run) -> dict[str, Any]:
    """The run and when the newest plan has it begin, where it knows of it."""
    made = context.live.plans.get(community.id)
    starts = msgspec.json.decode(made)["plan"].get("starts", {}) if made and run.started_at is None else {}
    planned = starts.get(run.device)
    return asdict(run) | {"planned_at": planned["start"] if planned and planned["said"] == run.t else None}
