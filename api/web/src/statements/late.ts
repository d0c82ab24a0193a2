/** What late readings change in a settled month: which, whom, by how much; and the correction, shown first and then made. */
import { correctMonth } from '../api';
import { h, setText } from '../dom';
import type { Context } from '../model';
import { problemText } from '../views/wording';
import { cell, panel, table } from './parts';
import type { Reopened } from './types';

type Surroundings = Pick<Context, 'words' | 'format'>;

function signed(text: string, value: number): string {
  return value > 0 ? `+${text}` : text;
}

function points({ words, format }: Surroundings, { points: all, quarters }: Reopened): (HTMLElement | null)[] {
  if (quarters === 0) return [];
  const title = words.text('months.late.points');
  const rows = all.map(({ point, quarters: own, withdrawal_wh, injection_wh }) =>
    h('tr', {}, h('th', { scope: 'row' }, point), cell(format.count(own)), cell(signed(format.kwh(withdrawal_wh), withdrawal_wh)), cell(signed(format.kwh(injection_wh), injection_wh))),
  );
  const heads = [['EAN', ''], [words.text('months.column.quarters'), 'amount'], [words.text('months.reading.withdrawal'), 'amount'], [words.text('months.reading.injection'), 'amount']] as const;
  return [h('p', {}, words.count('months.late.quarters', quarters)), table(title, heads, rows)];
}

function members({ words, format }: Surroundings, { changes }: Reopened): HTMLElement {
  const title = words.text('months.late.members');
  const rows = changes.map(({ member, side, energy_wh, gross }) =>
    h('tr', {}, h('th', { scope: 'row' }, member), h('td', {}, words.text(`me.statements.${side}`)), cell(signed(format.kwh(energy_wh), energy_wh)), cell(signed(format.money(gross), Number(gross)))),
  );
  const heads = [[words.text('months.column.member'), ''], [words.text('months.column.kind'), ''], [words.text('me.column.energy'), 'amount'], [words.text('me.total.gross'), 'amount']] as const;
  return table(title, heads, rows);
}

/** The preview, with its reason; `made` once the correction is. */
function correction(around: Surroundings, community: string, of: Reopened, made: () => void): HTMLElement {
  const { words } = around;
  const said = h('p', { class: 'wrong', role: 'status' });
  const why = h('input', { id: 'why', type: 'text', required: true, maxlength: '500', autocomplete: 'off' });
  const make = h('button', { type: 'submit', class: 'primary' }, words.text('months.late.make'));
  const send = async (event: Event): Promise<void> => {
    event.preventDefault();
    make.disabled = true;
    setText(said, '');
    try {
      await correctMonth(community, of.month, why.value.trim());
      made();
    } catch (error) {
      make.disabled = false;
      setText(said, problemText(around, error));
    }
  };
  return h(
    'form',
    { class: 'correction', submit: (event: Event) => void send(event) },
    h('h3', {}, words.text('months.late.preview')),
    members(around, of),
    h('p', { class: 'note' }, words.text('months.late.note')),
    h('div', { class: 'day' }, h('label', { for: 'why' }, words.text('months.late.why')), why, make),
    said,
  );
}

export function latePanel(around: Surroundings, community: string, of: Reopened, made: () => void): HTMLElement {
  const { words, format } = around;
  const shown = h('div', {});
  const show = h('button', { type: 'button', class: 'primary', 'aria-expanded': 'false' }, words.text('months.late.show'));
  show.addEventListener('click', () => {
    show.parentElement?.remove();
    shown.replaceChildren(correction(around, community, of, made));
    shown.querySelector<HTMLElement>('#why')?.focus();
  });
  return panel(
    'late',
    words.text('months.late.title', { month: format.month(of.month) }),
    h('p', {}, words.text('months.late.since', { at: format.moment(of.at), version: of.version })),
    ...points(around, of),
    h('p', {}, words.text('months.late.do')),
    h('div', { class: 'versions' }, show),
    shown,
  );
}

/** A button for each month that late readings contradict, whichever month is looked at. */
export function lateMonths({ words, format }: Surroundings, months: readonly Reopened[], choose: (month: string) => void): HTMLElement | null {
  if (months.length === 0) return null;
  const buttons = months.map(({ month }) => h('button', { type: 'button', click: () => choose(month) }, format.month(month)));
  return h('div', { class: 'late-months', role: 'status' }, h('p', { class: 'wrong' }, words.count('months.late.months', months.length)), h('div', { class: 'versions' }, ...buttons));
}
