/** A version of a community's month: its state, statements, documents, what it corrects and where the operator differs. */
import { h } from '../dom';
import type { Context } from '../model';
import { papers } from './files';
import { latePanel } from './late';
import { cell, panel, table } from './parts';
import type { MonthVersion } from './types';

type Surroundings = Pick<Context, 'words' | 'format'>;

function state({ words, format }: Surroundings, of: MonthVersion, choose: (version: number) => void): HTMLElement {
  const versions = Array.from({ length: of.versions }, (_, place) => place + 1).map((version) =>
    h('button', { type: 'button', 'aria-pressed': String(version === of.version), click: () => choose(version) }, words.text('months.version.name', { version })),
  );
  const held = of.held > 0 ? words.count('months.state.held', of.held) : words.text('months.state.complete');
  return panel(
    'state',
    words.text('months.state.title', { month: format.month(of.month), status: words.text(`me.status.${of.status}`) }),
    h('div', { class: 'versions', role: 'group', 'aria-label': words.text('months.version.label') }, ...versions),
    h('p', {}, words.text('months.state.settled', { settled: format.count(of.quarters - of.held), all: format.count(of.quarters) })),
    h('p', { class: of.held > 0 ? 'wrong' : '' }, held),
  );
}

/** For whose sake quarter-hours are held, by time: what somebody is to find before a correction. */
function gaps({ words, format }: Surroundings, { held, gaps: all, gaps_left }: MonthVersion): HTMLElement | null {
  if (held === 0) return null;
  const title = words.text('months.gaps.title');
  if (all.length === 0) return panel('gaps', title, h('p', { class: 'empty' }, words.text('months.gaps.untold')));
  const rows = all.map(({ point, direction, start, end, quarters }) =>
    h('tr', {}, h('th', { scope: 'row' }, point), h('td', {}, words.text(`months.reading.${direction}`)), h('td', {}, format.moment(start)), h('td', {}, format.moment(end)), cell(format.count(quarters))),
  );
  const heads = [['EAN', ''], [words.text('months.column.kind'), ''], [words.text('months.column.from'), ''], [words.text('months.column.to'), ''], [words.text('months.column.quarters'), 'amount']] as const;
  const left = gaps_left > 0 ? h('p', { class: 'note' }, words.count('months.gaps.left', gaps_left)) : null;
  return panel('gaps', title, h('p', { class: 'note' }, words.text('months.gaps.note')), table(title, heads, rows), left);
}

function statements({ words, format }: Surroundings, { statements: all }: MonthVersion): HTMLElement {
  const title = words.text('months.statements.title');
  const rows = all.map(({ id, member, side, totals, warnings }) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, member),
      h('td', {}, words.text(`me.statements.${side}`)),
      cell(format.money(totals.net), 'amount spare'),
      cell(format.money(totals.vat), 'amount spare'),
      cell(format.money(totals.gross)),
      h('td', {}, papers(words, `statements/${id}`, id, ['pdf', 'csv']), ...warnings.map((warning) => h('p', { class: 'wrong' }, warning))),
    ),
  );
  const heads = [[words.text('months.column.member'), ''], [words.text('months.column.kind'), ''], [words.text('me.total.net'), 'amount spare'], [words.text('me.total.vat'), 'amount spare'], [words.text('me.total.gross'), 'amount'], [words.text('months.column.papers'), '']] as const;
  return panel('statements', title, table(title, heads, rows));
}

function documents({ words, format }: Surroundings, community: string, { documents: all }: MonthVersion): HTMLElement {
  const title = words.text('months.documents.title');
  if (all.length === 0) return panel('documents', title, h('p', { class: 'empty' }, words.text('months.documents.none')));
  const rows = all.map(({ number, kind, member, due, gross, communication }) =>
    h(
      'tr',
      {},
      h('th', { scope: 'row' }, number),
      h('td', {}, words.text(`months.kind.${kind}`)),
      h('td', {}, member),
      cell(format.money(gross)),
      cell(format.date(due), 'spare'),
      cell(communication, 'spare'),
      h('td', {}, papers(words, `communities/${encodeURIComponent(community)}/documents/${number}`, number, ['pdf', 'csv', 'xml'])),
    ),
  );
  const names = ['number', 'kind', 'member', 'gross', 'due', 'communication', 'papers'] as const;
  const looks: Record<string, string> = { gross: 'amount', due: 'spare', communication: 'spare' };
  return panel('documents', title, table(title, names.map((name) => [words.text(`months.column.${name}`), looks[name] ?? ''] as const), rows));
}

function corrections({ words, format }: Surroundings, { corrections: all }: MonthVersion): HTMLElement | null {
  if (all.length === 0) return null;
  const title = words.text('months.corrections.title');
  const rows = all.flatMap(({ member, lines }) =>
    lines.map(({ name, ean, energy_wh, net }) =>
      h('tr', {}, h('th', { scope: 'row' }, member), h('td', {}, `${words.lookup(`me.line.${name}`, name.replaceAll('_', ' '))}${ean === null ? '' : `, ${ean}`}`), cell(format.kwh(energy_wh)), cell(format.money(net))),
    ),
  );
  const heads = [[words.text('months.column.member'), ''], [words.text('me.column.line'), ''], [words.text('me.column.energy'), 'amount'], [words.text('me.column.net'), 'amount']] as const;
  return panel('corrections', title, h('p', { class: 'note' }, words.text('months.corrections.note')), table(title, heads, rows));
}

function differences({ words, format }: Surroundings, { differences: all }: MonthVersion): HTMLElement {
  const title = words.text('months.differences.title');
  if (all.length === 0) return panel('differences', title, h('p', { class: 'empty' }, words.text('months.differences.none')));
  const rows = all.map(({ ean, direction, ours_wh, theirs_wh, causes }) =>
    h('tr', {}, h('th', { scope: 'row' }, ean), h('td', {}, words.text(`months.direction.${direction}`)), cell(format.kwh(ours_wh)), cell(format.kwh(theirs_wh)), cell(format.kwh(theirs_wh - ours_wh)), h('td', {}, causes.map((cause) => words.text(`months.cause.${cause}`)).join(' ') || words.text('months.cause.untold'))),
  );
  const heads = [['EAN', ''], [words.text('months.column.kind'), ''], [words.text('months.column.ours'), 'amount'], [words.text('months.column.theirs'), 'amount'], [words.text('months.column.difference'), 'amount'], [words.text('months.column.causes'), '']] as const;
  return panel('differences', title, table(title, heads, rows));
}

export function monthView(around: Surroundings, community: string, of: MonthVersion, choose: (version: number) => void, made: () => void): HTMLElement[] {
  const late = of.reopened === null || of.reopened.version < of.version ? null : latePanel(around, community, of.reopened, made);
  const parts = [late, state(around, of, choose), gaps(around, of), statements(around, of), documents(around, community, of), corrections(around, of), differences(around, of)];
  return parts.filter((part) => part !== null);
}
