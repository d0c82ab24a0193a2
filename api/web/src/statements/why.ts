/** Why a line has its kWh: the quarter-hours that it adds up, and the largest of them. Pure. */
import type { OwnEnergy } from '../types';
import type { Line } from './types';

export interface Why {
  readonly quarters: number;
  readonly total_wh: number;
  readonly largest: { readonly t: number; readonly shared_wh: number; readonly reading_wh: number };
}

/** Null where nothing of the line's metering point is kept, or it received (gave) nothing by our own computation. */
export function whyOf(line: Line, energy: Pick<OwnEnergy, 't' | 'points'>): Why | null {
  const point = energy.points.find(({ ean }) => ean === line.ean);
  if (point === undefined) return null;
  const [shared, reading] = line.kind === 'remuneration' ? [point.given_wh, point.injected_wh] : [point.received_wh, point.withdrawn_wh];
  let quarters = 0;
  let total_wh = 0;
  let best = -1;
  shared.forEach((value, place) => {
    if (value === null || value === 0) return;
    quarters += 1;
    total_wh += value;
    if (best < 0 || value > (shared[best] ?? 0)) best = place;
  });
  if (best < 0) return null;
  return { quarters, total_wh, largest: { t: energy.t[best] ?? 0, shared_wh: shared[best] ?? 0, reading_wh: reading[best] ?? 0 } };
}
