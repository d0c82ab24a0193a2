/** Local days as `2026-06-30`, and what of a member's quarter-hours a day sums up to. Pure. */
import type { Maybe, OwnPoint } from './types';

const DAY_MS = 86_400_000;
const HALF_DAY_MS = DAY_MS / 2;

/** The local day that `t` (ms) lies in. */
export function dayOf(t: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short' }).format(t);
}

/** The local day's first instant, ms. No zone of ours changes its clocks at midnight. */
export function startOf(day: string, timeZone: string): number {
  const utc = Date.parse(`${day}T00:00:00Z`);
  return utc - offsetAt(utc, timeZone);
}

/** The instant, ms, that a field of local date and time says: `2026-06-30T07:00`. In the hour that is skipped: after it. */
export function instantOf(text: string, timeZone: string): number {
  const utc = Date.parse(`${text}:00Z`);
  const near = [utc - offsetAt(utc - HALF_DAY_MS, timeZone), utc - offsetAt(utc + HALF_DAY_MS, timeZone)];
  return near.find((t) => localText(t, timeZone) === text) ?? near[0] ?? utc;
}

/** `t` (ms) as a field of local date and time has it. */
export function localText(t: number, timeZone: string): string {
  return shownAt(t, timeZone).slice(0, 16);
}

function shownAt(t: number, timeZone: string): string {
  return new Intl.DateTimeFormat('sv-SE', { timeZone, dateStyle: 'short', timeStyle: 'medium' }).format(t).replace(' ', 'T');
}

function offsetAt(t: number, timeZone: string): number {
  return Date.parse(`${shownAt(t, timeZone)}Z`) - Math.floor(t / 1000) * 1000;
}

export function shifted(day: string, days: number): string {
  return new Date(Date.parse(`${day}T12:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);
}

/** The last day of a month `2026-06`. */
export function lastDayOf(month: string): string {
  const [year = 0, number = 1] = month.split('-').map(Number);
  return new Date(Date.UTC(year, number, 0)).toISOString().slice(0, 10);
}

export interface DaySums {
  readonly withdrawn_wh: number;
  readonly received_wh: number;
  readonly given_wh: number;
  /** Quarter-hours of which nothing is known. */
  readonly missing: number;
  readonly estimated: boolean;
}

/** Column by column the sum over the points; unknown as soon as no point knows. */
export function together(points: readonly OwnPoint[], column: 'withdrawn_wh' | 'received_wh' | 'residual_wh' | 'given_wh'): Maybe[] {
  const [first] = points;
  return (first?.[column] ?? []).map((_, row) => {
    const known = points.map((point) => point[column][row] ?? null).filter((value) => value !== null);
    return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
  });
}

export function sumsOf(points: readonly OwnPoint[]): DaySums {
  const total = (values: readonly Maybe[]): number => values.reduce<number>((sum, value) => sum + (value ?? 0), 0);
  const states = (points[0]?.status ?? []).map((_, row) => points.map(({ status }) => status[row]));
  return {
    withdrawn_wh: total(together(points, 'withdrawn_wh')),
    received_wh: total(together(points, 'received_wh')),
    given_wh: total(together(points, 'given_wh')),
    missing: states.filter((row) => row.every((state) => state === 'missing')).length,
    estimated: states.some((row) => row.includes('estimate')),
  };
}
