/** What the API says of sizing: `GET communities/{community}/sizing`. */
import type { Maybe } from '../types';

export interface SizedEnergy {
  readonly import_kwh: number;
  readonly export_kwh: number;
  readonly self_consumption: Maybe;
  readonly self_sufficiency: Maybe;
  readonly shared_kwh: number;
}

export interface Worth {
  readonly investment_eur: number;
  readonly payback_years: Maybe;
  readonly npv_eur: number;
}

export interface Gain {
  readonly point: string;
  readonly received_kwh: readonly [number, number];
  readonly given_kwh: readonly [number, number];
  readonly saved_eur: number;
}

export interface SizeName {
  readonly pv_kwp: number;
  readonly battery_kwh: number;
}

export interface Size extends SizeName {
  readonly after: SizedEnergy;
  readonly saved_eur: number;
  readonly community_eur: number;
  readonly co2_saved_kg: Maybe;
  readonly worth: Worth | null;
  readonly owner: Worth | null;
  readonly points: readonly Gain[];
}

export interface Sizing {
  readonly profile: { readonly kind: 'pv' | 'clear_sky' | 'none'; readonly site: string | null };
  readonly names: Readonly<Record<string, string>>;
  readonly point: string;
  readonly quarters: number;
  readonly left_out: number;
  readonly whole_year: boolean;
  readonly before: SizedEnergy;
  readonly sizes: readonly Size[];
  readonly best: SizeName | null;
  readonly best_for_owner: SizeName | null;
  readonly bands: Readonly<Record<string, readonly [number, number]>>;
  readonly unverified: readonly { readonly field: string; readonly source: string }[];
}

export interface Question {
  readonly site: string;
  readonly pv_kwp: string;
  readonly battery_kwh: string;
  readonly serves: string;
  readonly yield_kwh: string;
}

export function same(one: SizeName, other: SizeName | null): boolean {
  return other !== null && one.pv_kwp === other.pv_kwp && one.battery_kwh === other.battery_kwh;
}
