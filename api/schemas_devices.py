"""Devices with what they last said and what is wanted of them, in the OpenAPI document."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from api.places import PlaceState
from api.schemas import MaybeInstant, SiteEntry, Value, View
from api.schemas_machines import RunView
from api.schemas_wishes import WishView

__all__ = ["DeviceList", "SiteDetail"]


class PlannedRunView(RunView):
    """A run with the start that the newest plan found for it."""

    planned_at: Annotated[int | None, Field(description="ms UTC, null: it runs, or no plan knows of it")]


class DeviceEntry(View):
    """A device with its newest reading."""

    id: str
    role: str | None
    name: str
    interval_s: float
    rated_w: float | None
    capacity_wh: float | None
    registered: bool
    state: PlaceState
    last_seen: MaybeInstant
    values: dict[str, Value]
    bad: list[str]
    wants: Annotated[
        Literal["car", "run"] | None,
        Field(
            description="what a person may say that is heeded: at sites/{site}/chargers/{charger}/wish what its car wants, at "
            "sites/{site}/machines/{machine}/run one run of it; null: nothing"
        ),
    ] = None
    run_s: Annotated[float | None, Field(description="how long one run takes")] = None
    wish: Annotated[WishView | None, Field(description="what its car wants now")] = None
    run: Annotated[PlannedRunView | None, Field(description="the run that is wanted")] = None


class DeviceList(View):
    """Devices of one site."""

    devices: list[DeviceEntry]


class SiteDetail(SiteEntry):
    """A site with its devices."""

    devices: list[DeviceEntry]
