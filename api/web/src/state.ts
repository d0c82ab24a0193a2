/** What the page knows: one snapshot, then deltas merged into it. Pure; every step gives a new state. */
import type { Alert, Command, Community, Site, Snapshot } from './types';

export interface LiveState {
  readonly received: boolean;
  readonly communities: ReadonlyMap<string, Community>;
  readonly sites: ReadonlyMap<string, Site>;
  readonly alerts: ReadonlyMap<string, Alert>;
  readonly commands: ReadonlyMap<string, Command>;
}

export const EMPTY: LiveState = {
  received: false,
  communities: new Map(),
  sites: new Map(),
  alerts: new Map(),
  commands: new Map(),
};

interface Identified {
  id: string;
}

function byId<T extends Identified>(items: readonly T[] | undefined): ReadonlyMap<string, T> {
  return new Map((items ?? []).map((item) => [item.id, item]));
}

function merged<T extends Identified>(items: ReadonlyMap<string, T>, item: T): ReadonlyMap<string, T> {
  return new Map(items).set(item.id, item);
}

/** Measurements may arrive late after a reconnect: what is already known to be newer stays. */
function newer<T extends Identified & { t: number }>(items: ReadonlyMap<string, T>, item: T): ReadonlyMap<string, T> {
  const held = items.get(item.id);
  return held && held.t > item.t ? items : merged(items, item);
}

/** The state after a full snapshot; nothing of what was known before survives it. */
export function fromSnapshot(snapshot: Snapshot): LiveState {
  return {
    received: true,
    communities: byId(snapshot.communities),
    sites: byId(snapshot.sites),
    alerts: byId(snapshot.alerts),
    commands: byId(snapshot.commands),
  };
}

/** The state after one event of the live stream; events of unknown names change nothing. */
export function applyEvent(state: LiveState, event: string, data: unknown): LiveState {
  switch (event) {
    case 'snapshot':
      return fromSnapshot(data as Snapshot);
    case 'site':
      return { ...state, sites: newer(state.sites, data as Site) };
    case 'community':
      return { ...state, communities: newer(state.communities, data as Community) };
    case 'alert':
      return { ...state, alerts: merged(state.alerts, data as Alert) };
    case 'command':
      return { ...state, commands: merged(state.commands, data as Command) };
    default:
      return state;
  }
}

export function siteOf(device: string): string {
  return device.split('/', 1)[0] ?? device;
}

/** The leases that hold now: asked or applied, and not past their end. `now` in ms. */
export function activeLeases(state: LiveState, community: string, now: number): Command[] {
  return [...state.commands.values()]
    .filter((command) => command.state === 'asked' || command.state === 'applied')
    .filter((command) => (command.ends_at ?? command.t + command.ttl_s * 1000) > now)
    .filter((command) => (state.sites.get(siteOf(command.device))?.community ?? community) === community)
    .sort((a, b) => b.t - a.t);
}
