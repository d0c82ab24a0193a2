/** Series for charts: gaps stay gaps, and what a chart shows can also be said in words. Pure. */
import type { Maybe } from './types';

export interface Table {
  /** Start of each interval, ms. */
  readonly t: readonly number[];
  /** One column per series, as long as `t`. */
  readonly columns: readonly (readonly Maybe[])[];
}

export interface Summary {
  readonly energy_wh: number;
  readonly peak: { readonly t: number; readonly power_w: number } | null;
  readonly missing: number;
}

/**
 * The table with an empty row for every interval of the half-open span that is absent, so that no line is drawn
 * across it and it counts as missing. The interval that still runs at the span's end may be absent.
 */
export function withGaps(table: Table, step_ms: number, from: number, to: number): Table {
  const [first, last] = [table.t.at(0), table.t.at(-1)];
  if (first === undefined || last === undefined) return table;
  const t: number[] = [];
  const rows: (number | null)[] = [];
  const add = (time: number, row: number | null): void => {
    t.push(time);
    rows.push(row);
  };
  const bridge = (until: number): void => {
    for (let time = (t.at(-1) ?? until) + step_ms; time < until; time += step_ms) add(time, null);
  };
  const lead = Math.floor(Math.max(first - from, 0) / step_ms);
  if (lead > 0) add(first - lead * step_ms, null);
  table.t.forEach((time, row) => {
    bridge(time - step_ms / 2);
    add(time, row);
  });
  bridge(Math.max(last, to - step_ms));
  return { t, columns: table.columns.map((column) => rows.map((row) => (row === null ? null : (column[row] ?? null)))) };
}

/**
 * Energy, peak (largest in amount, either sign) and the number of unknown intervals of one series of mean powers.
 * What ends after `settled` is not missing yet: it still runs, or is just being computed.
 */
export function summarise(
  t: readonly number[],
  values: readonly Maybe[],
  step_ms: number,
  settled = Infinity,
): Summary {
  let energy_wh = 0;
  let missing = 0;
  let peak: Summary['peak'] = null;
  values.forEach((power_w, index) => {
    if (power_w === null) {
      if ((t[index] ?? 0) + step_ms <= settled) missing += 1;
      return;
    }
    energy_wh += (power_w * step_ms) / 3_600_000;
    if (peak === null || Math.abs(power_w) > Math.abs(peak.power_w)) peak = { t: t[index] ?? 0, power_w };
  });
  return { energy_wh, peak, missing };
}

export const STEP_MS = { '1m': 60_000, '5m': 300_000, '15m': 900_000, '1h': 3_600_000, '1d': 86_400_000 } as const;
export type Step = keyof typeof STEP_MS;

const ENOUGH_POINTS = 1000;

/** The shortest step with which a span has no more points than a screen shows. */
export function stepFor(span_ms: number): Step {
  const steps = Object.keys(STEP_MS) as Step[];
  return steps.find((step) => span_ms / STEP_MS[step] <= ENOUGH_POINTS) ?? '1d';
}
