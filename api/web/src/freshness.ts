/**
 * How old the numbers are, told by the server's clock and not by the reader's. Pure.
 *
 * Theory: a snapshot carries the server's own time. Between events that time runs on at the local pace, and any
 * event with a later time moves it forward. A community is *heard* when its numbers got newer, not when bytes
 * arrived: a server that only keeps the connection alive does not make old numbers fresh.
 */
import type { Snapshot } from './types';

export const SILENCE_LIMIT_MS = 15_000;

export class Freshness {
  private anchor: { data: number; local: number } | null = null;
  private readonly newest = new Map<string, number>();
  private readonly heard = new Map<string, number>();

  /** `local` is the reader's clock, ms. */
  snapshot(snapshot: Snapshot, local: number): void {
    this.anchor = { data: snapshot.t, local };
    this.newest.clear();
    this.heard.clear();
    for (const { id, t } of snapshot.communities) {
      this.newest.set(id, t);
      this.heard.set(id, local - Math.max(snapshot.t - t, 0));
    }
  }

  news(community: string, t: number, local: number): void {
    if (t > (this.now(local) ?? -Infinity)) this.anchor = { data: t, local };
    if (t <= (this.newest.get(community) ?? -Infinity)) return;
    this.newest.set(community, t);
    this.heard.set(community, local);
  }

  /** The server's time now, ms; null before the first snapshot. */
  now(local: number): number | null {
    return this.anchor === null ? null : this.anchor.data + Math.max(local - this.anchor.local, 0);
  }

  /** For how long the community has been silent, ms; null when it was never heard. */
  silence(community: string, local: number): number | null {
    const heard = this.heard.get(community);
    return heard === undefined ? null : Math.max(local - heard, 0);
  }
}
