/** A day of one's own quarter-hours: the curve, its sums in words, and the sums of all members where they may be told. */
import { membersHistory, ownEnergy, ownStatements } from '../api';
import { dayOf, lastDayOf, shifted, startOf, sumsOf, together } from '../days';
import { h, setText } from '../dom';
import type { Key } from '../i18n';
import type { Context } from '../model';
import { STEP_MS } from '../series';
import type { Maybe, Me, MembersHistory, OwnEnergy } from '../types';
import { TimeChart, type SeriesLook } from './chart';
import { problemText } from './wording';

type Surroundings = Pick<Context, 'words' | 'format'>;

const SERIES = [
  { column: 'withdrawn_wh', label: 'me.series.withdrawn', look: { colour: 'consumption', dash: [] } },
  { column: 'received_wh', label: 'me.series.received', look: { colour: 'shared', dash: [], filled: true } },
  { column: 'residual_wh', label: 'me.series.residual', look: { colour: 'import', dash: [8, 4] } },
  { column: 'given_wh', label: 'me.series.given', look: { colour: 'export', dash: [2, 3] } },
] as const satisfies readonly { column: string; label: Key; look: Omit<SeriesLook, 'label'> }[];

/** Wh of a quarter-hour as its mean power, W. */
function power(energies: readonly Maybe[]): Maybe[] {
  return energies.map((energy) => (energy === null ? null : energy * 4));
}

function inWords({ words, format }: Surroundings, { points }: OwnEnergy): string {
  const { withdrawn_wh, received_wh, given_wh, missing, estimated } = sumsOf(points);
  const values = {
    withdrawn: format.energy(withdrawn_wh),
    received: format.energy(received_wh),
    share: format.percent(withdrawn_wh > 0 ? received_wh / withdrawn_wh : 0),
  };
  return [
    words.text('me.day.received', values),
    given_wh > 0 ? words.text('me.day.given', { energy: format.energy(given_wh) }) : '',
    missing > 0 ? words.count('me.day.missing', missing) : '',
    estimated ? words.text('me.day.estimated') : '',
  ]
    .filter(Boolean)
    .join(' ');
}

function ofAll({ words, format }: Surroundings, { withdrawn_wh, received_wh, members }: MembersHistory): string {
  const most = Math.max(0, ...members);
  if (most === 0) return words.text('me.group.few');
  const total = (values: readonly Maybe[]): string => format.energy(values.reduce<number>((sum, value) => sum + (value ?? 0), 0));
  return words.text('me.group.sums', { members: most, withdrawn: total(withdrawn_wh), received: total(received_wh) });
}

export function ownDay(context: Surroundings, me: Me): HTMLElement {
  const { words, format } = context;
  const looks = SERIES.map(({ label, look }) => ({ ...look, label: words.text(label) }));
  const chart = new TimeChart(context, looks, 'own-table', words.text('me.day.title'));
  const group = h('p', { class: 'note' });
  const day = h('input', { id: 'day', type: 'date', change: () => void show(day.value) });
  const step = (days: number, label: Key): HTMLElement =>
    h('button', { type: 'button', click: () => void show(shifted(day.value, days)) }, words.text(label));

  async function show(wanted: string): Promise<boolean> {
    if (!wanted) return false;
    day.value = wanted;
    const [from, to] = [startOf(wanted, format.timeZone), startOf(shifted(wanted, 1), format.timeZone)];
    try {
      const found = await ownEnergy(from, to);
      const columns = SERIES.map(({ column }) => power(together(found.points, column)));
      const known = found.points.some(({ status }) => status.some((state) => state !== 'missing'));
      chart.show({ t: found.t, columns: known ? columns : columns.map(() => []) }, STEP_MS['15m'], known ? inWords(context, found) : '');
      await tellOfAll(from, to);
      return known;
    } catch (error) {
      chart.say(problemText(context, error));
      return true;
    }
  }

  async function tellOfAll(from: number, to: number): Promise<void> {
    const communities = [...new Set(me.participants.map(({ community }) => community))];
    const told = await Promise.all(
      communities.map((community) => membersHistory(community, from, to).then((sums) => ofAll(context, sums), () => words.text('me.group.few'))),
    );
    setText(group, [...new Set(told)].join(' '));
  }

  /** Yesterday; where nothing is known of it, the last day of the newest settled month. */
  async function begin(): Promise<void> {
    if (await show(shifted(dayOf(Date.now(), format.timeZone), -1))) return;
    const [newest] = await ownStatements().catch(() => []);
    if (newest) await show(lastDayOf(newest.month));
  }

  chart.say(words.text('chart.state.loading'));
  void begin();
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'day-title' },
    h('h2', { id: 'day-title' }, words.text('me.day.title')),
    h(
      'div',
      { class: 'day' },
      step(-1, 'me.day.previous'),
      h('label', { for: 'day' }, words.text('me.day.label')),
      day,
      step(1, 'me.day.next'),
    ),
    chart.element,
    group,
  );
}
