/** What was found: the best in a sentence, the plot, all sizes as a table, who gains what, and how sure it is. */
import { h } from '../dom';
import type { Formatter } from '../format';
import type { Translator } from '../i18n';
import type { Maybe } from '../types';
import { plot } from './plot';
import { same, type Size, type SizeName, type Sizing } from './types';

export class Surroundings {
  private readonly whole: Intl.NumberFormat;

  constructor(
    readonly words: Translator,
    readonly format: Formatter,
  ) {
    this.whole = new Intl.NumberFormat(format.locale, { maximumFractionDigits: 0 });
  }

  number(value: Maybe): string {
    return value === null ? this.words.text('page.value.unknown') : this.whole.format(value + 0);
  }

  euro(value: Maybe): string {
    return value === null ? this.words.text('page.value.unknown') : `${this.number(value)}\u00a0€`;
  }

  percent(value: Maybe): string {
    return value === null ? this.words.text('page.value.unknown') : this.format.percent(value);
  }

  size({ pv_kwp, battery_kwh }: SizeName): string {
    return `${this.number(pv_kwp)}\u00a0kWp, ${this.number(battery_kwh)}\u00a0kWh`;
  }

  payback({ worth }: Size): string {
    if (worth === null) return this.words.text('page.value.unknown');
    if (worth.investment_eur === 0) return '';
    if (worth.payback_years === null) return this.words.text('sizing.payback.never');
    return this.words.text('sizing.payback.years', { years: this.format.number(worth.payback_years) });
  }
}

function panel(id: string, title: string, ...children: (Node | null)[]): HTMLElement {
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), ...children);
}

function wide(label: string, table: HTMLElement): HTMLElement {
  return h('div', { class: 'wide', role: 'group', tabindex: '0', 'aria-label': label }, table);
}

function lead(around: Surroundings, found: Sizing): HTMLElement {
  const { words } = around;
  const days = around.number(found.quarters / 96);
  const of = found.sizes.find((size) => same(size, found.best));
  const told = [words.text('sizing.lead.period', { days, left: around.number(found.left_out) })];
  if (found.whole_year && found.best && of?.worth) {
    told.unshift(
      found.best.pv_kwp + found.best.battery_kwh === 0
        ? words.text('sizing.lead.nothing')
        : words.text('sizing.lead.best', { size: around.size(found.best), payback: around.payback(of), npv: around.euro(of.worth.npv_eur) }),
    );
  } else told.unshift(words.text('sizing.lead.short'));
  if (found.best_for_owner && !same(found.best_for_owner, found.best)) {
    told.push(words.text('sizing.lead.owner', { size: around.size(found.best_for_owner) }));
  }
  const source = found.profile.kind === 'pv' ? words.text('sizing.lead.like', { site: found.names[found.profile.site ?? ''] ?? '' }) : found.profile.kind === 'clear_sky' ? words.text('sizing.lead.clear') : null;
  const [first, ...rest] = told;
  return panel('found', words.text('sizing.lead.title'), h('p', { class: found.whole_year ? 'best' : 'short' }, first ?? ''), ...rest.map((text) => h('p', {}, text)), source === null ? null : h('p', { class: 'note' }, source));
}

function drawn(around: Surroundings, found: Sizing): HTMLElement | null {
  const key = found.whole_year ? 'sizing.plot.npv' : 'sizing.plot.saved';
  const picture = plot(found.sizes, (size) => (found.whole_year ? (size.worth?.npv_eur ?? 0) : size.saved_eur), (value) => around.number(value), around.words.text(key));
  return picture === null ? null : panel('plot', around.words.text(key), h('figure', {}, picture), h('p', { class: 'note' }, around.words.text('sizing.plot.note')));
}

function sizesTable(around: Surroundings, found: Sizing, chosen: Size, choose: (size: Size) => void): HTMLElement {
  const { words } = around;
  const columns = ['size', 'consumption', 'sufficiency', 'shared', 'saved', 'price', 'payback', 'npv', 'co2'] as const;
  const head = columns.map((column) => h('th', { scope: 'col', class: column === 'size' ? '' : 'amount' }, words.text(`sizing.column.${column}`)));
  const rows = found.sizes.map((size) => {
    const best = same(size, found.best);
    const open = h('button', { type: 'button', 'aria-pressed': String(same(size, chosen)), click: () => choose(size) }, around.size(size));
    const cells = [
      around.percent(size.after.self_consumption),
      around.percent(size.after.self_sufficiency),
      around.format.energy(size.after.shared_kwh * 1000),
      around.euro(size.saved_eur),
      around.euro(size.worth?.investment_eur ?? null),
      around.payback(size),
      around.euro(size.worth?.npv_eur ?? null),
      size.co2_saved_kg === null ? words.text('page.value.unknown') : `${around.number(size.co2_saved_kg)}\u00a0kg`,
    ];
    return h('tr', { class: best ? 'best' : '' }, h('th', { scope: 'row' }, open, best ? h('strong', {}, ` ${words.text('sizing.size.best')}`) : null), ...cells.map((cell) => h('td', { class: 'amount' }, cell)));
  });
  const title = words.text('sizing.sizes.title');
  return panel('sizes', title, h('p', { class: 'note' }, words.text('sizing.sizes.note')), wide(title, h('table', {}, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...rows))));
}

function gains(around: Surroundings, found: Sizing, size: Size): HTMLElement {
  const { words, format } = around;
  const columns = ['site', 'received', 'given', 'saved'] as const;
  const head = columns.map((column) => h('th', { scope: 'col', class: column === 'site' ? '' : 'amount' }, words.text(`sizing.gain.${column}`)));
  const rows = size.points.map(({ point, received_kwh, given_kwh, saved_eur }) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, found.names[point] ?? point),
      h('td', { class: 'amount' }, `${format.energy(received_kwh[0] * 1000)} → ${format.energy(received_kwh[1] * 1000)}`),
      h('td', { class: 'amount' }, `${format.energy(given_kwh[0] * 1000)} → ${format.energy(given_kwh[1] * 1000)}`),
      h('td', { class: 'amount' }, around.euro(saved_eur)),
    ),
  );
  const title = words.text('sizing.gain.title', { size: around.size(size) });
  const kept = h('p', {}, words.text('sizing.gain.community', { eur: around.euro(size.community_eur) }));
  return panel('gains', title, wide(title, h('table', {}, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...rows))), kept);
}

function sureness(around: Surroundings, found: Sizing): HTMLElement {
  const { words } = around;
  const bands = Object.entries(found.bands).map(([cause, [low, high]]) =>
    h('li', {}, words.text('sizing.band.from_to', { cause: words.lookup(`sizing.cause.${cause}`, cause), low: around.euro(low), high: around.euro(high) })),
  );
  const doubts = found.unverified.map(({ field, source }) => h('li', {}, `${field}: ${source}`));
  return panel(
    'sure',
    words.text('sizing.band.title'),
    bands.length > 0 ? h('ul', {}, ...bands) : h('p', {}, words.text('sizing.band.none')),
    h('h3', {}, words.text('sizing.doubt.title')),
    doubts.length > 0 ? h('ul', { class: 'note' }, ...doubts) : h('p', {}, words.text('sizing.doubt.none')),
  );
}

export function result(around: Surroundings, found: Sizing): HTMLElement {
  const box = h('div', { class: 'result' });
  let chosen = found.sizes.find((size) => same(size, found.best)) ?? found.sizes.at(-1);
  const show = (): void => {
    if (chosen === undefined) return;
    const choose = (size: Size): void => {
      chosen = size;
      show();
      box.querySelector<HTMLElement>('button[aria-pressed="true"]')?.focus();
    };
    const parts = [lead(around, found), drawn(around, found), sizesTable(around, found, chosen, choose), gains(around, found, chosen), sureness(around, found)];
    box.replaceChildren(...parts.filter((part) => part !== null));
  };
  show();
  return box;
}
