/** Starts the page: takes the stream in, keeps what the reader chose, and redraws when there is something new. */
import '@fontsource-variable/atkinson-hyperlegible-next/index.css';
import './styles/tokens.css';
import './styles/page.css';
import './styles/panels.css';
import './styles/sharing.css';
import './styles/print.css';
import * as api from './api';
import { h } from './dom';
import { Formatter } from './format';
import { Freshness, SILENCE_LIMIT_MS } from './freshness';
import { LANGUAGE_SLOT, LOCALES, rememberedLanguage, Translator, type Language } from './i18n';
import type { Actions, Model, View, Wanted } from './model';
import { openAlerts } from './order';
import { NO_CHOICE, readPlace, writePlace, type HistoryChoice, type Place } from './place';
import { activeLeases, applyEvent, EMPTY, type LiveState } from './state';
import { LiveStream } from './stream';
import type { Alert, AlertTexts, Channel, Community, CommunityEntry, DeviceEntry, Me, Plan, Rule, Sharing, Site, SiteEntry, Snapshot } from './types';
import { page } from './views/page';

const DEFAULT_TIME_ZONE = 'Europe/Brussels';

function seesSums({ rights }: Me): boolean {
  return rights.includes('aggregate') && !rights.includes('read');
}

class Application implements Actions {
  private state: LiveState = EMPTY;
  private entries: readonly CommunityEntry[] = [];
  private siteEntries: ReadonlyMap<string, SiteEntry> = new Map();
  private rules: ReadonlyMap<string, Rule> = new Map();
  private me: Me | null = null;
  /** How far the server's clock is ahead of the reader's, where no live number tells it. */
  private ahead_ms = 0;
  private place: Place = readPlace(location.hash);
  private language: Language = rememberedLanguage();
  private paused = false;
  private drawing = false;
  private view: View | null = null;
  private timeZone = DEFAULT_TIME_ZONE;
  private readonly freshness = new Freshness();
  private readonly stream = new LiveStream(
    (event, data) => this.receive(event, data),
    () => this.connectionChanged(),
  );

  constructor(private readonly root: HTMLElement) {
    this.build();
    window.addEventListener('hashchange', () => this.go(readPlace(location.hash)));
    window.setInterval(() => this.redraw(), 1000);
    void this.stream.run();
  }

  chooseCommunity(id: string): void {
    this.go({ community: id, site: null });
  }

  chooseSite(id: string | null): void {
    this.go({ ...this.place, community: this.communityId(), site: id });
  }

  chooseHistory(history: HistoryChoice): void {
    this.go({ ...this.place, community: this.communityId(), history });
  }

  chooseLanguage(language: Language): void {
    this.language = language;
    localStorage.setItem(LANGUAGE_SLOT, language);
    this.build();
    this.root.querySelector<HTMLElement>('.languages [aria-pressed="true"]')?.focus();
  }

  togglePause(): void {
    this.draw();
    this.paused = !this.paused;
    this.draw(true);
  }

  async acknowledge(alert: string): Promise<void> {
    await api.acknowledge(alert);
  }

  async mute(alert: string, seconds: number): Promise<void> {
    await api.mute(alert, seconds);
  }

  async evidence(alert: string): Promise<void> {
    const address = URL.createObjectURL(await api.evidenceCsv(alert, this.language));
    h('a', { href: address, download: `${alert}.csv` }).click();
    URL.revokeObjectURL(address);
  }

  alertTold(alert: string): Promise<Alert> {
    return api.alertIn(alert, this.language);
  }

  async pastAlerts(): Promise<Alert[]> {
    const community = this.communityId();
    return (await api.alerts(this.language)).filter((alert) => alert.state === 'cleared' && alert.community === community);
  }

  channels(): Promise<Channel[]> {
    return api.channels();
  }

  testChannel(channel: string): Promise<string> {
    return api.testChannel(channel);
  }

  async releaseAll(): Promise<void> {
    await api.releaseAll();
  }

  plan(community: string): Promise<Plan> {
    return api.plan(community, this.language);
  }

  sharing(community: string, from: number): Promise<Sharing> {
    return api.sharing(community, from);
  }

  devices(site: string): Promise<DeviceEntry[]> {
    return api.devices(site);
  }

  want(device: DeviceEntry, wanted: Wanted): Promise<void> {
    return api.want(device, wanted);
  }

  takeBack(device: DeviceEntry): Promise<void> {
    return api.takeBack(device);
  }

  useKey(key: string): void {
    api.setAccessKey(key);
    this.me = null;
    this.stream.retry();
  }

  private receive(event: string, data: unknown): void {
    const now = Date.now();
    if (event === 'snapshot') this.freshness.snapshot(data as Snapshot, now);
    if (event === 'site') this.freshness.news((data as Site).community, (data as Site).t, now);
    if (event === 'community') this.freshness.news((data as Community).id, (data as Community).t, now);
    this.state = applyEvent(this.state, event, data);
    this.redraw();
  }

  /** Names may change while the stream was away, so they are read again with every new connection. */
  private connectionChanged(): void {
    const { state } = this.stream.connection;
    if (state === 'live') void this.readRegister();
    if (state === 'refused' && this.me === null) void this.readSums();
    this.redraw();
  }

  /** A key that may not look at sites may still be a councillor's or a member's: it sees sums. */
  private async readSums(): Promise<void> {
    try {
      const me = await api.me();
      if (seesSums(me)) {
        this.entries = await api.communities();
        const plan = await api.plan(this.communityId() ?? '', this.language).catch(() => null);
        this.ahead_ms = plan === null ? 0 : plan.t - Date.now();
      }
      this.me = me;
    } catch {
      this.me = null; // a wrong key, or none: the page asks for one
    }
    this.redraw();
  }

  private sumsOnly(): boolean {
    return this.stream.connection.state === 'refused' && this.me !== null && seesSums(this.me);
  }

  private async readRegister(): Promise<void> {
    try {
      const [me, entries, sites, rules] = await Promise.all([api.me(), api.communities(), api.sites(), api.rules()]);
      this.me = me;
      this.entries = entries;
      this.rules = new Map(rules.map((rule) => [`${rule.community}/${rule.id}`, rule]));
      this.siteEntries = new Map(sites.map((site) => [site.id, site]));
    } catch (error) {
      console.warn('names of communities and sites are not available', error);
    }
    this.redraw();
  }

  private go(place: Place): void {
    this.place = place;
    const hash = writePlace(place);
    if (location.hash !== hash) history.replaceState(null, '', hash);
    this.redraw();
  }

  private knownEntries(): readonly CommunityEntry[] {
    if (this.entries.length > 0) return this.entries;
    return [...this.state.communities.keys()].map((id) => ({ id, name: id, municipality: '', timezone: DEFAULT_TIME_ZONE }));
  }

  /** The community of the address, as long as it exists; else the first. */
  private communityId(): string | null {
    const entries = this.knownEntries();
    return (entries.find(({ id }) => id === this.place.community) ?? entries[0])?.id ?? null;
  }

  private model(): Model {
    const local = Date.now();
    const now = this.freshness.now(local) ?? local + this.ahead_ms;
    const communityId = this.communityId();
    const id = communityId ?? '';
    const silence = this.freshness.silence(id, local);
    const sites = [...this.state.sites.values()].filter((site) => site.community === id);
    const { connection } = this.stream;
    const { rights = [], participants = [] } = this.me ?? {};
    return {
      now,
      connection,
      received: this.state.received,
      rights: new Set(rights),
      sumsOnly: this.sumsOnly(),
      member: participants.length > 0,
      paused: this.paused,
      silence,
      stale: silence !== null && silence > SILENCE_LIMIT_MS,
      entries: this.knownEntries(),
      communityId,
      community: this.state.communities.get(id) ?? null,
      sites,
      site: sites.find((site) => site.id === this.place.site) ?? null,
      siteEntry: this.siteEntries.get(this.place.site ?? '') ?? null,
      history: this.place.history ?? NO_CHOICE,
      alerts: openAlerts(this.state.alerts.values(), id),
      rules: [...this.rules.values()].filter((rule) => rule.community === id),
      leases: activeLeases(this.state, id, now),
    };
  }

  private build(): void {
    const format = new Formatter(LOCALES[this.language], this.timeZone);
    const siteName = (id: string): string => this.siteEntries.get(id)?.name ?? id;
    const communityName = (id: string): string => this.knownEntries().find((entry) => entry.id === id)?.name ?? id;
    const alertTexts = ({ community, rule }: Alert): AlertTexts | null =>
      this.rules.get(`${community}/${rule}`)?.texts[this.language] ?? null;
    const words = new Translator(this.language);
    this.view = page({ words, format, actions: this, siteName, communityName, alertTexts });
    document.documentElement.lang = this.language;
    this.root.replaceChildren(this.view.element);
    this.draw(true);
  }

  /** Coalesces a burst of events into one drawing. */
  private redraw(): void {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => this.draw());
  }

  private draw(evenPaused = false): void {
    this.drawing = false;
    if (this.paused && !evenPaused) return;
    const model = this.model();
    const timeZone = model.entries.find(({ id }) => id === model.communityId)?.timezone ?? DEFAULT_TIME_ZONE;
    if (timeZone !== this.timeZone) {
      this.timeZone = timeZone;
      this.build();
      return;
    }
    this.view?.update(model);
  }
}

const root = document.getElementById('app');
if (root) new Application(root);
