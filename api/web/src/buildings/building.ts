/** One building: its figures, its place on the class scale, the year beside the last one, what could be saved. */
import { h } from '../dom';
import type { Key } from '../i18n';
import { energyChange, type Context } from './context';
import { bars, lines } from './draw';
import { letter } from './portfolio';
import type { Building, CarrierYear, Pattern, Saving } from './types';

const SHARES = new Set(['rise', 'share', 'ratio']);

export function building(context: Context, of: Building, back: string): HTMLElement {
  const { words } = context;
  return h(
    'div',
    { class: 'building' },
    h('p', {}, h('a', { href: back }, `← ${words.text('buildings.page.back')}`)),
    h('h2', { id: 'building', tabindex: '-1' }, of.name),
    figures(context, of),
    scale(context, of),
    section('year', words.text('buildings.year.title'), ...of.carriers.map((carrier) => year(context, carrier))),
    savings(context, of),
    unknowns(context, of),
  );
}

function section(name: string, title: string, ...children: (Node | null)[]): HTMLElement {
  return h('section', { class: 'panel', 'aria-labelledby': `${name}-title` }, h('h3', { id: `${name}-title` }, title), ...children);
}

function figures(context: Context, of: Building): HTMLElement {
  const { words, format } = context;
  const { power_w, share } = of.base_load;
  const like = of.like === null ? words.text('buildings.like.none') : words.text(`buildings.like.${of.like.of}`, { median: context.number(of.like.median_kwh_m2, 'kWh/m²'), count: of.like.buildings ?? 0 });
  const facts: [Key, Node | string, string][] = [
    ['buildings.figure.energy', context.number(of.energy_kwh_m2, 'kWh/m²'), like],
    ['buildings.figure.normal', context.number(of.normalised_kwh_m2, 'kWh/m²'), ''],
    ['buildings.figure.primary', context.number(of.primary_kwh_m2, 'kWh/m²'), ''],
    ['buildings.figure.class', letter(context, of.class), ''],
    ['buildings.figure.change', context.change(energyChange(of.change)), ''],
    ['buildings.figure.co2', of.co2_kg === null ? words.text('page.value.unknown') : context.number(of.co2_kg / 1000, 't'), ''],
    ['buildings.figure.cost', context.euro(of.cost_eur, 'page.value.unknown'), ''],
    ['buildings.figure.area', context.number(of.area_m2, 'm²'), ''],
    ['buildings.figure.base_load', power_w === null ? words.text('page.value.unknown') : format.power(power_w), share === null ? '' : words.text('buildings.figure.base_share', { share: format.percent(share) })],
  ];
  return h('dl', { class: 'facts' }, ...facts.map(([key, value, note]) => h('div', {}, h('dt', {}, words.text(key)), h('dd', {}, h('span', { class: 'value' }, value), note ? h('small', {}, note) : null))));
}

function scale(context: Context, of: Building): HTMLElement {
  const { words } = context;
  if (of.scale === null || of.class === null) {
    const why = of.unknown.find((each) => each === (of.scale === null ? 'scale' : 'use')) ?? of.unknown[0] ?? 'use';
    return section('scale', words.text('buildings.scale.title'), h('p', {}, words.text('buildings.scale.none', { why: words.text(`buildings.why.${why}`) })));
  }
  const classes: [string, string][] = Object.entries(of.scale.bounds).map(([name, bound]) => [name, `≤ ${context.format.number(bound)}`]);
  classes.push([of.scale.beyond, '']);
  const items = classes.map(([name, bound]) => {
    const here = name === of.class;
    const told = here ? words.text('buildings.scale.here', { name, value: context.number(of.primary_kwh_m2, 'kWh/m²') }) : name;
    return h('li', { class: here ? 'here' : '', 'aria-current': here ? 'true' : null }, h('b', {}, told), h('small', {}, bound));
  });
  const note = words.text('buildings.scale.note', { name: of.scale.name, evidence: words.lookup(`buildings.evidence.${of.scale.evidence}`, of.scale.evidence), source: of.scale.source });
  return section('scale', words.text('buildings.scale.title'), h('ol', { class: 'scale' }, ...items), h('p', { class: 'note' }, note));
}

function year(context: Context, of: CarrierYear): HTMLElement {
  const { words, format } = context;
  const title = words.text('buildings.year.of', { carrier: words.text(`buildings.carrier.${of.carrier}`), unit: of.unit });
  const labels = of.months.map(({ month }) => context.month(month));
  const [now, before] = [of.months.map(({ amount }) => amount), of.months.map((each) => each.before)];
  const number = (value: number): string => format.number(value);
  const drawn = bars(labels, { name: words.text('buildings.year.now'), values: now }, { name: words.text('buildings.year.before'), values: before }, of.unit, number, title);
  const rows = of.months.map(({ month, amount, before: then }) =>
    h('tr', {}, h('th', { scope: 'row' }, context.month(month)), h('td', { class: 'amount' }, context.number(amount, of.unit)), h('td', { class: 'amount' }, context.number(then, of.unit))),
  );
  const heads = (['month', 'now', 'before'] as const).map((key, place) => h('th', { scope: 'col', class: place ? 'amount' : '' }, words.text(`buildings.year.${key}`)));
  const known = `${context.number(of.amount, of.unit)} · ${context.change(of.change?.ratio ?? null)} · ${words.text('buildings.figure.known')} ${format.percent(of.coverage)}`;
  return h(
    'figure',
    {},
    h('figcaption', {}, h('b', {}, title), h('span', {}, known)),
    drawn,
    h('details', {}, h('summary', {}, words.text('buildings.year.as_table')), h('table', {}, h('caption', {}, title), h('thead', {}, h('tr', {}, ...heads)), h('tbody', {}, ...rows))),
  );
}

function savings(context: Context, of: Building): HTMLElement {
  const { words } = context;
  const note = words.text(`buildings.savings.${of.savings.length ? 'note' : 'none'}`);
  return section('savings', words.text('buildings.savings.title'), h('p', { class: 'note' }, note), h('div', { class: 'cards' }, ...of.savings.map((saving) => card(context, saving))));
}

/** What was found, in a sentence. */
export function sentence(context: Context, saving: Saving): string {
  const { words, format } = context;
  const values: Record<string, string | number> = { since: saving.since ? context.day(saving.since) : '', carrier: words.text(`buildings.carrier.${saving.carrier}`) };
  for (const [name, value] of Object.entries(saving.facts)) {
    if (typeof value === 'string') values[name] = value;
    else if (name.endsWith('_w')) values[name] = format.power(value);
    else if (SHARES.has(name)) values[name] = format.percent(value);
    else values[name] = format.number(value);
  }
  const key = saving.kind === 'base_load' ? (`buildings.say.base_load_${String(saving.facts['reference'])}` as Key) : (`buildings.say.${saving.kind}` as Key);
  return words.text(key, values);
}

function card(context: Context, saving: Saving): HTMLElement {
  const { words } = context;
  const kwh = context.energy(saving.kwh);
  const worth = saving.kind === 'peaks' ? words.text('buildings.savings.spread', { kwh }) : words.text('buildings.savings.worth', { kwh, eur: context.euro(saving.eur, 'buildings.savings.no_price') });
  return h(
    'div',
    { class: 'card' },
    h('p', {}, h('b', {}, words.text(`buildings.kind.${saving.kind}`))),
    h('p', { class: 'worth' }, worth),
    h('p', {}, sentence(context, saving)),
    pattern(context, saving.pattern, sentence(context, saving)),
    h('p', { class: 'note' }, words.text('buildings.savings.marked')),
  );
}

function pattern(context: Context, of: Pattern, label: string): SVGElement {
  const drawn = Object.entries(of.lines).map(([name, values]) => ({ name: context.words.lookup(`buildings.line.${name}`, name), values }));
  return lines(labelsOf(context, of), drawn, of.marked, of.unit, (value) => context.format.number(value), label);
}

/** Only as many as can be read. */
function labelsOf(context: Context, of: Pattern): string[] {
  const every = Math.max(1, Math.round(of.x.length / 6));
  const weekday = new Intl.DateTimeFormat(context.format.locale, { weekday: 'short', timeZone: 'UTC' });
  return of.x.map((text, place) => {
    if (of.axis === 'week_hour') return place % 24 === 12 ? weekday.format(new Date(Date.UTC(2024, 0, 1 + place / 24))) : '';
    if (of.axis === 'day_hour') return text.endsWith(':00') && Number(text.slice(0, 2)) % 3 === 0 ? text : '';
    if (of.axis === 'temperature') return Number(text) % 5 === 0 ? text : '';
    return place % every === Math.floor(every / 2) ? context.format.day(Date.parse(`${text}T12:00:00Z`)) : '';
  });
}

function unknowns(context: Context, of: Building): HTMLElement {
  const { words } = context;
  const told = [
    ...of.unknown.map((why) => `${words.text(`buildings.why.${why}`)}.`),
    ...of.not_looked.map(({ kind, why }) => words.text('buildings.unknown.not_looked', { kind: words.text(`buildings.kind.${kind}`), why: words.lookup(`buildings.why.${why}`, why) })),
  ];
  const items = [...new Set(told.length ? told : [words.text('buildings.unknown.none')])].map((text) => h('li', {}, text.charAt(0).toUpperCase() + text.slice(1)));
  return section('not-known', words.text('buildings.unknown.title'), h('ul', { class: 'told' }, ...items));
}
