import { describe, expect, it } from 'vitest';
import { axisOf, linesOf, placed } from '../src/sizing/plot';
import type { Size } from '../src/sizing/types';
import { whyOf } from '../src/statements/why';

const size = (pv_kwp: number, battery_kwh: number, saved_eur: number): Size => ({ pv_kwp, battery_kwh, saved_eur }) as Size;

describe('axis', () => {
  it('covers all values and zero with round steps', () => {
    expect(axisOf([-441, 135_047])).toMatchObject({ low: -50_000, high: 150_000 });
    expect(axisOf([0, 0]).high).toBeGreaterThan(0);
    expect(axisOf([-30, -10])).toMatchObject({ low: -30, high: 0 });
  });
});

describe('lines', () => {
  it('run over PV for each battery, or over batteries where there is one PV', () => {
    const over = linesOf([size(0, 0, 1), size(0, 5, 2), size(9, 0, 3), size(9, 5, 4)], ({ saved_eur }) => saved_eur);
    expect(over.unit).toBe('kWp');
    expect(over.lines.get(5)).toEqual([[0, 2], [9, 4]]);
    expect(linesOf([size(9, 0, 1), size(9, 5, 2)], ({ saved_eur }) => saved_eur).lines.get(9)).toEqual([[0, 1], [5, 2]]);
  });

  it('have names that can be read beside each other, in the order of their ends', () => {
    expect([...placed([[0, 50], [1, 49], [2, 10]])]).toEqual([[2, 10], [1, 49], [0, 67]]);
  });
});

describe('why', () => {
  const line = { kind: 'energy', name: 'shared_energy', ean: '54', energy_wh: 30, eur_kwh: '0.1', net: '0.00', source: 's' };
  const point = { ean: '54', participant: 'm', withdrawn_wh: [9, 40, 8], received_wh: [10, 20, null], residual_wh: [], given_wh: [0, 0, 0], injected_wh: [1, 2, 3], status: [] };

  it('adds up the quarter-hours of the line and names the largest', () => {
    expect(whyOf(line, { t: [1, 2, 3], points: [point] })).toEqual({ quarters: 2, total_wh: 30, largest: { t: 2, shared_wh: 20, reading_wh: 40 } });
  });

  it('says nothing of another point, nor where nothing was given', () => {
    expect(whyOf({ ...line, ean: '55' }, { t: [1, 2, 3], points: [point] })).toBeNull();
    expect(whyOf({ ...line, kind: 'remuneration' }, { t: [1, 2, 3], points: [point] })).toBeNull();
  });
});
