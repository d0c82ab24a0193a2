/** A site's history: one quantity over a span that counts back from now, or over chosen days; as chart, in words, as a table and a file. */
import { accessKey, siteCsv, siteCsvAddress, siteHistory, type SiteQuery } from '../api';
import { dayOf, shifted, startOf } from '../days';
import { h, setHidden } from '../dom';
import type { Context, Model } from '../model';
import { NO_CHOICE, type HistoryChoice } from '../place';
import { STEP_MS, stepFor, summarise, withGaps, type Step, type Table } from '../series';
import type { SiteHistory } from '../types';
import { TimeChart } from './chart';
import { problemText } from './wording';

const HOUR_MS = 3_600_000;
const SETTLE_MS = 3 * 60_000;
const QUANTITIES = ['consumption_w', 'pv_w', 'grid_w', 'battery_w'] as const;
type Quantity = (typeof QUANTITIES)[number];
const COLOURS: Record<Quantity, string> = { consumption_w: 'consumption', pv_w: 'pv', grid_w: 'import', battery_w: 'battery' };
const SPANS = { '24h': 24, '6h': 6, '7d': 168 } as const;
type Span = keyof typeof SPANS | 'days';
const STEPS = ['auto', ...Object.keys(STEP_MS)] as (Step | 'auto')[];

/** The query that a choice stands for, null while it stands for none. */
interface Asked {
  readonly query: SiteQuery & { step: Step };
  readonly quantity: Quantity;
}

function choice<T extends string>(id: string, label: string, options: readonly [T, string][], chosen: (value: T) => void): HTMLSelectElement & { label: HTMLElement } {
  const select = h('select', { id, change: () => chosen(select.value as T) });
  select.append(...options.map(([value, text]) => h('option', { value }, text)));
  return Object.assign(select, { label: h('label', { for: id }, h('span', {}, label), select) });
}

/** What the address says where it is one of what there is, else the first. */
function oneOf<T extends string>(all: readonly T[], wanted: string | null): T {
  return all.find((each) => each === wanted) ?? (all[0] as T);
}

/** `points` of the first series as the chart's table. */
function toTable(history: SiteHistory): Table {
  const points = history.series[0]?.points ?? [];
  return { t: points.map(([t]) => t), columns: [points.map(([, value]) => value)] };
}

export class SiteHistoryView {
  readonly element: HTMLElement;
  private readonly holder = h('div');
  private readonly csv: HTMLAnchorElement;
  private readonly quantity;
  private readonly span;
  private readonly step;
  private readonly days: readonly [HTMLInputElement, HTMLInputElement];
  private readonly dayFields: HTMLElement;
  private chart: TimeChart | null = null;
  private abort = new AbortController();
  private site: string | null = null;
  private shown = '';
  private now = 0;

  constructor(private readonly context: Context) {
    const { words } = context;
    const changed = (): void => this.chosen();
    this.quantity = choice('site-quantity', words.text('site.quantity.label'), QUANTITIES.map((name): [Quantity, string] => [name, words.text(`site.quantity.${name}`)]), changed);
    const spans = [...(Object.keys(SPANS) as Span[]), 'days' as const];
    this.span = choice('site-span', words.text('site.span.label'), spans.map((name): [Span, string] => [name, words.text(`site.span.${name}`)]), () => this.chooseSpan());
    this.step = choice('site-step', words.text('site.step.label'), STEPS.map((name): [Step | 'auto', string] => [name, words.text(`site.step.${name}`)]), changed);
    this.days = [h('input', { id: 'site-from', type: 'date', change: changed }), h('input', { id: 'site-to', type: 'date', change: changed })];
    const [from, to] = this.days;
    this.dayFields = h(
      'div',
      { class: 'choices days', role: 'group', 'aria-label': words.text('site.range.label') },
      h('label', { for: 'site-from' }, h('span', {}, words.text('site.range.from')), from),
      h('label', { for: 'site-to' }, h('span', {}, words.text('site.range.to')), to),
    );
    this.csv = h('a', { class: 'button', download: true, click: (event) => void this.download(event) }, words.text('site.csv.link'));
    this.element = h('div', {}, h('div', { class: 'choices' }, this.quantity.label, this.span.label, this.dayFields, this.step.label, this.csv), this.holder);
  }

  /** Loads when another site is opened, or the address says something else to show. */
  update({ site, history, now }: Model): void {
    this.now = now;
    const wanted = site === null ? '' : JSON.stringify([site.id, history]);
    if (wanted === this.shown) return;
    [this.shown, this.site] = [wanted, site?.id ?? null];
    if (site === null) return;
    this.fill(history);
    this.load();
  }

  private fill(history: HistoryChoice): void {
    const [from, to] = this.days;
    this.quantity.value = oneOf(QUANTITIES, history.quantity);
    this.span.value = history.from !== null && history.to !== null ? 'days' : oneOf(Object.keys(SPANS), history.span);
    this.step.value = oneOf(STEPS, history.step);
    [from.value, to.value] = [history.from ?? '', history.to ?? ''];
    const today = dayOf(this.now, this.context.format.timeZone);
    [from.max, to.max] = [today, today];
    setHidden(this.dayFields, this.span.value !== 'days');
  }

  private chooseSpan(): void {
    const [from, to] = this.days;
    const today = dayOf(this.now, this.context.format.timeZone);
    if (this.span.value === 'days' && !from.value) [from.value, to.value] = [shifted(today, -6), today];
    this.chosen();
  }

  /** What is chosen goes into the address; what the page begins with is left out of it. */
  private chosen(): void {
    const said = (select: HTMLSelectElement): string | null => (select.selectedIndex === 0 ? null : select.value);
    const [from, to] = this.days.map(({ value }) => value || null);
    const days = this.span.value === 'days';
    const range = days ? { span: null, from: from ?? null, to: to ?? null } : { span: said(this.span), from: null, to: null };
    if (days && !(from && to)) return;
    this.context.actions.chooseHistory({ ...NO_CHOICE, quantity: said(this.quantity), step: said(this.step), ...range });
  }

  private asked(): Asked | null {
    const zone = this.context.format.timeZone;
    const [first, last] = this.days.map(({ value }) => value);
    const quantity = oneOf(QUANTITIES, this.quantity.value);
    const hours = SPANS[this.span.value as keyof typeof SPANS];
    const days = this.span.value === 'days';
    const from = days ? startOf(first ?? '', zone) : this.now - hours * HOUR_MS;
    const to = days ? Math.min(startOf(shifted(last ?? '', 1), zone), this.now) : this.now;
    if (!(from < to)) return null;
    const step = this.step.value === 'auto' ? stepFor(to - from) : (this.step.value as Step);
    return { query: { site: this.site ?? '', quantity, from, to, step }, quantity };
  }

  private load(): void {
    const { words } = this.context;
    this.abort.abort();
    this.chart?.destroy();
    const asked = this.asked();
    if (asked === null) {
      this.csv.removeAttribute('href');
      this.holder.replaceChildren(h('p', { class: 'wrong', role: 'alert' }, words.text('site.range.wrong')));
      return;
    }
    const { query, quantity } = asked;
    this.csv.href = siteCsvAddress(query);
    const label = words.text(`site.quantity.${quantity}`);
    this.chart = new TimeChart(this.context, [{ label, colour: COLOURS[quantity], dash: [] }], 'site-table', `${this.context.siteName(query.site)}, ${label}`);
    this.holder.replaceChildren(this.chart.element);
    this.chart.say(words.text('chart.state.loading'));
    void this.read(this.chart, query, label);
  }

  private async read(chart: TimeChart, query: SiteQuery & { step: Step }, label: string): Promise<void> {
    const { signal } = (this.abort = new AbortController());
    try {
      const step_ms = STEP_MS[query.step];
      const table = withGaps(toTable(await siteHistory(query, signal)), step_ms, query.from, query.to);
      chart.show(table, step_ms, this.summary(table, step_ms, label));
    } catch (error) {
      if (!signal.aborted) chart.say(problemText(this.context, error));
    }
  }

  private summary({ t, columns }: Table, step_ms: number, name: string): string {
    const { words, format } = this.context;
    const { energy_wh, peak, missing } = summarise(t, columns[0] ?? [], step_ms, this.now - SETTLE_MS);
    if (!peak) return words.text('chart.summary.unknown', { name });
    const facts = { name, energy: format.energy(energy_wh), peak: format.power(peak.power_w), time: format.moment(peak.t) };
    const gaps = missing > 0 ? words.count('chart.summary.intervals', missing) : words.text('chart.summary.complete');
    return `${words.text('chart.summary.series', facts)} ${gaps}`;
  }

  /** A plain link cannot carry the access key, so with one the file is fetched first. */
  private async download(event: Event): Promise<void> {
    const asked = this.asked();
    if (!accessKey() || asked === null) return;
    event.preventDefault();
    try {
      const address = URL.createObjectURL(await siteCsv(asked.query));
      h('a', { href: address, download: `${this.site}-${asked.quantity}-${asked.query.step}.csv` }).click();
      URL.revokeObjectURL(address);
    } catch (error) {
      this.chart?.say(problemText(this.context, error));
    }
  }
}
