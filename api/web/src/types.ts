/** The JSON of the API, as it comes over the wire. Unknown numbers are null, never 0; times are UTC milliseconds. */

export type Quality = 'measured' | 'estimated' | 'missing';
export type Maybe = number | null;

export interface Device {
  id: string;
  role: string;
  t: Maybe;
  power_w: Maybe;
  soc_pct: Maybe;
  state: string | null;
  stale: boolean;
  historical: boolean;
}

export interface Site {
  id: string;
  community: string;
  t: number;
  pv_w: Maybe;
  grid_w: Maybe;
  battery_w: Maybe;
  consumption_w: Maybe;
  soc_pct: Maybe;
  self_sufficiency: Maybe;
  self_consumption: Maybe;
  quality: Quality;
  stale: string[];
  devices: Device[];
  today: { self_sufficiency: Maybe; quality: Quality };
}

export interface Known {
  pv_w: number;
  grid_w: number;
  battery_w: number;
  consumption_w: number;
  sites: number;
  of: number;
}

export interface Community {
  id: string;
  t: number;
  pv_w: Maybe;
  grid_w: Maybe;
  battery_w: Maybe;
  consumption_w: Maybe;
  shared_w: Maybe;
  surplus_w: Maybe;
  import_w: Maybe;
  self_sufficiency: Maybe;
  self_consumption: Maybe;
  quality: Quality;
  stale: string[];
  known: Known;
  today: { pv_wh: Maybe; shared_wh: Maybe; consumption_wh: Maybe; self_sufficiency: Maybe; quality: Quality };
}

export type Severity = 'info' | 'warning' | 'critical';
export type AlertState = 'pending' | 'firing' | 'acknowledged' | 'muted' | 'cleared';

export interface AlertAction {
  device: string;
  set: Record<string, unknown>;
  command: string | null;
  state: CommandState | null;
  reason: string;
}

export interface Evidence {
  t: number;
  event: string;
  text: string;
  /** Of our own sentences; empty: as somebody wrote it. */
  code?: string;
}

export interface Alert {
  id: string;
  rule: string;
  community: string;
  severity: Severity;
  state: AlertState;
  subject: string;
  unit: string;
  value: Maybe;
  effect_w: Maybe;
  raise_above: Maybe;
  clear_below: Maybe;
  raise_below: Maybe;
  clear_above: Maybe;
  since: number;
  raised_at: Maybe;
  unknown_since: Maybe;
  acknowledged_at: Maybe;
  acknowledged_by: string | null;
  muted_by: string | null;
  muted_until: Maybe;
  cleared_at: Maybe;
  actions: AlertAction[];
  evidence: Evidence[];
}

export interface AlertTexts {
  title: string;
  means: string;
  do: string;
}

export interface Rule {
  id: string;
  community: string;
  severity: Severity;
  unit: string;
  raise_above: Maybe;
  clear_below: Maybe;
  raise_below: Maybe;
  clear_above: Maybe;
  for_s: number;
  watches: number;
  notify: string[];
  texts: Record<string, AlertTexts>;
}

export interface Channel {
  id: string;
  language: string;
  min_severity: Severity;
  quiet: string | null;
}

export type CommandState = 'asked' | 'applied' | 'refused' | 'expired' | 'reverted' | 'failed';

export interface Command {
  id: string;
  device: string;
  set: Record<string, unknown>;
  ttl_s: number;
  issued_by: string;
  reason: string;
  /** By language. */
  reasons?: Partial<Record<string, string>>;
  t: number;
  state: CommandState;
  ends_at: Maybe;
}

export interface Snapshot {
  t: number;
  communities: Community[];
  sites: Site[];
  alerts: Alert[];
  commands: Command[];
}

export interface CommunityEntry {
  id: string;
  name: string;
  municipality: string;
  timezone: string;
}

export interface SiteEntry {
  id: string;
  name: string;
  kind: string;
  community: string;
  gateway: string;
}

export interface CommunityHistory {
  t: number[];
  pv_w: Maybe[];
  import_w: Maybe[];
  export_w: Maybe[];
  shared_w: Maybe[];
  consumption_w: Maybe[];
}

/** A quarter-hour to come; what comes is below `low` once in ten times, and above `high` once. */
export interface ForecastStep {
  start: number;
  pv_w: Maybe;
  pv_low_w: Maybe;
  pv_high_w: Maybe;
  consumption_w: Maybe;
  consumption_low_w: Maybe;
  consumption_high_w: Maybe;
}

/** Mean errors of the forecasts so far, W; `yesterday_w`: had yesterday's value been told. */
export interface Accuracy {
  hour_ahead_w: Maybe;
  day_ahead_w: Maybe;
  yesterday_w: Maybe;
}

export interface Forecast {
  steps: ForecastStep[];
  /** Empty while too little is known. */
  accuracy: Partial<Record<'pv' | 'consumption', Accuracy>>;
}

export interface SiteHistory {
  quantity: string;
  unit: string;
  series: { device: string | null; points: [number, Maybe][] }[];
}

export interface Decision {
  device: string;
  set: Record<string, unknown> | null;
  state: string;
  since: number | null;
  reason: string;
}

export interface PlanStep {
  start: number;
  pv_w: number;
  consumption_w: number;
  battery_w: number;
  grid_w: number;
  import_eur_kwh: number;
  why: string;
}

/** The newest plan, null when nothing is planned, and what the balancer does now. */
export interface Plan {
  /** The server's time. */
  t: number;
  plan: { t: number; value_eur_kwh: Maybe; steps: PlanStep[]; missing: string[] } | null;
  now: { t: number | null; decisions: Decision[]; limits: Record<string, string[]> };
}

export interface Problem {
  title: string;
  status: number;
  code: string;
  detail?: string;
  hint?: string;
  points?: number;
  max_points?: number;
  step?: string | null;
}

export interface Me {
  name: string;
  role: string;
  rights: string[];
  participants: { id: string; community: string; community_name: string; member_class: string; metering_points: string[] }[];
}

/** A metering point's quarter-hours, Wh, each list as long as the answer's `t`. */
export interface OwnPoint {
  ean: string;
  participant: string;
  withdrawn_wh: Maybe[];
  received_wh: Maybe[];
  residual_wh: Maybe[];
  given_wh: Maybe[];
  injected_wh: Maybe[];
  status: ('final' | 'estimate' | 'missing')[];
}

/** A metering point in the quarter-hour that runs, as far as `until`, Wh. */
export interface OwnRunning {
  ean: string;
  t: number;
  until: number;
  quality: 'estimated' | 'missing';
  withdrawn_wh: Maybe;
  received_wh: Maybe;
  given_wh: Maybe;
}

export interface OwnEnergy {
  t: number[];
  points: OwnPoint[];
  running: OwnRunning[];
}

export interface OwnStatement {
  id: string;
  month: string;
  status: 'final' | 'correction';
  side: 'consumer' | 'producer';
  energy_wh: number;
  gross: string;
}

export interface MembersHistory {
  t: number[];
  withdrawn_wh: Maybe[];
  received_wh: Maybe[];
  members: number[];
}

/** A site in a quarter-hour, or in several: Wh. */
export interface Share {
  id: string;
  withdrawn_wh: Maybe;
  received_wh: number;
  residual_wh: Maybe;
  given_wh: number;
  surplus_wh: Maybe;
}

export interface SharedQuarter {
  t: number;
  quality: Quality;
  /** Why it is held, in English; null: it is not. */
  held: string | null;
  shares: Share[];
}

/** The quarter-hour that runs, shared as if it ended at `until`; `shares` is empty where single sites are not to be seen. */
export interface RunningQuarter extends SharedQuarter {
  until: number;
  withdrawn_wh: number;
  injected_wh: number;
  shared_wh: number;
}

export interface SharingTotal extends Share {
  injected_wh: number;
  coverage: Maybe;
}

export interface Sharing {
  from: number;
  to: number;
  participants: { id: string; name: string }[];
  quarters: SharedQuarter[];
  totals: SharingTotal[];
  summary: { withdrawn_wh: number; injected_wh: number; shared_wh: number; self_sufficiency: Maybe; held: number };
  running: RunningQuarter | null;
}

export interface CarWish {
  ready_at: number;
  energy_wh: number;
  by: string;
  t: number;
}

export interface MachineRun {
  earliest: number;
  finish_by: number;
  by: string;
  t: number;
  started_at: Maybe;
  planned_at: Maybe;
}

/** A device of the register; `wants`: what a person may say that is heeded. */
export interface DeviceEntry {
  id: string;
  role: string | null;
  name: string;
  wants: 'car' | 'run' | null;
  run_s: Maybe;
  wish: CarWish | null;
  run: MachineRun | null;
}

export interface Consents {
  purposes: { purpose: string; given: boolean }[];
}
