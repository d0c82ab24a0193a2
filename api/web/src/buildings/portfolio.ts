/** All buildings of a community in a table, the worst first. */
import { h } from '../dom';
import type { Key } from '../i18n';
import { energyChange, type Context } from './context';
import type { Portfolio, Row } from './types';

const COLUMNS: readonly Key[] = [
  'buildings.table.building',
  'buildings.figure.energy',
  'buildings.figure.normal',
  'buildings.figure.primary',
  'buildings.figure.class',
  'buildings.figure.change',
  'buildings.figure.known',
  'buildings.table.saving',
];

export function letter(context: Context, name: string | null): HTMLElement {
  return name === null ? h('span', { class: 'unknown' }, context.words.text('page.value.unknown')) : h('span', { class: 'letter' }, name);
}

export function portfolio(context: Context, of: Portfolio, address: (site: string) => string): HTMLElement {
  const { words } = context;
  const values = { known: of.known, all: of.buildings, energy: context.energy(of.energy_kwh), specific: context.number(of.energy_kwh_m2, 'kWh') };
  const heads = COLUMNS.map((key, place) => h('th', { scope: 'col', class: place === 0 || place === 7 ? '' : 'amount' }, words.text(key)));
  const rows = of.sites.map((row) => line(context, row, address(row.site)));
  const last = new Date(Date.parse(`${of.to}T00:00:00Z`) - 86_400_000).toISOString().slice(0, 10);
  return h(
    'div',
    { class: 'panel' },
    h('p', { class: 'summary' }, words.text(of.known > 0 ? 'buildings.table.summary' : 'buildings.table.summary_none', values)),
    h(
      'div',
      { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words.text('buildings.page.title', { name: of.community }) },
      h('table', {}, h('caption', {}, words.text('buildings.table.caption', { day: context.day(last) })), h('thead', {}, h('tr', {}, ...heads)), h('tbody', {}, ...rows)),
    ),
  );
}

function line(context: Context, row: Row, address: string): HTMLElement {
  const { words, format } = context;
  const estimated = row.estimated_share >= 0.005 ? h('small', {}, words.text('buildings.table.estimated', { share: format.percent(row.estimated_share) })) : null;
  const cells: (Node | string)[] = [
    context.number(row.energy_kwh_m2, 'kWh/m²'),
    context.number(row.normalised_kwh_m2, 'kWh/m²'),
    context.number(row.primary_kwh_m2, 'kWh/m²'),
    letter(context, row.class),
    context.change(energyChange(row.change)),
  ];
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, h('a', { href: address }, row.name), h('small', {}, row.municipality)),
    ...cells.map((cell) => h('td', { class: 'amount' }, cell)),
    h('td', { class: 'amount' }, format.percent(row.coverage), estimated),
    h('td', {}, ...savingOf(context, row)),
  );
}

function savingOf(context: Context, row: Row): (Node | string)[] {
  const { words } = context;
  if (row.saving === null) return [words.text('buildings.table.none_found')];
  const { kind, kwh, eur } = row.saving;
  const worth = kind === 'peaks' ? words.text('buildings.savings.spread', { kwh: context.energy(kwh) }) : words.text('buildings.savings.worth', { kwh: context.energy(kwh), eur: context.euro(eur, 'buildings.savings.no_price') });
  const more = row.savings_found > 1 ? [h('small', {}, words.text('buildings.table.more', { count: row.savings_found - 1 }))] : [];
  return [words.text(`buildings.kind.${kind}`), h('small', {}, worth), ...more];
}
