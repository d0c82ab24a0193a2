import { describe, expect, it } from 'vitest';
import { Freshness } from '../src/freshness';
import { community, snapshot } from './samples';

describe('Freshness', () => {
  it('tells time by the server, whatever the reader’s clock says', () => {
    const freshness = new Freshness();
    freshness.snapshot(snapshot({ t: 5_000_000 }), 100);
    expect(freshness.now(1_100)).toBe(5_001_000);
  });

  it('counts an old snapshot as old at once', () => {
    const freshness = new Freshness();
    freshness.snapshot(snapshot({ t: 90_000, communities: [community({ t: 50_000 })] }), 0);
    expect(freshness.silence('c', 1_000)).toBe(41_000);
  });

  it('is heard when numbers get newer, not when old ones are repeated', () => {
    const freshness = new Freshness();
    freshness.snapshot(snapshot(), 0);
    freshness.news('c', 1000, 10_000);
    expect(freshness.silence('c', 20_000)).toBe(20_000);
    freshness.news('c', 12_000, 20_000);
    expect(freshness.silence('c', 21_000)).toBe(1_000);
  });

  it('moves on with events that run ahead of the reader’s pace', () => {
    const freshness = new Freshness();
    freshness.snapshot(snapshot(), 0);
    freshness.news('c', 61_000, 1_000);
    expect(freshness.now(2_000)).toBe(62_000);
  });

  it('knows nothing of a community it never heard', () => {
    expect(new Freshness().silence('c', 0)).toBeNull();
  });
});
