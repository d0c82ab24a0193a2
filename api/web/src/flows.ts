/**
 * The community's power balance: what comes in equals what goes out. Pure.
 *
 * Signs: grid + import, pv + production, battery + discharge; so consumption = grid + pv + battery.
 * Exchanges between the sites stay inside and appear on neither side: import and export are what crosses the
 * community's edge. The battery is the net of all sites, so that both sides always add up.
 */
import type { Community, Maybe, Site } from './types';

export type FlowId = 'pv' | 'discharge' | 'import' | 'consumption' | 'charge' | 'export';

export interface Flow {
  readonly id: FlowId;
  readonly power_w: Maybe;
  /** The part that is known although the whole is not, W. */
  readonly known_w: Maybe;
}

export interface Balance {
  readonly inwards: readonly Flow[];
  readonly outwards: readonly Flow[];
  readonly in_w: Maybe;
  readonly out_w: Maybe;
  /** The full length of a bar, W; never 0. */
  readonly scale_w: number;
}

function positive(value: Maybe): Maybe {
  return value === null ? null : Math.max(value, 0);
}

function negative(value: Maybe): Maybe {
  return value === null ? null : Math.max(-value, 0);
}

function flow(id: FlowId, power_w: Maybe, known_w: number): Flow {
  return { id, power_w, known_w: power_w === null && known_w > 0 ? known_w : null };
}

function total(flows: readonly Flow[]): Maybe {
  return flows.reduce<Maybe>((sum, { power_w }) => (sum === null || power_w === null ? null : sum + power_w), 0);
}

function drawn(flows: readonly Flow[]): number {
  return flows.reduce((sum, { power_w, known_w }) => sum + (power_w ?? known_w ?? 0), 0);
}

export function balance(community: Community): Balance {
  const { known } = community;
  const inwards = [
    flow('pv', community.pv_w, known.pv_w),
    flow('discharge', positive(community.battery_w), known.battery_w),
    flow('import', community.import_w, known.grid_w),
  ];
  const outwards = [
    flow('consumption', community.consumption_w, known.consumption_w),
    flow('charge', negative(community.battery_w), -known.battery_w),
    flow('export', community.surplus_w, -known.grid_w),
  ];
  return {
    inwards,
    outwards,
    in_w: total(inwards),
    out_w: total(outwards),
    scale_w: Math.max(drawn(inwards), drawn(outwards), 1),
  };
}

const AT_SITE: Record<FlowId, (site: Site) => Maybe> = {
  pv: (site) => site.pv_w,
  discharge: (site) => positive(site.battery_w),
  import: (site) => positive(site.grid_w),
  consumption: (site) => site.consumption_w,
  charge: (site) => negative(site.battery_w),
  export: (site) => negative(site.grid_w),
};

export interface Contribution {
  readonly site: string;
  readonly power_w: Maybe;
}

/** Which sites make up a flow, unknown first, then the biggest; sites with none of it are left out. */
export function contributions(id: FlowId, sites: readonly Site[]): Contribution[] {
  return sites
    .map((site) => ({ site: site.id, power_w: AT_SITE[id](site) }))
    .filter(({ power_w }) => power_w === null || power_w >= 0.5)
    .sort((a, b) => (b.power_w ?? Infinity) - (a.power_w ?? Infinity) || a.site.localeCompare(b.site));
}
