/** One site: its devices now, and its history over a chosen span. */
import { accessKey, siteCsv, siteCsvAddress, siteHistory, type SiteQuery } from '../api';
import { h, KeyedList, setAttribute, setHidden, setText, type Row } from '../dom';
import type { Key } from '../i18n';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';
import { STEP_MS, summarise, withGaps, type Step, type Table } from '../series';
import type { Device, SiteHistory } from '../types';
import { TimeChart } from './chart';
import { problemText, roleName } from './wording';

const HOUR_MS = 3_600_000;
const QUANTITIES = ['consumption_w', 'pv_w', 'grid_w', 'battery_w'] as const;
type Quantity = (typeof QUANTITIES)[number];
const COLOURS: Record<Quantity, string> = { consumption_w: 'consumption', pv_w: 'pv', grid_w: 'import', battery_w: 'battery' };
const SPANS = { '6h': { hours: 6, step: '1m' }, '24h': { hours: 24, step: '5m' }, '7d': { hours: 168, step: '15m' } } as const;
type Span = keyof typeof SPANS;

interface Shown {
  readonly device: Device;
  readonly now: number;
}

function deviceRow(context: Context): Row<Shown> {
  const { words, format } = context;
  const name = h('th', { scope: 'row' });
  const [power, soc, state, age] = [h('td', { class: 'amount' }), h('td', { class: 'amount' }), h('td'), h('td', { class: 'amount' })];
  const element = h('tr', {}, name, power, soc, state, age);
  return {
    element,
    update({ device, now }) {
      setText(name, roleName(context, device.id));
      setText(power, device.power_w === null ? words.text('page.value.unknown') : format.power(device.power_w));
      setText(soc, device.soc_pct === null ? '–' : format.percent(device.soc_pct / 100));
      const states = [device.state, device.stale && words.text('site.device.stale'), device.historical && words.text('site.device.historical')];
      setText(state, states.filter(Boolean).join(', ') || '–');
      setText(age, device.t === null ? words.text('sites.age.never') : format.duration((now - device.t) / 1000));
      setAttribute(element, 'data-stale', String(device.stale));
    },
  };
}

function choice<T extends string>(id: string, label: string, options: readonly [T, string][], chosen: (value: T) => void): HTMLElement {
  const select = h('select', { id, change: () => chosen(select.value as T) });
  select.append(...options.map(([value, text]) => h('option', { value }, text)));
  return h('label', { for: id }, h('span', {}, label), select);
}

/** `points` of the first series as the chart's table. */
function toTable(history: SiteHistory): Table {
  const points = history.series[0]?.points ?? [];
  return { t: points.map(([t]) => t), columns: [points.map(([, value]) => value)] };
}

class SiteHistoryView {
  readonly element: HTMLElement;
  private readonly holder = h('div');
  private readonly csv: HTMLAnchorElement;
  private readonly steps: HTMLElement;
  private chart: TimeChart | null = null;
  private abort = new AbortController();
  private site: string | null = null;
  private now = 0;
  private quantity: Quantity = 'consumption_w';
  private span: Span = '24h';
  private step: Step | 'auto' = 'auto';

  constructor(private readonly context: Context) {
    const { words } = context;
    const quantities = QUANTITIES.map((name): [Quantity, string] => [name, words.text(`site.quantity.${name}`)]);
    const spans = (['24h', '6h', '7d'] as const).map((name): [Span, string] => [name, words.text(`site.span.${name}`)]);
    const steps = (['auto', ...Object.keys(STEP_MS)] as (Step | 'auto')[]).map((name): [Step | 'auto', string] => [name, words.text(`site.step.${name}`)]);
    this.csv = h('a', { class: 'button', download: true, click: (event) => void this.download(event) }, words.text('site.csv.link'));
    this.steps = choice('site-step', words.text('site.step.label'), steps, (step) => this.set({ step }));
    this.element = h(
      'div',
      {},
      h(
        'div',
        { class: 'choices' },
        choice('site-quantity', words.text('site.quantity.label'), quantities, (quantity) => this.set({ quantity })),
        choice('site-span', words.text('site.span.label'), spans, (span) => this.set({ span })),
        this.steps,
        this.csv,
      ),
      this.holder,
    );
  }

  /** Loads when another site is opened; null closes. */
  open(site: string | null, now: number): void {
    this.now = now;
    if (site === this.site) return;
    this.site = site;
    if (site !== null) this.load();
  }

  private set(chosen: { quantity?: Quantity; span?: Span; step?: Step | 'auto' }): void {
    Object.assign(this, chosen);
    this.load();
  }

  private query(): SiteQuery & { step: Step } {
    const { hours, step } = SPANS[this.span];
    return {
      site: this.site ?? '',
      quantity: this.quantity,
      from: this.now - hours * HOUR_MS,
      to: this.now,
      step: this.step === 'auto' ? step : this.step,
    };
  }

  private load(): void {
    const { words } = this.context;
    const query = this.query();
    this.csv.href = siteCsvAddress(query);
    const label = words.text(`site.quantity.${this.quantity}`);
    const look = { label, colour: COLOURS[this.quantity], dash: [] };
    this.chart?.destroy();
    this.chart = new TimeChart(this.context, [look], 'site-table', `${this.context.siteName(query.site)}, ${label}`);
    this.holder.replaceChildren(this.chart.element);
    this.chart.say(words.text('chart.state.loading'));
    void this.fill(this.chart, query, label);
  }

  private async fill(chart: TimeChart, query: SiteQuery & { step: Step }, label: string): Promise<void> {
    this.abort.abort();
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
    const { energy_wh, peak, missing } = summarise(t, columns[0] ?? [], step_ms);
    if (!peak) return words.text('chart.summary.unknown', { name });
    const facts = { name, energy: format.energy(energy_wh), peak: format.power(peak.power_w), time: format.moment(peak.t) };
    const gaps = missing > 0 ? words.count('chart.summary.intervals', missing) : words.text('chart.summary.complete');
    return `${words.text('chart.summary.series', facts)} ${gaps}`;
  }

  /** A plain link cannot carry the access key, so with one the file is fetched first. */
  private async download(event: Event): Promise<void> {
    if (!accessKey()) return;
    event.preventDefault();
    try {
      const address = URL.createObjectURL(await siteCsv(this.query()));
      h('a', { href: address, download: `${this.site}-${this.quantity}.csv` }).click();
      URL.revokeObjectURL(address);
    } catch (error) {
      this.chart?.say(problemText(this.context, error));
    }
  }
}

class SitePanel implements View {
  readonly element: HTMLElement;
  private readonly title = h('h2', { id: 'site-title', tabindex: '-1' });
  private readonly about = h('p', { class: 'note' });
  private readonly devices: KeyedList<Shown>;
  private readonly history: SiteHistoryView;
  private opened: string | null | undefined;

  constructor(private readonly context: Context) {
    const { words } = context;
    const body = h('tbody');
    const columns: Key[] = ['site.device.name', 'site.device.power', 'site.device.soc', 'site.device.state', 'sites.column.age'];
    const heads = columns.map((key, index) => h('th', { scope: 'col', class: [1, 2, 4].includes(index) ? 'amount' : '' }, words.text(key)));
    this.devices = new KeyedList<Shown>(body, ({ device }) => device.id, () => deviceRow(context));
    this.history = new SiteHistoryView(context);
    const close = h('button', { type: 'button', click: () => this.close() }, icon('close'), words.text('site.panel.close'));
    this.element = h(
      'section',
      { class: 'panel site', 'aria-labelledby': 'site-title', hidden: true },
      h('div', { class: 'panel-head' }, this.title, close),
      this.about,
      h('h3', {}, words.text('site.devices.title')),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words.text('site.devices.title') }, h('table', { class: 'devices' }, h('thead', {}, h('tr', {}, ...heads)), body)),
      h('h3', {}, words.text('site.history.title')),
      this.history.element,
    );
  }

  /** The focus goes back to where the site was opened from. */
  private close(): void {
    const opener = document.querySelector<HTMLElement>('table.sites [aria-expanded="true"]');
    this.context.actions.chooseSite(null);
    opener?.focus();
  }

  update({ site, siteEntry, now }: Model): void {
    setHidden(this.element, site === null);
    const id = site?.id ?? null;
    if (site) {
      setText(this.title, this.context.siteName(site.id));
      setText(this.about, siteEntry ? [siteEntry.kind, siteEntry.gateway].filter(Boolean).join(' · ') : site.id);
      this.devices.update(site.devices.map((device) => ({ device, now })));
    }
    this.history.open(id, now);
    if (this.opened !== undefined && id !== this.opened && id !== null) this.title.focus();
    this.opened = id;
  }
}

export function sitePanel(context: Context): View {
  return new SitePanel(context);
}
