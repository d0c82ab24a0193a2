/** One's statements of settled months, each with its lines to take along. */
import { ownStatements as asked, statementCsv } from '../api';
import { h, setText } from '../dom';
import type { Context } from '../model';
import type { OwnStatement } from '../types';
import { problemText } from './wording';

type Surroundings = Pick<Context, 'words' | 'format'>;

function row({ words, format }: Surroundings, { id, month, side, energy_wh, gross }: OwnStatement): HTMLElement {
  const take = async (): Promise<void> => {
    const address = URL.createObjectURL(await statementCsv(id));
    h('a', { href: address, download: `${id}.csv` }).click();
    URL.revokeObjectURL(address);
  };
  const lines = h('button', { type: 'button', click: () => void take() }, words.text('me.statements.lines'));
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, month),
    h('td', { class: 'amount' }, format.energy(energy_wh)),
    h('td', { class: 'amount' }, `${format.money(gross)} ${words.text(`me.statements.${side}`)}`),
    h('td', {}, lines),
  );
}

export function ownStatements(context: Surroundings): HTMLElement {
  const { words } = context;
  const said = h('p', { class: 'empty', role: 'status' });
  const head = (['month', 'energy', 'amount'] as const).map((column) => h('th', { scope: 'col' }, words.text(`me.statements.${column}`)));
  const body = h('tbody');
  const table = h('table', { hidden: true }, h('thead', {}, h('tr', {}, ...head, h('td'))), body);
  setText(said, words.text('chart.state.loading'));
  void asked().then(
    (found) => {
      setText(said, found.length === 0 ? words.text('me.statements.none') : '');
      body.replaceChildren(...found.map((statement) => row(context, statement)));
      table.hidden = found.length === 0;
    },
    (error: unknown) => setText(said, problemText(context, error)),
  );
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'statements-title' },
    h('h2', { id: 'statements-title' }, words.text('me.statements.title')),
    said,
    table,
  );
}
