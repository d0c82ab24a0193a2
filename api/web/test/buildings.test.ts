import { describe, expect, it } from 'vitest';
import { energyChange, Context } from '../src/buildings/context';
import { runsOf, scaleOf } from '../src/buildings/draw';

describe('drawings', () => {
  it('have a round top above every value', () => {
    expect(scaleOf([3, null, 97])).toEqual({ top: 100, ticks: [0, 25, 50, 75, 100] });
    expect(scaleOf([null]).top).toBeGreaterThan(0);
  });

  it('shade neighbours together', () => {
    expect(runsOf([true, true, false, true])).toEqual([[0, 2], [3, 4]]);
  });
});

describe('numbers of a building', () => {
  const context = new Context('en');

  it('are unknown, never zero', () => {
    expect(context.number(null, 'kWh')).toBe('unknown');
    expect(context.euro(null, 'buildings.savings.no_price')).toBe('price unknown');
    expect(context.change(null)).toBe('unknown');
  });

  it('tell a change by an arrow', () => {
    expect(context.change(0.12)).toContain('↑');
    expect(context.change(-0.12)).toContain('↓');
    expect(context.change(0.001)).toContain('=');
  });

  it('change by energy on common days, water apart', () => {
    const of = (now: number, before: number) => ({ now, before, days: 300, ratio: now / before - 1 });
    expect(energyChange({ electricity: of(50, 100), gas: of(150, 100), water: of(900, 1) })).toBe(0);
    expect(energyChange({ electricity: null })).toBeNull();
  });
});
