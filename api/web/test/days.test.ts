import { expect, test } from 'vitest';
import { dayOf, instantOf, lastDayOf, localText, shifted, startOf, sumsOf, together } from '../src/days';
import type { OwnPoint } from '../src/types';

const ZONE = 'Europe/Brussels';

function point(values: Partial<OwnPoint>): OwnPoint {
  return { ean: 'e', participant: 'm', withdrawn_wh: [], received_wh: [], residual_wh: [], given_wh: [], injected_wh: [], status: [], ...values };
}

test('a local day begins at local midnight, in summer, in winter and on the days between', () => {
  expect(new Date(startOf('2026-06-30', ZONE)).toISOString()).toBe('2026-06-29T22:00:00.000Z');
  expect(new Date(startOf('2026-12-01', ZONE)).toISOString()).toBe('2026-11-30T23:00:00.000Z');
  for (const [day, hours] of [['2026-03-29', 23], ['2026-10-25', 25], ['2026-06-30', 24]] as const) {
    expect(startOf(shifted(day, 1), ZONE) - startOf(day, ZONE)).toBe(hours * 3_600_000);
  }
});

test('days are named locally and counted over the ends of months and years', () => {
  expect(dayOf(Date.parse('2026-06-29T22:30:00Z'), ZONE)).toBe('2026-06-30');
  expect(shifted('2026-12-31', 1)).toBe('2027-01-01');
  expect([lastDayOf('2026-06'), lastDayOf('2028-02')]).toEqual(['2026-06-30', '2028-02-29']);
});

test('points add up, and what no point knows stays unknown', () => {
  const points = [
    point({ withdrawn_wh: [100, null, 5], received_wh: [60, null, 1], status: ['final', 'missing', 'estimate'] }),
    point({ withdrawn_wh: [1, null, null], received_wh: [1, null, null], status: ['final', 'missing', 'missing'] }),
  ];
  expect(together(points, 'withdrawn_wh')).toEqual([101, null, 5]);
  expect(sumsOf(points)).toEqual({ withdrawn_wh: 106, received_wh: 62, given_wh: 0, missing: 1, estimated: true });
  expect(sumsOf([])).toEqual({ withdrawn_wh: 0, received_wh: 0, given_wh: 0, missing: 0, estimated: false });
});

test('a field of local time comes back as it was written, on the days of the change too', () => {
  for (const text of ['2026-06-30T07:00', '2026-12-01T00:30', '2026-03-29T01:59', '2026-03-29T03:00', '2026-10-25T01:30', '2026-10-25T03:30']) {
    expect(localText(instantOf(text, ZONE), ZONE)).toBe(text);
  }
  expect(new Date(instantOf('2026-06-30T07:00', ZONE)).toISOString()).toBe('2026-06-30T05:00:00.000Z');
  expect(new Date(instantOf('2026-10-25T02:30', ZONE)).toISOString()).toBe('2026-10-25T00:30:00.000Z');
});

test('an hour that the change skips is taken as the one after it', () => {
  expect(localText(instantOf('2026-03-29T02:30', ZONE), ZONE)).toBe('2026-03-29T03:30');
});
