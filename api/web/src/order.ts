/** Worst first: the order in which a facility manager wants to read sites and alerts. Pure. */
import type { Alert, AlertState, Severity, Site } from './types';

export type SiteStatus = 'ok' | 'estimated' | 'missing' | 'stale';
export type Column = 'status' | 'name' | 'age' | 'pv_w' | 'grid_w' | 'battery_w' | 'consumption_w' | 'self_sufficiency';
export interface Sort {
  readonly column: Column;
  readonly descending: boolean;
}

export const WORST_FIRST: Sort = { column: 'status', descending: true };

const STATUS_RANK: Record<SiteStatus, number> = { ok: 0, estimated: 1, missing: 2, stale: 3 };
const SEVERITY_RANK: Record<Severity, number> = { info: 0, warning: 1, critical: 2 };
const ALERT_RANK: Record<AlertState, number> = { cleared: 0, pending: 1, muted: 2, acknowledged: 3, firing: 4 };

export function siteStatus(site: Site): SiteStatus {
  if (site.stale.length > 0) return 'stale';
  if (site.quality === 'missing') return 'missing';
  return site.quality === 'estimated' ? 'estimated' : 'ok';
}

/** When the site's newest reading was measured, ms; null when none ever came. */
export function lastReading(site: Site): number | null {
  const times = site.devices.map((device) => device.t).filter((t) => t !== null);
  return times.length > 0 ? Math.max(...times) : null;
}

/** Unknown sorts below every number, in both directions: nothing known is no record. */
function compareNumbers(a: number | null, b: number | null, descending: boolean): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return descending ? b - a : a - b;
}

function columnValue(site: Site, column: Exclude<Column, 'name'>): number | null {
  if (column === 'status') return STATUS_RANK[siteStatus(site)];
  if (column === 'age') {
    const reading = lastReading(site);
    return reading === null ? null : -reading;
  }
  return site[column];
}

/** Sorted sites; ties are broken by the biggest consumption, then by identifier, so that the order is total. */
export function sortSites(sites: readonly Site[], sort: Sort, name: (id: string) => string): Site[] {
  const { column, descending } = sort;
  return [...sites].sort((a, b) => {
    const first =
      column === 'name'
        ? name(a.id).localeCompare(name(b.id)) * (descending ? -1 : 1)
        : compareNumbers(columnValue(a, column), columnValue(b, column), descending);
    return first || compareNumbers(a.consumption_w, b.consumption_w, true) || a.id.localeCompare(b.id);
  });
}

/** The alerts that are not cleared: firing before acknowledged before muted before pending, then by severity, then the oldest. */
export function openAlerts(alerts: Iterable<Alert>, community: string): Alert[] {
  return [...alerts]
    .filter((alert) => alert.community === community && alert.state !== 'cleared')
    .sort(
      (a, b) =>
        ALERT_RANK[b.state] - ALERT_RANK[a.state] ||
        SEVERITY_RANK[b.severity] - SEVERITY_RANK[a.severity] ||
        a.since - b.since ||
        a.id.localeCompare(b.id),
    );
}
