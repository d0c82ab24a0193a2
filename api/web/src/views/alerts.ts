/** Open alerts, worst first: since when, what it means, what to do, what was done; acknowledge and mute. */
import { h, KeyedList, setAttribute, setHidden, setText, type Row } from '../dom';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';
import type { Alert, AlertAction, Evidence } from '../types';
import { pastAlerts } from './past_alerts';
import { rulesView } from './rules';
import { alertTitle, deviceName, problemText, settings } from './wording';

interface Shown {
  readonly alert: Alert;
  readonly now: number;
  /** The alert above it is of the same rule, and has said what that means. */
  readonly repeated: boolean;
}

/** The value now and the two at which it raises and clears, whichever way round. */
function facts({ words, format }: Context, alert: Alert): string {
  const { unit, value, raise_above, clear_below, raise_below, clear_above, unknown_since } = alert;
  const number = (amount: number | null): string => (amount === null ? words.text('page.value.unknown') : format.amount(amount, unit));
  const text =
    raise_above === null
      ? words.text('alerts.item.facts_below', { value: number(value), raise: number(raise_below), clear: number(clear_above) })
      : words.text('alerts.item.facts', { value: number(value), raise: number(raise_above), clear: number(clear_below) });
  const unknown = unknown_since === null ? '' : words.text('alerts.item.unknown', { time: format.moment(unknown_since) });
  const effect = alert.effect_w ? words.text('alerts.item.effect', { power: format.power(alert.effect_w) }) : '';
  return [text, effect, unknown].filter(Boolean).join(' ');
}

interface Step extends Evidence {
  readonly lang: string;
}

function evidenceRow({ words, format }: Context): Row<Step> {
  const time = h('time');
  const event = h('b');
  const text = h('span');
  return {
    element: h('li', {}, time, event, text),
    update(item) {
      setText(time, `${format.day(item.t)} ${format.clock(item.t)}`);
      setText(event, words.lookup(`alerts.event.${item.event}`, item.event));
      setText(text, item.text);
      setAttribute(text, 'lang', item.lang);
    },
  };
}

function actionRow(context: Context): Row<AlertAction> {
  const text = h('span');
  const reason = h('span', { class: 'note' });
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
  const evidenceRows = new KeyedList<Step>(evidence, ({ t, event, text }) => `${t} ${event} ${text}`, () => evidenceRow(context));
  const { language } = context.words;
  let shown: Alert | null = null;
  let told: Evidence[] = [];
  let toldActions: AlertAction[] = [];
  const show = (): void => {
    const steps = shown?.evidence ?? [];
    const inWords = (step: Evidence, place: number): Step => {
      const found = told[place];
      return found?.t === step.t && found.code ? { ...found, lang: language } : { ...step, lang: 'en' };
    };
    evidenceRows.update(steps.map(inWords));
    const why = (action: AlertAction): AlertAction => ({ ...action, reason: toldActions.find(({ device }) => device === action.device)?.reason ?? action.reason });
    actionRows.update((shown?.actions ?? []).map(why));
  };
  /** Asked for when somebody looks, and again when there is more; what cannot be asked stays English. */
  const translate = async (): Promise<void> => {
    const asked = shown;
    if (!asked || !element.open || language === 'en' || told.length === asked.evidence.length) return;
    const found = await context.actions.alertTold(asked.id).catch(() => null);
    if (!found || shown?.id !== asked.id) return;
    told = found.evidence;
    toldActions = found.actions;
    show();
  };
  const element = h('details', {}, summary, actions, evidence);
  element.addEventListener('toggle', () => void translate());
  return {
    element,
    update(alert) {
      shown = alert;
      setText(summary, context.words.count('alerts.evidence.open', alert.evidence.length));
      setHidden(element, alert.evidence.length + alert.actions.length === 0);
      show();
      void translate();
    },
  };
}

/** How long a mute lasts; it always ends. */
const MUTES_S = [3600, 28_800, 86_400, 604_800] as const;

/** A menu of times; choosing one mutes. */
function muteMenu({ words }: Context, alert: string, chosen: (seconds: number) => void): HTMLElement {
  const id = `mute-${alert}`;
  const times = MUTES_S.map((seconds) => h('option', { value: String(seconds) }, words.text(`alerts.mute.${seconds}`)));
  const choose = (): void => {
    const seconds = Number(select.value);
    select.value = '';
    if (seconds > 0) chosen(seconds);
  };
  const select = h('select', { id, change: choose }, h('option', { value: '' }, words.text('alerts.item.mute')), ...times);
  return h('span', {}, h('label', { class: 'spoken', for: id }, words.text('alerts.item.mute')), select);
}

/** What a reader can do: acknowledge, mute for a while, end the mute, take the evidence away. */
function duties(context: Context, id: string): { element: HTMLElement; update(alert: Alert): void } {
  const { words, format, actions } = context;
  const answer = h('p', { class: 'answer', role: 'status' });
  const act = async (what: Promise<void>): Promise<void> => {
    setText(answer, '');
    await what.catch((error: unknown) => setText(answer, problemText(context, error)));
  };
  const acknowledge = h('button', { type: 'button', click: () => void act(actions.acknowledge(id)) }, words.text('alerts.item.acknowledge'));
  const mute = muteMenu(context, id, (seconds) => void act(actions.mute(id, seconds)));
  const unmute = h('button', { type: 'button', click: () => void act(actions.mute(id, 0)) }, words.text('alerts.item.unmute'));
  const evidence = h('button', { type: 'button', class: 'quiet', click: () => void act(actions.evidence(id)) }, words.text('alerts.item.export'));
  const done = h('span', { class: 'note' });
  return {
    element: h('div', { class: 'acknowledge' }, acknowledge, mute, unmute, evidence, done, answer),
    update(alert) {
      setHidden(acknowledge, alert.state !== 'firing');
      setHidden(mute, alert.state === 'muted');
      setHidden(unmute, alert.state !== 'muted');
      const { acknowledged_at: at, acknowledged_by: by, muted_by, muted_until } = alert;
      const seen = at === null || alert.state !== 'acknowledged' ? '' : words.text('alerts.item.acknowledged', { by: by ?? '?', time: format.time(at) });
      const muted = words.text('alerts.item.muted', { by: muted_by ?? '?', time: format.moment(muted_until ?? 0) });
      setText(done, alert.state === 'muted' ? muted : seen);
    },
  };
}

function alertRow(context: Context, id: string): Row<Shown> {
  const { words, format } = context;
  const severity = h('span', { class: 'severity' });
  const title = h('h3');
  const since = h('p', { class: 'since' });
  const means = h('p');
  const todo = h('p', { class: 'todo' });
  const numbers = h('p', { class: 'note' });
  const more = details(context);
  const buttons = duties(context, id);
  const element = h(
    'li',
    { class: 'alert' },
    h('div', { class: 'alert-head' }, icon('warning'), severity, title),
    since,
    means,
    todo,
    numbers,
    buttons.element,
    more.element,
  );
  return {
    element,
    update({ alert, now, repeated }) {
      const texts = context.alertTexts(alert);
      setAttribute(element, 'data-severity', alert.severity);
      setAttribute(element, 'data-state', alert.state);
      setText(severity, words.lookup(`alerts.severity.${alert.severity}`, alert.severity));
      setText(title, alertTitle(context, alert));
      const age = format.duration((now - alert.since) / 1000);
      setText(since, words.text('alerts.item.since', { time: format.moment(alert.since), age, state: words.lookup(`alerts.state.${alert.state}`, alert.state) }));
      setText(means, texts?.means ?? '');
      setHidden(means, repeated);
      setHidden(todo, repeated);
      setText(todo, texts?.do ? words.text('alerts.item.todo', { text: texts.do }) : '');
      setText(numbers, facts(context, alert));
      more.update(alert);
      buttons.update(alert);
    },
  };
}

export function alertsView(context: Context): View {
  const list = h('ul', { class: 'alerts' });
  const none = h('p', { class: 'empty' }, icon('ok'), context.words.text('alerts.section.none'));
  const watched = rulesView(context);
  const past = pastAlerts(context);
  const rows = new KeyedList<Shown>(list, ({ alert }) => alert.id, ({ alert }) => alertRow(context, alert.id));
  return {
    element: h(
      'section',
      { class: 'panel', 'aria-labelledby': 'alerts-title' },
      h('h2', { id: 'alerts-title' }, context.words.text('alerts.section.title')),
      list,
      none,
      past.element,
      watched.element,
    ),
    update(model: Model) {
      const { alerts, now } = model;
      watched.update(model);
      past.update(model);
      rows.update(alerts.map((alert, index) => ({ alert, now, repeated: alerts[index - 1]?.rule === alert.rule })));
      setHidden(none, alerts.length > 0);
    },
  };
}
