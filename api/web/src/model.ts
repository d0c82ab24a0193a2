/** What the views are given: the translated surroundings once, and the state of things at every update. */
import type { Formatter } from './format';
import type { Language, Translator } from './i18n';
import type { Connection } from './stream';
import type { HistoryChoice } from './place';
import type { Alert, AlertTexts, CarWish, Channel, Command, Community, CommunityEntry, DeviceEntry, Plan, Rule, Sharing, Site, SiteEntry } from './types';

/** What a car is to get and until when, or between when and when a machine is to run; ms. */
export type Wanted = Pick<CarWish, 'ready_at' | 'energy_wh'> | { readonly finish_by: number; readonly earliest?: number };

/** What a reader can do. */
export interface Actions {
  chooseCommunity(id: string): void;
  chooseSite(id: string | null): void;
  /** What the history of the open site shows; it stands in the address. */
  chooseHistory(choice: HistoryChoice): void;
  chooseLanguage(language: Language): void;
  togglePause(): void;
  acknowledge(alert: string): Promise<void>;
  /** For `seconds` nobody is told; 0 ends a mute. */
  mute(alert: string, seconds: number): Promise<void>;
  evidence(alert: string): Promise<void>;
  /** An alert with its sentences in the reader's language; over the stream they come in English. */
  alertTold(alert: string): Promise<Alert>;
  /** Alerts that have cleared, the newest first. */
  pastAlerts(): Promise<Alert[]>;
  channels(): Promise<Channel[]>;
  /** What did not take the test message; empty when all did. */
  testChannel(channel: string): Promise<string>;
  releaseAll(): Promise<void>;
  /** What is planned for a community, and what the balancer does there now. */
  plan(community: string): Promise<Plan>;
  /** The sharing from `from` (ms) until now. */
  sharing(community: string, from: number): Promise<Sharing>;
  /** A site's devices as the register has them, with what is wanted of them. */
  devices(site: string): Promise<DeviceEntry[]>;
  want(device: DeviceEntry, wanted: Wanted): Promise<void>;
  takeBack(device: DeviceEntry): Promise<void>;
  useKey(key: string): void;
}

export interface Context {
  readonly words: Translator;
  readonly format: Formatter;
  readonly actions: Actions;
  siteName(id: string): string;
  communityName(id: string): string;
  /** What an alert of a rule means in the reader's language; null while the rules are not known. */
  alertTexts(alert: Alert): AlertTexts | null;
}

export interface Model {
  /** The server's time, ms; the reader's own before the first snapshot. */
  readonly now: number;
  readonly connection: Connection;
  readonly received: boolean;
  /** What the reader's key may do anywhere: `read`, `command`, `settle`, ... */
  readonly rights: ReadonlySet<string>;
  /** The key sees sums over communities, and no site. */
  readonly sumsOnly: boolean;
  /** The key is a member's, who has a page of its own. */
  readonly member: boolean;
  readonly paused: boolean;
  /** For how long the numbers have not got newer, ms; null when there are none. */
  readonly silence: number | null;
  readonly stale: boolean;
  readonly entries: readonly CommunityEntry[];
  readonly communityId: string | null;
  readonly community: Community | null;
  readonly sites: readonly Site[];
  readonly site: Site | null;
  readonly siteEntry: SiteEntry | null;
  readonly history: HistoryChoice;
  readonly alerts: readonly Alert[];
  readonly rules: readonly Rule[];
  readonly leases: readonly Command[];
}

export interface View {
  readonly element: HTMLElement;
  update(model: Model): void;
}
