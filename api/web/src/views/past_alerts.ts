/** Alerts that have cleared: what, where, when and for how long; read when somebody opens the list. */
import { h, KeyedList, setText, type Row } from '../dom';
import type { Context, View } from '../model';
import type { Alert } from '../types';
import { alertTitle, problemText } from './wording';

const SHOWN = 20;

function pastRow(context: Context, id: string): Row<Alert> {
  const { words, format, actions } = context;
  const title = h('b');
  const when = h('span', { class: 'note' });
  const fetch = (): void => void actions.evidence(id).catch((error: unknown) => setText(when, problemText(context, error)));
  const evidence = h('button', { type: 'button', class: 'quiet', click: fetch }, words.text('alerts.item.export'));
  return {
    element: h('li', { class: 'acknowledge' }, title, when, evidence),
    update(alert) {
      const { since, cleared_at } = alert;
      setText(title, alertTitle(context, alert));
      const lasted = format.duration(((cleared_at ?? since) - since) / 1000);
      setText(when, words.text('alerts.past.lasted', { time: format.moment(since), lasted }));
    },
  };
}

export function pastAlerts(context: Context): View {
  const { words, actions } = context;
  const list = h('ul', { class: 'rules' });
  const answer = h('p', { class: 'note', role: 'status' });
  const rows = new KeyedList<Alert>(list, ({ id }) => id, ({ id }) => pastRow(context, id));
  let past: readonly Alert[] = [];
  let named = 0;
  const read = async (): Promise<void> => {
    if (!element.open) return;
    try {
      past = (await actions.pastAlerts()).slice(0, SHOWN);
      rows.update(past);
      setText(answer, past.length === 0 ? words.text('alerts.past.none') : '');
    } catch (error) {
      setText(answer, problemText(context, error));
    }
  };
  const element = h('details', { toggle: () => void read() }, h('summary', {}, words.text('alerts.past.title')), list, answer);
  return {
    element,
    /** Names may come after the alerts. */
    update({ rules }) {
      if (rules.length !== named) rows.update(past);
      named = rules.length;
    },
  };
}
