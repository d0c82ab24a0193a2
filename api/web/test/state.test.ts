import { describe, expect, it } from 'vitest';
import { activeLeases, applyEvent, EMPTY, fromSnapshot } from '../src/state';
import { alert, command, site, snapshot } from './samples';

describe('applyEvent', () => {
  it('starts from a snapshot and forgets what was before it', () => {
    const before = applyEvent(EMPTY, 'site', site({ id: 'gone' }));
    const after = applyEvent(before, 'snapshot', snapshot());
    expect([...after.sites.keys()]).toEqual(['s']);
    expect(after.received).toBe(true);
  });

  it('merges one site and leaves the others and the old state alone', () => {
    const before = fromSnapshot(snapshot({ sites: [site(), site({ id: 'other' })] }));
    const after = applyEvent(before, 'site', site({ t: 2000, pv_w: 7 }));
    expect(after.sites.get('s')?.pv_w).toBe(7);
    expect(after.sites.get('other')).toBe(before.sites.get('other'));
    expect(before.sites.get('s')?.pv_w).toBe(0);
  });

  it('keeps the newer of two measurements that arrive in the wrong order', () => {
    const state = applyEvent(fromSnapshot(snapshot()), 'site', site({ t: 999, pv_w: 7 }));
    expect(state.sites.get('s')?.pv_w).toBe(0);
  });

  it('takes an unknown number as unknown', () => {
    const state = applyEvent(fromSnapshot(snapshot()), 'site', site({ t: 2000, pv_w: null }));
    expect(state.sites.get('s')?.pv_w).toBeNull();
  });

  it('replaces an alert, and ignores events it does not know', () => {
    const state = applyEvent(fromSnapshot(snapshot({ alerts: [alert()] })), 'alert', alert({ state: 'cleared' }));
    expect(state.alerts.get('a')?.state).toBe('cleared');
    expect(applyEvent(state, 'weather', {})).toBe(state);
  });

  it('copes with a snapshot of the live object alone', () => {
    const { alerts, commands, ...live } = snapshot();
    expect(alerts.length + commands.length).toBe(0);
    expect(applyEvent(EMPTY, 'snapshot', live).alerts.size).toBe(0);
  });
});

describe('activeLeases', () => {
  const state = fromSnapshot(
    snapshot({
      sites: [site(), site({ id: 'far', community: 'elsewhere' })],
      commands: [
        command({ id: 'old' }),
        command({ id: 'new', t: 2000, ends_at: null, state: 'asked' }),
        command({ id: 'done', state: 'reverted' }),
        command({ id: 'far', device: 'far/battery' }),
      ],
    }),
  );

  it('shows what holds in the community, newest first', () => {
    expect(activeLeases(state, 'c', 3000).map(({ id }) => id)).toEqual(['new', 'old']);
  });

  it('lets a lease go when its time is over, told by its duration while the gateway has not answered', () => {
    expect(activeLeases(state, 'c', 61_500).map(({ id }) => id)).toEqual(['new']);
    expect(activeLeases(state, 'c', 62_000)).toEqual([]);
  });
});
