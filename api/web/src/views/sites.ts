/** All sites of the community in one table, worst first; a row opens the site. */
import { h, KeyedList, setAttribute, setHidden, setText, spoken, type Row } from '../dom';
import type { Key } from '../i18n';
import { icon, type IconName } from '../icons';
import type { Context, Model, View } from '../model';
import { lastReading, siteStatus, sortSites, WORST_FIRST, type Column, type SiteStatus, type Sort } from '../order';
import { writePlace } from '../place';
import type { Maybe, Site } from '../types';
import { roleName } from './wording';

/** Rows change places at most so often, and never under the reader's hand, ms. */
const REORDER_EVERY_MS = 10_000;

const COLUMNS: readonly { column: Column; label: Key }[] = [
  { column: 'status', label: 'sites.column.status' },
  { column: 'name', label: 'sites.column.name' },
  { column: 'age', label: 'sites.column.age' },
  { column: 'pv_w', label: 'sites.column.pv' },
  { column: 'grid_w', label: 'sites.column.grid' },
  { column: 'battery_w', label: 'sites.column.battery' },
  { column: 'consumption_w', label: 'sites.column.consumption' },
  { column: 'self_sufficiency', label: 'sites.column.sufficiency' },
];

const STATUS_ICON: Record<SiteStatus, IconName> = { ok: 'ok', estimated: 'unknown', missing: 'unknown', stale: 'stale' };

interface Shown {
  readonly site: Site;
  readonly now: number;
  readonly chosen: boolean;
}

function powerCell({ words, format }: Context, site: Site, role: string | null, value: Maybe): string {
  if (role !== null && value === null && !site.devices.some((device) => device.role === role)) return '–';
  return value === null ? words.text('page.value.unknown') : format.power(value);
}

function batteryCell(context: Context, site: Site): string {
  if (!site.devices.some((device) => device.role === 'battery')) return '–';
  const power = powerCell(context, site, 'battery', site.battery_w);
  return site.soc_pct === null ? power : `${power} · ${context.format.percent(site.soc_pct / 100)}`;
}

function statusCell(): { element: HTMLElement; update(status: SiteStatus, text: string): void } {
  const text = h('span');
  const element = h('td', { class: 'status' }, icon('ok'), icon('unknown'), icon('stale'), text);
  return {
    element,
    update(status, label) {
      setAttribute(element, 'data-status', status);
      setAttribute(element, 'data-icon', STATUS_ICON[status]);
      setText(text, label);
    },
  };
}

function statusText(context: Context, site: Site, status: SiteStatus): string {
  const devices = site.stale.map((device) => roleName(context, device)).join(', ');
  return context.words.text(`sites.status.${status}`, { devices });
}

function siteRow(context: Context, id: string): Row<Shown> {
  const { words, format, actions } = context;
  const open = h('button', { type: 'button', class: 'link' }, context.siteName(id));
  const status = statusCell();
  const cells = COLUMNS.slice(2).map(({ label }) => h('td', { class: 'amount', 'data-label': words.text(label) }));
  const element = h('tr', { click: () => actions.chooseSite(id) }, status.element, h('th', { scope: 'row' }, open), ...cells);
  return {
    element,
    update({ site, now, chosen }) {
      const rank = siteStatus(site);
      const reading = lastReading(site);
      status.update(rank, statusText(context, site, rank));
      setText(open, context.siteName(id));
      setAttribute(open, 'aria-expanded', String(chosen));
      setAttribute(element, 'data-chosen', String(chosen));
      const texts = [
        reading === null ? words.text('sites.age.never') : format.duration((now - reading) / 1000),
        powerCell(context, site, 'pv', site.pv_w),
        powerCell(context, site, null, site.grid_w),
        batteryCell(context, site),
        powerCell(context, site, null, site.consumption_w),
        site.self_sufficiency === null ? words.text('page.value.unknown') : format.percent(site.self_sufficiency),
      ];
      cells.forEach((cell, index) => {
        setText(cell, texts[index] ?? '');
        setAttribute(cell, 'data-unknown', String(texts[index] === words.text('page.value.unknown')));
      });
    },
  };
}

function headCell({ words }: Context, column: Column, label: Key, chosen: (column: Column) => void): HTMLElement {
  const button = h('button', { type: 'button', click: () => chosen(column) }, words.text(label), h('span', { class: 'arrow', 'aria-hidden': 'true' }));
  return h('th', { scope: 'col', class: column === 'status' || column === 'name' ? '' : 'amount', 'data-column': column }, button);
}

class SiteTable implements View {
  readonly element: HTMLElement;
  private readonly heads: HTMLElement[];
  private readonly body = h('tbody');
  private readonly accounts: HTMLAnchorElement;
  private readonly sizing: HTMLAnchorElement;
  private readonly none: HTMLElement;
  private readonly rows: KeyedList<Shown>;
  private sort: Sort = WORST_FIRST;
  private order: string[] = [];
  private orderedAt = -Infinity;
  private model: Model | null = null;

  constructor(private readonly context: Context) {
    const { words } = context;
    this.rows = new KeyedList<Shown>(this.body, ({ site }) => site.id, ({ site }) => siteRow(context, site.id));
    this.heads = COLUMNS.map(({ column, label }) => headCell(context, column, label, (chosen) => this.sortBy(chosen)));
    this.accounts = h('a', { href: 'buildings' }, words.text('sites.accounts.link'));
    this.sizing = h('a', { href: 'sizing' }, words.text('sizing.page.link'));
    this.none = h('p', { class: 'empty' }, words.text('sites.section.none'));
    const caption = h('caption', {}, spoken(words.text('sites.section.caption')));
    const table = h('table', { class: 'sites' }, caption, h('thead', {}, h('tr', {}, ...this.heads)), this.body);
    this.element = h(
      'section',
      { class: 'panel', 'aria-labelledby': 'sites-title' },
      h('div', { class: 'panel-head' }, h('h2', { id: 'sites-title' }, words.text('sites.section.title')), h('div', { class: 'links' }, this.accounts, this.sizing)),
      h('p', { class: 'note' }, words.text('sites.section.signs')),
      h('div', { class: 'scroll' }, table),
      this.none,
    );
  }

  update(model: Model): void {
    this.model = model;
    const place = writePlace({ community: model.communityId, site: null });
    setAttribute(this.accounts, 'href', `buildings${place}`);
    setAttribute(this.sizing, 'href', `sizing${place}`);
    const sites = this.ordered(model.sites);
    this.rows.update(sites.map((site) => ({ site, now: model.now, chosen: site.id === model.site?.id })));
    setHidden(this.none, sites.length > 0);
    this.heads.forEach((head) => {
      const active = head.dataset['column'] === this.sort.column;
      setAttribute(head, 'aria-sort', active ? (this.sort.descending ? 'descending' : 'ascending') : null);
    });
  }

  private sortBy(column: Column): void {
    const same = this.sort.column === column;
    this.sort = { column, descending: same ? !this.sort.descending : column !== 'name' };
    this.order = [];
    if (this.model) this.update(this.model);
  }

  private ordered(sites: readonly Site[]): readonly Site[] {
    const place = new Map(this.order.map((id, index) => [id, index]));
    const same = sites.length === place.size && sites.every((site) => place.has(site.id));
    const inUse = this.body.matches(':hover, :focus-within');
    if (!same || (!inUse && Date.now() - this.orderedAt >= REORDER_EVERY_MS)) {
      const sorted = sortSites(sites, this.sort, this.context.siteName);
      this.order = sorted.map((site) => site.id);
      this.orderedAt = Date.now();
      return sorted;
    }
    return [...sites].sort((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0));
  }
}

export function sitesView(context: Context): View {
  return new SiteTable(context);
}
