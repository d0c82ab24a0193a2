/** Open alerts, worst first: since when, what it means, what was done, acknowledge. */
import { ApiError } from '../api';
import { h, KeyedList, setAttribute, setHidden, setText, type Row } from '../dom';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';
import type { Alert, AlertAction, Evidence } from '../types';
import { deviceName, settings } from './wording';

interface Shown {
  readonly alert: Alert;
  readonly now: number;
}

export function problemText({ words }: Context, error: unknown): string {
  if (!(error instanceof ApiError)) return words.text('error.code.unknown');
  const known = words.lookup(`error.code.${error.code}`, '');
  if (known) return known;
  return error.needsKey ? words.text('error.code.forbidden') : [error.message, error.hint].filter(Boolean).join(' ');
}

function meaning({ words, format }: Context, alert: Alert): string {
  const { metric, value, raise_above, clear_below } = alert;
  const number = (amount: number | null): string => (amount === null ? words.text('page.value.unknown') : format.metric(amount, metric));
  const name = words.lookup(`alerts.metric.${metric}`, metric);
  const facts = words.text('alerts.item.facts', { metric: name, value: number(value), raise: number(raise_above), clear: number(clear_below) });
  return `${words.lookup(`alerts.meaning.${metric}`, '')} ${facts}`.trim();
}

/** Rules are named by who writes them, `surplus-high`; shown as words. */
function ruleName(rule: string): string {
  const words = rule.replace(/[-_]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function evidenceRow({ words, format }: Context): Row<Evidence> {
  const time = h('time');
  const event = h('b');
  const text = h('span', { lang: 'en' });
  return {
    element: h('li', {}, time, event, text),
    update(item) {
      setText(time, `${format.day(item.t)} ${format.clock(item.t)}`);
      setText(event, words.lookup(`alerts.event.${item.event}`, item.event));
      setText(text, item.text);
    },
  };
}

function actionRow(context: Context): Row<AlertAction> {
  const text = h('span');
  const reason = h('span', { class: 'note', lang: 'en' });
  return {
    element: h('li', {}, text, ' ', reason),
    update(action) {
      const state = context.words.lookup(`leases.state.${action.state ?? 'asked'}`, action.state ?? '');
      setText(text, `${deviceName(context, action.device)}: ${settings(context, action.set)} – ${state}`);
      setText(reason, action.reason);
    },
  };
}

function details(context: Context): { element: HTMLElement; update(alert: Alert): void } {
  const actions = h('ul', { class: 'actions' });
  const evidence = h('ol', { class: 'evidence' });
  const summary = h('summary');
  const actionRows = new KeyedList<AlertAction>(actions, ({ device, command }) => `${device} ${command}`, () => actionRow(context));
  const evidenceRows = new KeyedList<Evidence>(evidence, ({ t, event, text }) => `${t} ${event} ${text}`, () => evidenceRow(context));
  const element = h('details', {}, summary, actions, evidence);
  return {
    element,
    update(alert) {
      setText(summary, context.words.count('alerts.evidence.open', alert.evidence.length));
      setHidden(element, alert.evidence.length + alert.actions.length === 0);
      actionRows.update(alert.actions);
      evidenceRows.update(alert.evidence);
    },
  };
}

function acknowledgeButton(context: Context, id: string): { element: HTMLElement; update(alert: Alert): void } {
  const { words, format, actions } = context;
  const answer = h('p', { class: 'answer', role: 'status' });
  const act = async (): Promise<void> => {
    button.disabled = true;
    setText(answer, '');
    await actions.acknowledge(id).catch((error: unknown) => setText(answer, problemText(context, error)));
    button.disabled = false;
  };
  const button = h('button', { type: 'button', click: () => void act() }, words.text('alerts.item.acknowledge'));
  const done = h('span', { class: 'note' });
  return {
    element: h('div', { class: 'acknowledge' }, button, done, answer),
    update(alert) {
      setHidden(button, alert.state !== 'firing');
      const { acknowledged_at: at, acknowledged_by: by } = alert;
      setText(done, at === null ? '' : words.text('alerts.item.acknowledged', { by: by ?? '?', time: format.time(at) }));
    },
  };
}

function alertRow(context: Context, id: string): Row<Shown> {
  const { words, format } = context;
  const severity = h('span', { class: 'severity' });
  const rule = h('h3', { lang: 'en' });
  const since = h('p', { class: 'since' });
  const text = h('p');
  const more = details(context);
  const acknowledge = acknowledgeButton(context, id);
  const element = h('li', { class: 'alert' }, h('div', { class: 'alert-head' }, icon('warning'), severity, rule), since, text, acknowledge.element, more.element);
  return {
    element,
    update({ alert, now }) {
      setAttribute(element, 'data-severity', alert.severity);
      setAttribute(element, 'data-state', alert.state);
      setText(severity, words.lookup(`alerts.severity.${alert.severity}`, alert.severity));
      setText(rule, ruleName(alert.rule));
      const age = format.duration((now - alert.since) / 1000);
      setText(since, words.text('alerts.item.since', { time: format.moment(alert.since), age, state: words.lookup(`alerts.state.${alert.state}`, alert.state) }));
      setText(text, meaning(context, alert));
      more.update(alert);
      acknowledge.update(alert);
    },
  };
}

export function alertsView(context: Context): View {
  const list = h('ul', { class: 'alerts' });
  const none = h('p', { class: 'empty' }, icon('ok'), context.words.text('alerts.section.none'));
  const rows = new KeyedList<Shown>(list, ({ alert }) => alert.id, ({ alert }) => alertRow(context, alert.id));
  return {
    element: h(
      'section',
      { class: 'panel', 'aria-labelledby': 'alerts-title' },
      h('h2', { id: 'alerts-title' }, context.words.text('alerts.section.title')),
      list,
      none,
    ),
    update({ alerts, now }: Model) {
      rows.update(alerts.map((alert) => ({ alert, now })));
      setHidden(none, alerts.length > 0);
    },
  };
}
