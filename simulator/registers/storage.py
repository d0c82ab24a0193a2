"""A battery with its inverter as SunSpec models 1, 701, 702, 704, 713 and 802."""

from __future__ import annotations

from collections.abc import Iterable

from simulator.physics import Battery, quantum_w
from simulator.registers.base import Refusal, WorldTime
from simulator.registers.electrical import Electrical, split
from simulator.registers.sunspec import SunSpecMap, Values, common_model

__all__ = ["StorageMap"]

WATTS = 1  # 704.WSetMod
PCT = 100  # percent points at scale factor -2
DC_VOLTAGE_V = 400.0
RUNNING, STANDBY = 3, 7  # 701.InvSt
EMPTY, DISCHARGING, CHARGING, FULL, HOLDING = 2, 3, 4, 5, 6  # 802.ChaSt


class StorageMap(SunSpecMap):
    """Registers of one battery. Power is positive when it discharges, in 701, 704 and 802 alike."""

    MEASURED = (
        *(
            (701, name)
            for name in (
                *("InvSt", "W", "VA", "Var", "PF", "A", "LNV", "Hz", "TotWhInj", "TotWhAbs", "TmpCab"),
                *("WL1", "VL1", "WL2", "VL2", "WL3", "VL3"),
            )
        ),
        (704, "WSetRvrtRem"),
        *((713, name) for name in ("WHAvail", "SoC", "SoH", "Sta")),
        *((802, name) for name in ("SoC", "SoH", "ChaSt", "Hb", "V", "A", "W")),
    )
    WRITABLE = (
        *((704, name) for name in ("WSetEna", "WSetMod", "WSet", "WSetPct", "WSetRvrtTms")),
        (802, "CtrlHb"),
    )

    def __init__(self, battery: Battery, electrical: Electrical, time: WorldTime) -> None:
        self._battery = battery
        self._electrical = electrical
        self._time = time
        self._quantum = quantum_w(battery.rated_w)
        self._energy_quantum = quantum_w(battery.capacity_wh)
        super().__init__([common_model("SIM-ESS", battery.name), *self._chain()])

    def measured(self) -> Iterable[int]:
        battery, electrical = self._battery, self._electrical
        power = battery.shown_power_w
        raw = power // self._quantum
        volts = electrical.voltages_v
        soc = round(battery.soc_pct * PCT)
        phases = [watts // self._quantum for watts in split(power)]
        phases[2] = raw - phases[0] - phases[1]
        return (
            *(RUNNING if power else STANDBY, raw, abs(raw), 0, 100),
            round(abs(power) / volts[0] * 10),
            round(sum(volts) / 3 * 10),
            round(electrical.frequency_hz * 100),
            int(battery.counters.shown_export_wh),
            int(battery.counters.shown_import_wh),
            250,
            *(value for watts, volt in zip(phases, volts, strict=True) for value in (watts, round(volt * 10))),
            self._remaining_s(),
            *(int(battery.stored_wh) // self._energy_quantum, soc, 98 * PCT, 0),
            *(soc, 98 * PCT, self._charge_status(), self._time.now_ms // 1000 % 60_000),
            *(round(DC_VOLTAGE_V * 10), round(power / DC_VOLTAGE_V * 10), raw),
        )

    def controls(self) -> Iterable[int]:
        battery = self._battery
        return (
            int(battery.setpoint_on),
            int(battery.setpoint_in_watts),
            round(battery.setpoint_w / self._quantum),
            round(battery.setpoint_pct * PCT),
            battery.revert_s,
            battery.controller_heartbeat,
        )

    def apply(self, changes: dict[str, int], now_ms: int) -> Refusal | None:
        battery = self._battery
        watts = changes.get("WSet", 0) * self._quantum
        if abs(watts) > battery.rated_w or abs(changes.get("WSetPct", 0)) > 100 * PCT:
            return Refusal.ILLEGAL_VALUE
        if changes.get("WSetEna", 0) > 1 or changes.get("WSetMod", 0) > 1:
            return Refusal.ILLEGAL_VALUE
        battery.controller_heartbeat = changes.get("CtrlHb", battery.controller_heartbeat)
        battery.revert_s = changes.get("WSetRvrtTms", battery.revert_s)
        if "WSet" in changes:
            battery.setpoint_w = watts
        if "WSetPct" in changes:
            battery.setpoint_pct = changes["WSetPct"] / PCT
        if "WSetMod" in changes:
            battery.setpoint_in_watts = changes["WSetMod"] == WATTS
        if changes.keys() - {"CtrlHb"}:
            battery.arm(now_ms, on=bool(changes.get("WSetEna", battery.setpoint_on)))
        return None

    def _remaining_s(self) -> int:
        until = self._battery.until_ms
        return 0 if until is None else max(0, -((self._time.now_ms - until) // 1000))

    def _charge_status(self) -> int:
        battery = self._battery
        if battery.power_w:
            return DISCHARGING if battery.power_w > 0 else CHARGING
        share = battery.stored_wh / battery.capacity_wh
        return FULL if share > 0.999 else EMPTY if share <= battery.LOWEST else HOLDING

    def _chain(self) -> list[tuple[int, Values]]:
        power_sf, energy_sf = len(str(self._quantum)) - 1, len(str(self._energy_quantum)) - 1
        rated = round(self._battery.rated_w / self._quantum)
        capacity = round(self._battery.capacity_wh / self._energy_quantum)
        power_scales = {"W_SF": power_sf, "VA_SF": power_sf, "Var_SF": power_sf}
        scales = {"A_SF": -1, "V_SF": -1, "Hz_SF": -2, "PF_SF": -2, "TotWh_SF": 0, "Tmp_SF": -1, **power_scales}
        ratings = ("WMaxRtg", "VAMaxRtg", "WChaRteMaxRtg", "WDisChaRteMaxRtg", "WMax", "WChaRteMax", "WDisChaRteMax")
        limits = {
            "WHRtg": capacity,
            "WChaRteMax": rated,
            "WDisChaRteMax": rated,
            "SoCMax": 100 * PCT,
            "SoCMin": 5 * PCT,
        }
        states = {"LocRemCtl": 0, "State": 3, "Evt1": 0}
        battery_scales = {"WHRtg_SF": energy_sf, "WChaDisChaMax_SF": power_sf, "SoC_SF": -2, "SoH_SF": -2}
        return [
            (701, {"ACType": 2, "St": 1, "ConnSt": 1, "Alrm": 0, **scales}),
            (702, {**dict.fromkeys(ratings, rated), "W_SF": power_sf, "VA_SF": power_sf}),
            (704, {"WSet_SF": power_sf, "WSetPct_SF": -2}),
            (713, {"WHRtg": capacity, "WH_SF": energy_sf, "Pct_SF": -2}),
            (802, {**limits, **states, **battery_scales, "V_SF": -1, "A_SF": -1, "W_SF": power_sf}),
        ]
