/** Small valid objects of the API, to be changed by a test in what matters to it. */
import type { Alert, Command, Community, Device, Site, Snapshot } from '../src/types';

export function device(changes: Partial<Device> = {}): Device {
  return { id: 's/grid', role: 'grid', t: 1000, power_w: 0, soc_pct: null, state: null, stale: false, historical: false, ...changes };
}

export function site(changes: Partial<Site> = {}): Site {
  return {
    id: 's',
    community: 'c',
    t: 1000,
    pv_w: 0,
    grid_w: 1000,
    battery_w: 0,
    consumption_w: 1000,
    soc_pct: null,
    self_sufficiency: 0,
    self_consumption: null,
    quality: 'measured',
    stale: [],
    devices: [device()],
    today: { self_sufficiency: null, quality: 'measured' },
    ...changes,
  };
}

export function community(changes: Partial<Community> = {}): Community {
  return {
    id: 'c',
    t: 1000,
    pv_w: 0,
    grid_w: 0,
    battery_w: 0,
    consumption_w: 0,
    shared_w: 0,
    surplus_w: 0,
    import_w: 0,
    self_sufficiency: null,
    self_consumption: null,
    quality: 'measured',
    stale: [],
    known: { pv_w: 0, grid_w: 0, battery_w: 0, consumption_w: 0, sites: 1, of: 1 },
    today: { pv_wh: 0, shared_wh: 0, consumption_wh: 0, self_sufficiency: null, quality: 'measured' },
    ...changes,
  };
}

export function alert(changes: Partial<Alert> = {}): Alert {
  return {
    id: 'a',
    rule: 'surplus',
    community: 'c',
    severity: 'warning',
    state: 'firing',
    subject: 'c',
    unit: 'W',
    value: 1,
    effect_w: null,
    raise_above: 1,
    clear_below: 0,
    raise_below: null,
    clear_above: null,
    since: 1000,
    raised_at: 1000,
    unknown_since: null,
    acknowledged_at: null,
    acknowledged_by: null,
    muted_by: null,
    muted_until: null,
    cleared_at: null,
    actions: [],
    evidence: [],
    ...changes,
  };
}

export function command(changes: Partial<Command> = {}): Command {
  return {
    id: 'k',
    device: 's/battery',
    set: { power_w: -3000 },
    ttl_s: 60,
    issued_by: 'rule',
    reason: '',
    t: 1000,
    state: 'applied',
    ends_at: 61_000,
    ...changes,
  };
}

export function snapshot(changes: Partial<Snapshot> = {}): Snapshot {
  return { t: 1000, communities: [community()], sites: [site()], alerts: [], commands: [], ...changes };
}
