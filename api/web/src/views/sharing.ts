/** Who receives and gives what: in the quarter-hour that runs, and today; quarter-hours that are held, and for whose sake. */
import { dayOf, startOf } from '../days';
import { h, KeyedList, setHidden, setText, spoken, type Row } from '../dom';
import type { Key } from '../i18n';
import type { Context, Model, View } from '../model';
import { STEP_MS } from '../series';
import type { RunningQuarter, Share, SharedQuarter, Sharing } from '../types';
import { problemText } from './wording';

const RUNNING_EVERY_MS = 10_000;
const TODAY_EVERY_MS = 5 * 60_000;
const SETTLE_MS = 3 * 60_000;
const QUARTER_MS = STEP_MS['15m'];
const MOST_HELD = 12;
const COLUMNS = ['site', 'withdrawn', 'received', 'given'] as const;

function shareRow({ words, format, siteName }: Context): Row<Share> {
  const name = h('th', { scope: 'row' });
  const [withdrawn, received, given] = [h('td', { class: 'amount' }), h('td', { class: 'amount' }), h('td', { class: 'amount' })];
  return {
    element: h('tr', {}, name, withdrawn, received, given),
    update({ id, withdrawn_wh, received_wh, given_wh }) {
      const covered = withdrawn_wh ? ` (${format.percent(received_wh / withdrawn_wh)})` : '';
      setText(name, siteName(id));
      setText(withdrawn, withdrawn_wh === null ? words.text('page.value.unknown') : format.energy(withdrawn_wh));
      setText(received, `${format.energy(received_wh)}${covered}`);
      setText(given, format.energy(given_wh));
    },
  };
}

interface Shares {
  readonly element: HTMLElement;
  update(shares: readonly Share[]): void;
}

function shareTable(context: Context, title: Key): Shares {
  const { words } = context;
  const body = h('tbody');
  const rows = new KeyedList<Share>(body, ({ id }) => id, () => shareRow(context));
  const heads = COLUMNS.map((column) => h('th', { scope: 'col', class: column === 'site' ? '' : 'amount' }, words.text(`sharing.column.${column}`)));
  const caption = h('caption', {}, spoken(words.text(title)));
  const table = h('table', { class: 'shares' }, caption, h('thead', {}, h('tr', {}, ...heads)), body);
  const element = h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words.text(title) }, table);
  return {
    element,
    update(shares) {
      rows.update(shares);
      setHidden(element, shares.length === 0);
    },
  };
}

/** Energies and what they make of each other, as one sentence. */
function sums({ words, format }: Context, of: { withdrawn_wh: number; injected_wh: number; shared_wh: number }): string {
  const { withdrawn_wh, injected_wh, shared_wh } = of;
  const [withdrawn, given, shared] = [withdrawn_wh, injected_wh, shared_wh].map((energy) => format.energy(energy));
  const values = { withdrawn: withdrawn ?? '', given: given ?? '', shared: shared ?? '' };
  if (withdrawn_wh === 0) return words.text('sharing.sums.nothing', values);
  return words.text('sharing.sums.told', { ...values, covered: format.percent(shared_wh / withdrawn_wh) });
}

/** Why a quarter-hour is held, with its sites by name as far as the reason names them. */
function whyHeld({ words, siteName }: Context, held: string, sites: readonly string[]): string {
  const said = new Set(held.split(/[\s,]+/));
  const named = sites.filter((id) => said.has(id)).map(siteName);
  if (named.length === 0) return words.text('sharing.held.some');
  return words.text(said.has('more') ? 'sharing.held.more' : 'sharing.held.sites', { sites: named.join(', ') });
}

interface Running {
  readonly element: HTMLElement;
  update(running: RunningQuarter | null, sites: readonly string[], now: number): void;
  /** Time goes on between two answers. */
  tick(now: number): void;
}

function runningView(context: Context): Running {
  const { words, format } = context;
  const when = h('p');
  const held = h('p', { class: 'wrong' });
  const sum = h('p');
  const left = h('progress', { max: '1', 'aria-label': words.text('sharing.running.progress') });
  const table = shareTable(context, 'sharing.running.title');
  let shown: RunningQuarter | null = null;
  return {
    element: h('div', {}, h('h3', {}, words.text('sharing.running.title')), when, left, held, sum, table.element),
    update(running, sites, now) {
      shown = running;
      const unheld = running !== null && running.held === null;
      setText(held, running?.held ? whyHeld(context, running.held, sites) : '');
      setText(sum, unheld ? sums(context, running) : '');
      table.update(running?.shares ?? []);
      setHidden(left, running === null);
      if (running === null) setText(when, words.text('sharing.running.unknown'));
      this.tick(now);
    },
    tick(now) {
      if (shown === null) return;
      const remaining_ms = shown.t + QUARTER_MS - now;
      left.value = Math.min(Math.max(1 - remaining_ms / QUARTER_MS, 0), 1);
      const values = { from: format.time(shown.t), to: format.time(shown.t + QUARTER_MS), until: format.clock(shown.until), left: format.duration(remaining_ms / 1000) };
      setText(when, words.text(remaining_ms > 0 ? 'sharing.running.when' : 'sharing.running.over', values));
    },
  };
}

function heldRow(context: Context, sites: () => readonly string[]): Row<SharedQuarter> {
  const { format } = context;
  const time = h('b');
  const why = h('span');
  return {
    element: h('li', {}, time, ' ', why),
    update({ t, held }) {
      setText(time, `${format.time(t)}–${format.time(t + QUARTER_MS)}`);
      setText(why, whyHeld(context, held ?? '', sites()));
    },
  };
}

function todayView(context: Context): { element: HTMLElement; update(found: Sharing): void } {
  const { words } = context;
  const state = h('p');
  const sum = h('p');
  const table = shareTable(context, 'sharing.today.title');
  const list = h('ul', { class: 'rules' });
  const summary = h('summary');
  const details = h('details', {}, summary, list);
  let sites: readonly string[] = [];
  const rows = new KeyedList<SharedQuarter>(list, ({ t }) => String(t), () => heldRow(context, () => sites));
  return {
    element: h('div', {}, h('h3', {}, words.text('sharing.today.title')), state, sum, table.element, details),
    update({ from, to, participants, quarters, totals, summary: told }) {
      const all = (to - from) / QUARTER_MS;
      sites = participants.map(({ id }) => id);
      setText(state, all === 0 ? words.text('sharing.today.none') : words.text('sharing.today.settled', { settled: all - told.held, all }));
      setText(sum, all - told.held > 0 ? sums(context, told) : '');
      table.update(all - told.held > 0 ? totals : []);
      const held = quarters.filter((quarter) => quarter.held !== null).reverse();
      setText(summary, words.count('sharing.today.held', told.held));
      setHidden(details, held.length === 0);
      rows.update(held.slice(0, MOST_HELD));
    },
  };
}

class SharingView implements View {
  readonly element: HTMLElement;
  private readonly running;
  private readonly today;
  private readonly problem = h('p', { class: 'note', role: 'status' });
  private readonly body: HTMLElement;
  private community: string | null = null;
  private first = '';
  private named = '';
  private runningAt = -Infinity;
  private todayAt = -Infinity;
  private quarter = 0;

  constructor(private readonly context: Context) {
    const { words } = context;
    this.running = runningView(context);
    this.today = todayView(context);
    this.body = h('div', { class: 'sharing-parts', hidden: true }, this.running.element, this.today.element);
    this.element = h(
      'section',
      { class: 'panel', 'aria-labelledby': 'sharing-title' },
      h('h2', { id: 'sharing-title' }, words.text('sharing.section.title')),
      h('p', { class: 'note' }, words.text('sharing.section.note')),
      this.problem,
      this.body,
    );
    setText(this.problem, words.text('chart.state.loading'));
  }

  update({ communityId, received, sumsOnly, now }: Model): void {
    if (communityId === null || !(received || sumsOnly)) return;
    const [quarter, name] = [now - (now % QUARTER_MS), this.context.siteName(this.first)];
    const changed = communityId !== this.community || name !== this.named; // names may come later than numbers
    [this.community, this.named] = [communityId, name];
    if (changed || Date.now() - this.runningAt >= RUNNING_EVERY_MS) {
      this.runningAt = Date.now();
      void this.read(communityId, quarter - 1, (found) => this.running.update(found.running, found.participants.map(({ id }) => id), now));
    }
    const over = quarter !== this.quarter && now - quarter >= SETTLE_MS;
    if (changed || over || Date.now() - this.todayAt >= TODAY_EVERY_MS) {
      this.todayAt = Date.now();
      this.quarter = quarter;
      const midnight = startOf(dayOf(now, this.context.format.timeZone), this.context.format.timeZone);
      void this.read(communityId, midnight, (found) => this.today.update(found));
    }
    this.running.tick(now);
  }

  private async read(community: string, from: number, show: (found: Sharing) => void): Promise<void> {
    try {
      const found = await this.context.actions.sharing(community, from);
      if (community !== this.community) return;
      setText(this.problem, '');
      setHidden(this.body, false);
      this.first = found.participants[0]?.id ?? '';
      this.named = this.context.siteName(this.first);
      show(found);
    } catch (error) {
      if (community !== this.community) return;
      setHidden(this.body, true);
      setText(this.problem, problemText(this.context, error));
    }
  }
}

export function sharingView(context: Context): View {
  return new SharingView(context);
}
