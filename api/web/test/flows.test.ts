import { describe, expect, it } from 'vitest';
import { balance, contributions } from '../src/flows';
import { community, site } from './samples';

describe('balance', () => {
  it('has the same sum on both sides', () => {
    // consumption = grid + pv + battery: 9000 = 3000 + 8000 - 2000
    const { in_w, out_w, scale_w } = balance(
      community({ pv_w: 8000, battery_w: -2000, grid_w: 3000, import_w: 3000, surplus_w: 0, consumption_w: 9000 }),
    );
    expect(in_w).toBe(11_000);
    expect(out_w).toBe(11_000);
    expect(scale_w).toBe(11_000);
  });

  it('says what is known of an unknown flow and keeps the sum unknown', () => {
    const known = { pv_w: 500, grid_w: -200, battery_w: 0, consumption_w: 300, sites: 11, of: 12 };
    const result = balance(community({ pv_w: null, grid_w: null, import_w: null, surplus_w: null, known }));
    expect(result.inwards[0]).toEqual({ id: 'pv', power_w: null, known_w: 500 });
    expect(result.inwards[2]).toEqual({ id: 'import', power_w: null, known_w: null });
    expect(result.outwards[2]).toEqual({ id: 'export', power_w: null, known_w: 200 });
    expect(result.in_w).toBeNull();
  });

  it('never has a scale of zero', () => {
    expect(balance(community()).scale_w).toBe(1);
  });
});

describe('contributions', () => {
  const sites = [site({ id: 'a', battery_w: -700 }), site({ id: 'b', battery_w: 900 }), site({ id: 'c', battery_w: null })];

  it('splits a signed flow by its direction, unknown first', () => {
    expect(contributions('charge', sites)).toEqual([
      { site: 'c', power_w: null },
      { site: 'a', power_w: 700 },
    ]);
    expect(contributions('discharge', sites).map((item) => item.site)).toEqual(['c', 'b']);
  });
});
