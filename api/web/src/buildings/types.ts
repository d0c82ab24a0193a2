/** The JSON of the accounting of buildings. Unknown numbers are null, never 0; days are local, `to` is not in it. */
import type { Maybe } from '../types';

export type Carrier = 'electricity' | 'gas' | 'heat' | 'water';
export type Kind = 'base_load' | 'out_of_hours' | 'peaks' | 'simultaneous' | 'drift';
export type Why = 'area' | 'supplies' | 'use' | 'factor' | 'scale' | 'weather' | 'pattern';

export interface Change {
  now: number;
  before: number;
  days: number;
  ratio: Maybe;
}

export interface Row {
  site: string;
  name: string;
  kind: string;
  municipality: string;
  area_m2: Maybe;
  from: string;
  to: string;
  energy_kwh_m2: Maybe;
  normalised_kwh_m2: Maybe;
  primary_kwh_m2: Maybe;
  co2_kg: Maybe;
  cost_eur: Maybe;
  class: string | null;
  coverage: number;
  estimated_share: number;
  unknown: Why[];
  change: Partial<Record<Carrier, Change | null>>;
  saving: { kind: Kind; kwh: number; eur: Maybe } | null;
  savings_found: number;
}

export interface Portfolio {
  community: string;
  from: string;
  to: string;
  buildings: number;
  known: number;
  energy_kwh: Maybe;
  energy_kwh_m2: Maybe;
  primary_kwh_m2: Maybe;
  sites: Row[];
}

export interface Month {
  month: string;
  amount: Maybe;
  before: Maybe;
  days: number;
}

export interface CarrierYear {
  carrier: Carrier;
  unit: 'kWh' | 'm³';
  amount: Maybe;
  coverage: number;
  estimated_share: number;
  change: Change | null;
  months: Month[];
}

export interface Pattern {
  axis: 'week_hour' | 'day_hour' | 'day' | 'temperature';
  unit: 'kW' | 'kWh';
  x: string[];
  lines: Record<string, Maybe[]>;
  marked: boolean[];
}

export interface Saving {
  kind: Kind;
  carrier: Carrier;
  kwh: number;
  eur: Maybe;
  since: string | null;
  facts: Record<string, number | string>;
  pattern: Pattern;
}

export interface Building extends Row {
  community: string;
  base_load: { power_w: Maybe; share: Maybe };
  scale: { name: string; bounds: Record<string, number>; beyond: string; evidence: string; source: string } | null;
  like: { of: 'community' | 'benchmark'; buildings: Maybe; median_kwh_m2: number; place: Maybe } | null;
  carriers: CarrierYear[];
  savings: Saving[];
  not_looked: { kind: Kind; carrier: Carrier; why: string }[];
}
