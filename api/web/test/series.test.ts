import { describe, expect, it } from 'vitest';
import { STEP_MS, stepFor, summarise, withGaps } from '../src/series';

const STEP = 900_000;

describe('withGaps', () => {
  it('leaves a complete table as it is', () => {
    const table = { t: [0, STEP, 2 * STEP], columns: [[1, 2, 3]] };
    expect(withGaps(table, STEP, 0, 3 * STEP)).toEqual(table);
  });

  it('inserts one empty row per absent interval', () => {
    const table = withGaps({ t: [0, 3 * STEP], columns: [[1, 4], [5, null]] }, STEP, 0, 4 * STEP);
    expect(table).toEqual({ t: [0, STEP, 2 * STEP, 3 * STEP], columns: [[1, null, null, 4], [5, null, null, null]] });
  });

  it('shows that recording began late and stopped early', () => {
    const { t, columns } = withGaps({ t: [2 * STEP], columns: [[7]] }, STEP, 0.5 * STEP, 6 * STEP);
    expect(t).toEqual([STEP, 2 * STEP, 3 * STEP, 4 * STEP]);
    expect(columns).toEqual([[null, 7, null, null]]);
  });

  it('keeps times that do not lie on the grid of the first', () => {
    const { t, columns } = withGaps({ t: [100, STEP, 3 * STEP], columns: [[1, 2, 3]] }, STEP, 100, 4 * STEP);
    expect(t).toEqual([100, STEP, 2 * STEP, 3 * STEP]);
    expect(columns).toEqual([[1, 2, null, 3]]);
  });

  it('has nothing to fill when nothing is recorded', () => {
    expect(withGaps({ t: [], columns: [[]] }, STEP, 0, 4 * STEP).t).toEqual([]);
  });
});

describe('summarise', () => {
  it('does not call missing what still runs', () => {
    const values = [4000, null, null];
    expect(summarise([0, STEP, 2 * STEP], values, STEP, 2.5 * STEP).missing).toBe(1);
    expect(summarise([0, STEP, 2 * STEP], values, STEP).missing).toBe(2);
  });

  it('adds energy over what is known and counts what is not', () => {
    expect(summarise([0, STEP, 2 * STEP], [4000, null, 8000], STEP)).toEqual({
      energy_wh: 3000,
      peak: { t: 2 * STEP, power_w: 8000 },
      missing: 1,
    });
  });

  it('takes the largest amount of either sign as the peak', () => {
    expect(summarise([0, STEP], [500, -900], STEP).peak).toEqual({ t: STEP, power_w: -900 });
  });

  it('has no peak when nothing is known', () => {
    expect(summarise([0], [null], STEP).peak).toBeNull();
  });
});

describe('stepFor', () => {
  it('gives a screen enough points and not many more', () => {
    const hour = 3_600_000;
    expect([6, 24, 7 * 24, 31 * 24, 365 * 24, 20 * 365 * 24].map((hours) => stepFor(hours * hour))).toEqual(['1m', '5m', '15m', '1h', '1d', '1d']);
    expect((31 * 24 * hour) / STEP_MS[stepFor(31 * 24 * hour)]).toBeLessThan(1000);
  });
});
