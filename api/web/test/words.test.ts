import { describe, expect, it } from 'vitest';
import { preferred, Translator } from '../src/i18n';
import { NO_CHOICE, readPlace, writePlace } from '../src/place';

describe('preferred', () => {
  it('takes the first language that the page speaks', () => {
    expect(preferred(['lb-LU', 'fr-BE', 'nl'])).toBe('fr');
  });

  it('falls back on English', () => {
    expect(preferred(['pt'])).toBe('en');
    expect(preferred(['constructor'])).toBe('en');
  });
});

describe('Translator', () => {
  it('fills placeholders and chooses the grammatical number of the language', () => {
    expect(new Translator('en').count('problems.alerts.open', 0)).toBe('0 open alerts');
    expect(new Translator('fr').count('problems.alerts.open', 0)).toBe('0 alerte ouverte');
  });

  it('gives the fallback for a key that data made up', () => {
    expect(new Translator('nl').lookup('device.role.windmill', 'windmill')).toBe('windmill');
  });
});

describe('place', () => {
  it('comes back from the address as it went in', () => {
    const history = { ...NO_CHOICE, quantity: 'pv_w', from: '2026-11-01', to: '2026-11-20' };
    const place = { community: 'ixelles', site: 'ixl-hall', history };
    expect(readPlace(writePlace(place))).toEqual(place);
    expect(readPlace('')).toEqual({ community: null, site: null, history: NO_CHOICE });
    expect(writePlace({ ...place, site: null })).toBe('#community=ixelles');
  });
});
