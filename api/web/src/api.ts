/** Calls to the API: addresses relative to the page, the reader's access key, errors as problem+json. */
import type { Wanted } from './model';
import type { Building, Portfolio } from './buildings/types';
import type {
  Alert,
  Channel,
  CommunityEntry,
  CommunityHistory,
  Forecast,
  Consents,
  DeviceEntry,
  Me,
  MembersHistory,
  OwnEnergy,
  OwnStatement,
  Plan,
  Problem,
  Rule,
  Sharing,
  SiteEntry,
  SiteHistory,
} from './types';
import type { Question, Sizing } from './sizing/types';
import type { MonthVersion, Reopened, Statement } from './statements/types';

const KEY_SLOT = 'commonwatt.key';

/** The API said no, or could not be reached (`status` 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly hint: string,
    readonly problem: Partial<Problem> = {},
  ) {
    super(detail);
  }

  /** Whether a key, or another one, may help. */
  get needsKey(): boolean {
    return this.status === 401 || this.status === 403;
  }
}

/** The key lives as long as the browser's tab. */
export function accessKey(): string {
  return sessionStorage.getItem(KEY_SLOT) ?? '';
}

export function setAccessKey(key: string): void {
  if (key) sessionStorage.setItem(KEY_SLOT, key);
  else sessionStorage.removeItem(KEY_SLOT);
}

export function authorized(headers: Record<string, string> = {}): Record<string, string> {
  const key = accessKey();
  return key ? { ...headers, Authorization: `Bearer ${key}` } : headers;
}

/** The error of a response that is not 2xx. */
export async function errorOf(response: Response): Promise<ApiError> {
  const problem = (await response.json().catch(() => ({}))) as Partial<Problem>;
  const detail = problem.detail ?? problem.title ?? response.statusText;
  return new ApiError(response.status, problem.code ?? 'unknown', detail, problem.hint ?? '', problem);
}

async function request(path: string, init: RequestInit = {}): Promise<Response> {
  const response = await fetch(`api/v1/${path}`, { ...init, headers: authorized(init.body ? { 'Content-Type': 'application/json' } : {}) }).catch((error: unknown) => {
    if (init.signal?.aborted) throw error;
    throw new ApiError(0, 'unreachable', String(error), '');
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await (await request(path, signal ? { signal } : {})).json()) as T;
}

export async function communities(): Promise<CommunityEntry[]> {
  return (await get<{ communities: CommunityEntry[] }>('communities')).communities;
}

export async function buildings(community: string): Promise<Portfolio> {
  return get(`communities/${encodeURIComponent(community)}/indicators`);
}

/** A building's year, its place among others and what could be saved in it. */
export async function accountsOf(site: string): Promise<Building> {
  return get(`sites/${encodeURIComponent(site)}/indicators`);
}

export async function sites(): Promise<SiteEntry[]> {
  return (await get<{ sites: SiteEntry[] }>('sites')).sites;
}

/** `from` and `to` in ms. */
export function communityHistory(id: string, from: number, to: number, signal: AbortSignal): Promise<CommunityHistory> {
  const query = new URLSearchParams({ from: iso(from), to: iso(to) });
  return get(`communities/${encodeURIComponent(id)}/history?${query}`, signal);
}

/** The quarter-hours to come. */
export function forecast(id: string, signal: AbortSignal): Promise<Forecast> {
  return get(`communities/${encodeURIComponent(id)}/forecast`, signal);
}

export interface SiteQuery {
  readonly site: string;
  readonly quantity: string;
  readonly from: number;
  readonly to: number;
  readonly step: string;
}

function siteHistoryPath(query: SiteQuery, format?: string): string {
  const { site, quantity, from, to, step } = query;
  const parameters = new URLSearchParams({ quantity, from: iso(from), to: iso(to), step });
  if (format) parameters.set('format', format);
  return `sites/${encodeURIComponent(site)}/history?${parameters}`;
}

export function siteHistory(query: SiteQuery, signal: AbortSignal): Promise<SiteHistory> {
  return get(siteHistoryPath(query), signal);
}

export function siteCsvAddress(query: SiteQuery): string {
  return `api/v1/${siteHistoryPath(query, 'csv')}`;
}

export async function siteCsv(query: SiteQuery): Promise<Blob> {
  return (await request(siteHistoryPath(query, 'csv'))).blob();
}

/** The sharing of the quarter-hours from `from` (ms) until now, and of the one that runs. */
export function sharing(community: string, from: number): Promise<Sharing> {
  return get(`communities/${encodeURIComponent(community)}/sharing?${new URLSearchParams({ from: iso(from) })}`);
}

export async function devices(site: string): Promise<DeviceEntry[]> {
  return (await get<{ devices: DeviceEntry[] }>(`sites/${encodeURIComponent(site)}/devices`)).devices;
}

/** `ixl-depot/ev-1` as the path of what its car wants, or of a machine's run. */
function wantedPath({ id, wants }: DeviceEntry): string {
  const [site = '', name = ''] = id.split('/', 2).map(encodeURIComponent);
  return `sites/${site}/${wants === 'car' ? `chargers/${name}/wish` : `machines/${name}/run`}`;
}

export async function want(device: DeviceEntry, wanted: Wanted): Promise<void> {
  await request(wantedPath(device), { method: 'PUT', body: JSON.stringify(wanted) });
}

export async function takeBack(device: DeviceEntry): Promise<void> {
  await request(wantedPath(device), { method: 'DELETE' });
}

export async function rules(): Promise<Rule[]> {
  return (await get<{ rules: Rule[] }>('alerts/rules')).rules;
}

export function plan(community: string, language: string): Promise<Plan> {
  return get(`communities/${encodeURIComponent(community)}/plan?lang=${language}`);
}

/** The newest alerts, open ones first. */
export async function alerts(language: string): Promise<Alert[]> {
  return (await get<{ alerts: Alert[] }>(`alerts?limit=200&lang=${language}`)).alerts;
}

export async function channels(): Promise<Channel[]> {
  return (await get<{ channels: Channel[] }>('channels')).channels;
}

/** What did not take the test message; empty when all did. */
export async function testChannel(channel: string): Promise<string> {
  const answer = await request(`channels/${encodeURIComponent(channel)}/test`, { method: 'POST' });
  return ((await answer.json()) as { problem: string }).problem;
}

export async function acknowledge(alert: string): Promise<void> {
  await request(`alerts/${encodeURIComponent(alert)}/ack`, { method: 'POST' });
}

/** For `seconds` nobody is told; 0 ends a mute. */
export async function mute(alert: string, seconds: number): Promise<void> {
  const path = `alerts/${encodeURIComponent(alert)}`;
  if (seconds === 0) await request(`${path}/unmute`, { method: 'POST' });
  else await request(`${path}/mute`, { method: 'POST', body: JSON.stringify({ for_s: seconds }) });
}

export async function evidenceCsv(alert: string, language: string): Promise<Blob> {
  return (await request(`alerts/${encodeURIComponent(alert)}/evidence?format=csv&lang=${language}`)).blob();
}

/** An alert with its sentences in the reader's language. */
export function alertIn(alert: string, language: string): Promise<Alert> {
  return get(`alerts/${encodeURIComponent(alert)}?lang=${language}`);
}

export function sizing(community: string, { yield_kwh, ...question }: Question): Promise<Sizing> {
  const query = new URLSearchParams(yield_kwh ? { ...question, yield_kwh } : question);
  return get(`communities/${encodeURIComponent(community)}/sizing?${query}`);
}

export async function releaseAll(): Promise<void> {
  await request('commands/release-all', { method: 'POST' });
}

export function me(): Promise<Me> {
  return get('me');
}

/** `from` and `to` in ms. */
export function ownEnergy(from: number, to: number): Promise<OwnEnergy> {
  return get(`me/energy?${new URLSearchParams({ from: iso(from), to: iso(to) })}`);
}

export async function ownStatements(): Promise<OwnStatement[]> {
  return (await get<{ statements: OwnStatement[] }>('me/statements')).statements;
}

/** One statement with its lines. */
export function statement(id: string): Promise<Statement> {
  return get(`statements/${encodeURIComponent(id)}`);
}

/** A version of a community's month, the last one where none is named. */
export function settledMonth(community: string, month: string, version?: number): Promise<MonthVersion> {
  const query = new URLSearchParams(version === undefined ? { month } : { month, version: String(version) });
  return get(`communities/${encodeURIComponent(community)}/statements?${query}`);
}

/** Months that late readings contradict. */
export function reopenedMonths(community: string): Promise<{ readonly months: readonly Reopened[] }> {
  return get(`communities/${encodeURIComponent(community)}/statements/reopened`);
}

/** Credit notes and documents anew, with the readings that reopened the month. */
export async function correctMonth(community: string, month: string, why: string): Promise<void> {
  await request(`communities/${encodeURIComponent(community)}/statements/correction`, { method: 'POST', body: JSON.stringify({ month, why }) });
}

/** A statement or document in a form to take along. */
export async function paper(path: string, form: string): Promise<Blob> {
  const response = await fetch(`api/v1/${path}`, { headers: authorized({ Accept: form }) });
  if (!response.ok) throw await errorOf(response);
  return response.blob();
}

export function membersHistory(community: string, from: number, to: number): Promise<MembersHistory> {
  const query = new URLSearchParams({ from: iso(from), to: iso(to) });
  return get(`communities/${encodeURIComponent(community)}/members/history?${query}`);
}

export function consents(): Promise<Consents> {
  return get('me/consents');
}

export async function decide(purpose: string, agrees: boolean): Promise<Consents> {
  const answer = await request(`me/consents/${encodeURIComponent(purpose)}`, { method: agrees ? 'PUT' : 'DELETE' });
  return (await answer.json()) as Consents;
}

function iso(t: number): string {
  return new Date(t).toISOString();
}
