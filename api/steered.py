"""The device of the configuration that a person says something of: found, seen and allowed."""

from __future__ import annotations

from api.access import Action, Principal, authorize
from api.context import Context
from api.problems import not_found
from energy.community import Device
from energy.names import device_id
from energy.quantities import Role

__all__ = ["find_device"]


def find_device(
    context: Context, principal: Principal, site: str, name: str, role: Role, action: Action, called: str
) -> Device:
    """The device `name` of `site` with that role. Raises Problem: 404, which calls it `called`, where the caller sees none."""
    for community in context.communities:
        for place in community.sites:
            for device in place.devices:
                if (place.id, device.id, device.role) == (site, name, role) and principal.sees(community.id, site):
                    authorize(principal, action, community.id, site)
                    return device
    raise not_found(called, device_id(site, name))
