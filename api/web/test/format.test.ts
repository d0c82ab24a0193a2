import { describe, expect, it } from 'vitest';
import { axisUnit, Formatter } from '../src/format';

const english = new Formatter('en-GB', 'Europe/Brussels');
const french = new Formatter('fr-BE', 'Europe/Brussels');
const plain = (text: string): string => text.replace(/[\u00a0\u202f]/g, ' ');

describe('power', () => {
  it.each([
    [0, '0 W'],
    [-0.2, '0 W'],
    [42.4, '42 W'],
    [999.6, '1.00 kW'],
    [-3000, '-3.00 kW'],
    [12_345, '12.3 kW'],
    [999_600, '1.00 MW'],
  ])('writes %d W with three digits and the fitting unit', (power_w, text) => {
    expect(plain(english.power(power_w))).toBe(text);
  });

  it('uses the decimal comma in French', () => {
    expect(plain(french.power(5120))).toBe('5,12 kW');
  });
});

describe('metric', () => {
  it('takes the unit from the ending of the name', () => {
    expect(plain(english.metric(41_250, 'surplus_w'))).toBe('41.3 kW');
    expect(plain(english.metric(1500, 'shared_wh'))).toBe('1.50 kWh');
    expect(plain(english.metric(55, 'soc_pct'))).toBe('55%');
    expect(plain(english.metric(90, 'age_s'))).toBe('1 min 30 s');
    expect(plain(english.metric(0.951, 'power_factor'))).toBe('0.951');
  });
});

describe('duration', () => {
  it.each([
    [-3, '0 s'],
    [42.9, '42 s'],
    [185, '3 min 05 s'],
    [7620, '2 h 07 min'],
    [273_600, '3 d 4 h'],
  ])('writes %d s in two units', (seconds, text) => {
    expect(plain(english.duration(seconds))).toBe(text);
  });
});

describe('time', () => {
  it('is told in the community’s zone, on both sides of the change of the clocks', () => {
    expect(english.clock(Date.UTC(2026, 9, 25, 0, 30))).toBe('02:30:00');
    expect(english.clock(Date.UTC(2026, 9, 25, 1, 30))).toBe('02:30:00');
  });

  it('knows local midnight in summer and winter', () => {
    expect(english.startsDay(Date.UTC(2026, 6, 1, 22))).toBe(true);
    expect(french.startsDay(Date.UTC(2026, 11, 1, 23))).toBe(true);
    expect(english.startsDay(Date.UTC(2026, 11, 1, 22))).toBe(false);
  });
});

describe('axisUnit', () => {
  it('is common to all numbers of an axis', () => {
    expect(axisUnit(145_000)).toEqual({ divisor: 1000, unit: 'kW' });
    expect(axisUnit(null)).toEqual({ divisor: 1, unit: 'W' });
  });
});
