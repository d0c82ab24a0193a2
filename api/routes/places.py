"""Communities, sites and devices, with their state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from api.access import Action, Principal, authorize, may
from api.answers import documented, json_answer
from api.conditional import SAME, conditional
from api.context import Context, Ctx
from api.places import PlacedDevice, PlacedSite, device_state, site_state
from api.schemas import CommunityList, SiteList
from api.schemas_devices import DeviceList, SiteDetail
from api.wanted import NOTHING, wanted_of
from storage.history import Row

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["places"])
Reader = Annotated[Principal, Depends(may(Action.READ))]


@router.get("/communities", responses=documented(CommunityList) | SAME)
async def communities(
    request: Request, context: Ctx, principal: Annotated[Principal, Depends(may(Action.AGGREGATE))]
) -> Response:
    """The communities the caller may see."""
    entries = [
        {
            "id": community.id,
            "name": community.name,
            "municipality": community.municipality,
            "sites": [site.id for site in community.sites if principal.sees(community.id, site.id)],
            "timezone": community.timezone,
        }
        for community in context.places.communities(principal.scope)
    ]
    return conditional(request, json_answer({"communities": entries}))


@router.get("/sites", responses=documented(SiteList, 503) | SAME)
async def sites(request: Request, context: Ctx, principal: Reader) -> Response:
    """The sites the caller may see, those that write without being configured included."""
    look = await context.places.look()
    visible = [site for site in look.sites.values() if principal.sees(site.community, site.id)]
    return conditional(request, json_answer({"sites": [_site_entry(context, site, look.last) for site in visible]}))


@router.get("/sites/{site}", responses=documented(SiteDetail, 404, 503))
async def site(context: Ctx, principal: Reader, site: str) -> Response:
    """One site with its devices."""
    place = await context.places.site(site, principal.scope)
    authorize(principal, Action.READ, place.community, place.id)
    last = (await context.places.look()).last
    return json_answer(_site_entry(context, place, last) | {"devices": await _device_entries(context, place, last)})


@router.get("/sites/{site}/devices", responses=documented(DeviceList, 404, 503))
async def devices(context: Ctx, principal: Reader, site: str) -> Response:
    """The devices of a site with their newest readings."""
    place = await context.places.site(site, principal.scope)
    authorize(principal, Action.READ, place.community, place.id)
    return json_answer({"devices": await _device_entries(context, place, (await context.places.look()).last)})


def _site_entry(context: Context, site: PlacedSite, last: Mapping[str, Row]) -> dict[str, Any]:
    seen = [last[device.id].t for device in site.devices if device.id in last]
    return {
        "id": site.id,
        "name": site.name,
        "kind": site.kind,
        "community": site.community,
        "gateway": site.gateway,
        "gateway_online": context.live.gateways.get((site.community, site.gateway)) if site.gateway else None,
        "registered": site.registered,
        "latitude": site.latitude,
        "longitude": site.longitude,
        "state": site_state(site, last, context.clock.now_ms()),
        "last_seen": max(seen, default=None),
    }


async def _device_entries(context: Context, site: PlacedSite, last: Mapping[str, Row]) -> list[dict[str, Any]]:
    now, wanted = context.clock.now_ms(), await wanted_of(context, site.id)
    return [_device_entry(device, last.get(device.id), now) | wanted.get(device.id, NOTHING) for device in site.devices]


def _device_entry(device: PlacedDevice, row: Row | None, now_ms: int) -> dict[str, Any]:
    return {
        "id": device.id,
        "role": device.role,
        "name": device.name,
        "interval_s": device.interval_s,
        "rated_w": device.rated_w,
        "capacity_wh": device.capacity_wh,
        "registered": device.registered,
        "state": device_state(device, None if row is None else row.t, now_ms),
        "last_seen": None if row is None else row.t,
        "values": {} if row is None else row.values,
        "bad": [] if row is None else row.bad,
    }
