import { describe, expect, it } from 'vitest';
import { lastReading, openAlerts, sortSites, WORST_FIRST } from '../src/order';
import { alert, device, site } from './samples';

const name = (id: string): string => id;
const ids = (items: readonly { id: string }[]): string[] => items.map(({ id }) => id);

describe('sortSites', () => {
  const sites = [
    site({ id: 'small', consumption_w: 10 }),
    site({ id: 'big', consumption_w: 900 }),
    site({ id: 'missing', consumption_w: null, quality: 'missing' }),
    site({ id: 'estimated', consumption_w: 5, quality: 'estimated' }),
    site({ id: 'stale', stale: ['stale/pv'] }),
  ];

  it('puts stale first, then missing, then estimated, then the biggest consumption', () => {
    expect(ids(sortSites(sites, WORST_FIRST, name))).toEqual(['stale', 'missing', 'estimated', 'big', 'small']);
  });

  it.each([true, false])('keeps unknown numbers last when descending is %s', (descending) => {
    expect(ids(sortSites(sites, { column: 'consumption_w', descending }, name)).at(-1)).toBe('missing');
  });

  it('sorts by name as a reader would', () => {
    expect(ids(sortSites(sites, { column: 'name', descending: false }, name))[0]).toBe('big');
  });

  it('takes a site that never reported as the oldest of all', () => {
    const never = site({ id: 'never', devices: [device({ t: null })] });
    const old = site({ id: 'old', devices: [device({ t: 5 }), device({ t: 7 })] });
    expect(lastReading(old)).toBe(7);
    expect(ids(sortSites([never, old, site({ id: 'fresh' })], { column: 'age', descending: true }, name))).toEqual(['old', 'fresh', 'never']);
  });
});

describe('openAlerts', () => {
  it('drops what is cleared or elsewhere and puts firing critical alerts first', () => {
    const alerts = [
      alert({ id: 'acknowledged', state: 'acknowledged', severity: 'critical' }),
      alert({ id: 'pending', state: 'pending', severity: 'critical' }),
      alert({ id: 'muted', state: 'muted' }),
      alert({ id: 'later', since: 2000 }),
      alert({ id: 'earlier' }),
      alert({ id: 'critical', severity: 'critical', since: 3000 }),
      alert({ id: 'cleared', state: 'cleared' }),
      alert({ id: 'elsewhere', community: 'other' }),
    ];
    expect(ids(openAlerts(alerts, 'c'))).toEqual(['critical', 'earlier', 'later', 'acknowledged', 'muted', 'pending']);
  });
});
