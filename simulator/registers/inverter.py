"""A PV inverter as SunSpec models 1, 103, 120 and 123, integers with scale factors."""

from __future__ import annotations

from collections.abc import Iterable

from simulator.physics import Inverter, quantum_w
from simulator.registers.base import Refusal
from simulator.registers.electrical import Electrical
from simulator.registers.sunspec import SunSpecMap, Values, common_model

__all__ = ["InverterMap"]

OFF, SLEEPING, MPPT, THROTTLED = 1, 2, 4, 5  # 103.St
DC_VOLTAGE_V = 640.0
CONVERSION = 0.975
PCT = 100  # WMaxLimPct_SF = -2
AMPS = 10  # A_SF = -1


class InverterMap(SunSpecMap):
    """Registers of one inverter."""

    MEASURED = tuple(
        (103, name)
        for name in (
            *("A", "AphA", "AphB", "AphC", "PhVphA", "PhVphB", "PhVphC", "W", "Hz", "VA", "VAr", "PF", "WH"),
            *("DCA", "DCV", "DCW", "TmpCab", "St"),
        )
    )
    WRITABLE = tuple(
        (123, name) for name in ("Conn_RvrtTms", "Conn", "WMaxLimPct", "WMaxLimPct_RvrtTms", "WMaxLim_Ena")
    )

    def __init__(self, inverter: Inverter, electrical: Electrical) -> None:
        self._inverter = inverter
        self._electrical = electrical
        self._quantum = quantum_w(inverter.rated_w)
        common = common_model("SIM-PV", inverter.name)
        super().__init__([common, (103, self._scales()), (120, self._nameplate()), (123, {"WMaxLimPct_SF": -2})])

    def measured(self) -> Iterable[int]:
        inverter, electrical = self._inverter, self._electrical
        power = inverter.shown_power_w
        raw_power = power // self._quantum
        volts = electrical.voltages_v
        amps = [abs(power) / 3 / volt for volt in volts]
        dc_power = power / CONVERSION
        dc_volts = 0.0 if inverter.sleeping else DC_VOLTAGE_V
        return (
            round(sum(amps) * AMPS),
            *(round(amp * AMPS) for amp in amps),
            *(round(volt * 10) for volt in volts),
            raw_power,
            round(electrical.frequency_hz * 100),
            abs(raw_power),
            0,
            10_000,  # percent at PF_SF -2: unity
            int(inverter.counters.shown_export_wh) & 0xFFFFFFFF,
            round(abs(dc_power) / DC_VOLTAGE_V * AMPS),
            round(dc_volts * 10),
            round(dc_power / self._quantum),
            round(inverter.temperature_c * 10),
            self._status(),
        )

    def controls(self) -> Iterable[int]:
        inverter = self._inverter
        return (
            inverter.connect_revert_s,
            int(inverter.connected),
            round(inverter.limit_pct * PCT),
            inverter.limit_revert_s,
            int(inverter.limit_on),
        )

    def apply(self, changes: dict[str, int], now_ms: int) -> Refusal | None:
        if changes.get("WMaxLimPct", 0) > 100 * PCT:
            return Refusal.ILLEGAL_VALUE
        if changes.get("WMaxLim_Ena", 0) > 1 or changes.get("Conn", 0) > 1:
            return Refusal.ILLEGAL_VALUE
        inverter = self._inverter
        inverter.limit_revert_s = changes.get("WMaxLimPct_RvrtTms", inverter.limit_revert_s)
        inverter.connect_revert_s = changes.get("Conn_RvrtTms", inverter.connect_revert_s)
        if "WMaxLimPct" in changes or "WMaxLim_Ena" in changes:
            inverter.limit(
                now_ms,
                pct=changes.get("WMaxLimPct", round(inverter.limit_pct * PCT)) / PCT,
                on=bool(changes.get("WMaxLim_Ena", inverter.limit_on)),
            )
        if "Conn" in changes:
            inverter.connect(now_ms, on=bool(changes["Conn"]))
        return None

    def _scales(self) -> Values:
        current = {"A_SF": -1, "DCA_SF": -1}
        power = dict.fromkeys(("W_SF", "VA_SF", "VAr_SF", "DCW_SF"), self._power_sf)
        rest = {"V_SF": -1, "Hz_SF": -2, "WH_SF": 0, "PF_SF": -2, "DCV_SF": -1, "Tmp_SF": -1, "Evt1": 0, "Evt2": 0}
        return {**current, **power, **rest}

    def _nameplate(self) -> Values:
        rated = round(self._inverter.rated_w / self._quantum)
        amps = round(self._inverter.rated_w / 230)
        ratings = {"WRtg": rated, "VARtg": rated, "ARtg": amps}
        return {"DERTyp": 4, **ratings, "WRtg_SF": self._power_sf, "VARtg_SF": self._power_sf, "ARtg_SF": 0}

    @property
    def _power_sf(self) -> int:
        return len(str(self._quantum)) - 1

    def _status(self) -> int:
        inverter = self._inverter
        if inverter.sleeping:
            return SLEEPING
        if not inverter.connected:
            return OFF
        return THROTTLED if inverter.throttled else MPPT
