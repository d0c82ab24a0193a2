/** One's statements of settled months; one opened shows its lines, where each comes from, and what sharing spared. */
import { ownEnergy, ownStatements as asked, statement as statementOf } from '../api';
import { lastDayOf, shifted, startOf } from '../days';
import { h, setText } from '../dom';
import type { Context } from '../model';
import { papers } from '../statements/files';
import type { Line, Statement } from '../statements/types';
import { whyOf } from '../statements/why';
import type { OwnEnergy, OwnStatement } from '../types';
import { problemText } from './wording';

type Surroundings = Pick<Context, 'words' | 'format'>;

function labelOf({ words }: Surroundings, { labels }: Statement, line: Line): string {
  return labels[line.name]?.[words.language] ?? words.lookup(`me.line.${line.name}`, line.name.replaceAll('_', ' '));
}

/** A line in words: its arithmetic, its source, and the quarter-hours that it adds up. */
function whyText({ words, format }: Surroundings, line: Line, energy: OwnEnergy | null): string {
  const parts = [];
  if (line.eur_kwh !== null && line.energy_wh !== null) {
    parts.push(words.text('me.why.price', { energy: format.kwh(line.energy_wh), price: format.price(line.eur_kwh), net: format.money(line.net) }));
  }
  parts.push(words.text('me.why.source', { source: line.source }));
  const why = energy === null ? null : whyOf(line, energy);
  if (why !== null) {
    const { t, shared_wh, reading_wh } = why.largest;
    const values = { total: format.kwh(why.total_wh), moment: format.moment(t), shared: format.kwh(shared_wh), reading: format.kwh(reading_wh) };
    parts.push(words.count(line.kind === 'remuneration' ? 'me.why.given' : 'me.why.received', why.quarters, values));
  }
  return parts.join(' ');
}

function lineRows(context: Surroundings, of: Statement, energy: OwnEnergy | null): HTMLElement[] {
  const { words, format } = context;
  return of.lines.flatMap((line) => {
    const label = labelOf(context, of, line);
    const why = h('tr', { class: 'why', hidden: true }, h('td', { colspan: '5' }, whyText(context, line, energy)));
    const toggle = h('button', { type: 'button', 'aria-expanded': 'false', 'aria-label': `${words.text('me.why.ask')} ${label}`, click: () => {
      why.hidden = !why.hidden;
      toggle.setAttribute('aria-expanded', String(!why.hidden));
    } }, words.text('me.why.ask'));
    return [
      h(
        'tr',
        {},
        h('th', { scope: 'row' }, label),
        h('td', { class: 'amount spare' }, line.energy_wh === null ? '' : format.kwh(line.energy_wh)),
        h('td', { class: 'amount spare' }, line.eur_kwh === null ? '' : format.price(line.eur_kwh)),
        h('td', { class: 'amount' }, format.money(line.net)),
        h('td', {}, toggle),
      ),
      why,
    ];
  });
}

function comparison({ words, format }: Surroundings, { without_sharing, totals, side }: Statement): HTMLElement {
  if (side === 'producer') return h('p', {}, words.text('me.compare.paid', { gross: format.money(totals.gross) }));
  if (without_sharing === null) return h('p', { class: 'note' }, words.text('me.compare.unknown'));
  const spared = Number(without_sharing.spared);
  const values = { cost: format.money(without_sharing.cost), gross: format.money(totals.gross), spared: format.money(String(Math.abs(spared))), source: without_sharing.source };
  return h('p', { class: spared < 0 ? 'wrong' : 'spared' }, words.text(spared < 0 ? 'me.compare.more' : 'me.compare.spared', values));
}

function opened(context: Surroundings, of: Statement, energy: OwnEnergy | null): HTMLElement[] {
  const { words, format } = context;
  const head = (['line', 'energy', 'price', 'net'] as const).map((column) => h('th', { scope: 'col', class: column === 'line' ? '' : column === 'net' ? 'amount' : 'amount spare' }, words.text(`me.column.${column}`)));
  const foot = ([['net', of.totals.net], ['vat', of.totals.vat], ['gross', of.totals.gross]] as const).map(([name, amount]) =>
    h('tr', { class: name }, h('th', { scope: 'row' }, words.text(`me.total.${name}`)), h('td', { class: 'spare' }), h('td', { class: 'spare' }), h('td', { class: 'amount' }, format.money(amount)), h('td')),
  );
  const { withdrawal_wh, received_wh, complementary_wh } = of.energy;
  const sums = { withdrawn: format.kwh(withdrawal_wh), received: format.kwh(received_wh), supplier: format.kwh(complementary_wh) };
  const parts = [
    comparison(context, of),
    of.side === 'consumer' ? h('p', {}, words.text('me.month.energy', sums)) : null,
    ...of.warnings.map((warning) => h('p', { class: 'wrong' }, warning)),
    h('div', { class: 'wide', role: 'group', tabindex: '0', 'aria-label': words.text('me.month.lines') }, h('table', {}, h('thead', {}, h('tr', {}, ...head, h('td'))), h('tbody', {}, ...lineRows(context, of, energy)), h('tfoot', {}, ...foot))),
    h('p', { class: 'take' }, papers(words, `statements/${of.id}`, of.id, ['pdf', 'csv'])),
  ];
  return parts.filter((part) => part !== null);
}

async function detailsOf(context: Surroundings, { id, month }: OwnStatement): Promise<HTMLElement[]> {
  const zone = context.format.timeZone;
  const [from, to] = [startOf(`${month}-01`, zone), startOf(shifted(lastDayOf(month), 1), zone)];
  const [of, energy] = await Promise.all([statementOf(id), ownEnergy(from, to).catch(() => null)]);
  return opened(context, of, energy);
}

function entry(context: Surroundings, of: OwnStatement): HTMLElement {
  const { words, format } = context;
  const body = h('div', { class: 'month-body' });
  const amount = `${format.money(of.gross)} ${words.text(`me.statements.${of.side}`)}`;
  const summary = h('summary', {}, h('span', { class: 'month' }, format.month(of.month)), ' ', h('span', {}, words.text(`me.status.${of.status}`)), ' ', h('span', {}, format.kwh(of.energy_wh)), ' ', h('strong', {}, amount));
  const details = h('details', { toggle: () => void open() }, summary, body);
  let asking = false;
  const open = async (): Promise<void> => {
    if (!details.open || asking) return;
    asking = true;
    body.replaceChildren(h('p', { role: 'status' }, words.text('chart.state.loading')));
    try {
      body.replaceChildren(...(await detailsOf(context, of)));
    } catch (error) {
      asking = false;
      body.replaceChildren(h('p', { class: 'wrong', role: 'alert' }, problemText(context, error)));
    }
  };
  return details;
}

export function ownStatements(context: Surroundings): HTMLElement {
  const { words } = context;
  const said = h('p', { class: 'empty', role: 'status' });
  const list = h('div', { class: 'months' });
  setText(said, words.text('chart.state.loading'));
  void asked().then(
    (found) => {
      setText(said, found.length === 0 ? words.text('me.statements.none') : '');
      list.replaceChildren(...found.map((each) => entry(context, each)));
    },
    (error: unknown) => setText(said, problemText(context, error)),
  );
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'statements-title' },
    h('h2', { id: 'statements-title' }, words.text('me.statements.title')),
    h('p', { class: 'note' }, words.text('me.statements.open')),
    said,
    list,
  );
}
