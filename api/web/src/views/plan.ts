/** What is planned for the next hours, and what the balancer does now, each with its reason; read again every few seconds. */
import { h, KeyedList, setHidden, setText, type Row } from '../dom';
import type { Context, View } from '../model';
import type { Decision, Plan, PlanStep } from '../types';
import { deviceName, problemText, settings } from './wording';

const EVERY_MS = 10_000;
const HOUR = 4;
const HOURS = 8;

function decisionRow(context: Context): Row<Decision> {
  const { words } = context;
  const device = h('b');
  const set = h('span');
  const why = h('span', { class: 'note' });
  return {
    element: h('li', {}, device, ' ', set, ' ', why),
    update(decision) {
      setText(device, deviceName(context, decision.device));
      setText(set, decision.set === null ? words.text('plan.item.free') : settings(context, decision.set));
      setText(why, decision.reason);
    },
  };
}

function hourRow({ words, format }: Context): Row<PlanStep> {
  const time = h('b');
  const flows = h('span');
  const why = h('span', { class: 'note' });
  return {
    element: h('li', {}, time, ' ', flows, ' ', why),
    update(step) {
      setText(time, format.time(step.start));
      const values = {
        pv: format.power(step.pv_w),
        use: format.power(step.consumption_w),
        battery: format.power(step.battery_w),
        price: format.number(step.import_eur_kwh),
      };
      setText(flows, words.text('plan.item.hour', values));
      setText(why, step.why);
    },
  };
}

export function planView(context: Context): View {
  const { words, actions, format, siteName } = context;
  const value = h('p', { class: 'note' });
  const missing = h('p', { class: 'note' });
  const problem = h('p', { class: 'note', role: 'status' });
  const decisions = h('ul', { class: 'rules' });
  const hours = h('ul', { class: 'rules' });
  const limits = h('ul', { class: 'rules' });
  const decisionRows = new KeyedList<Decision>(decisions, ({ device }) => device, () => decisionRow(context));
  const hourRows = new KeyedList<PlanStep>(hours, ({ start }) => String(start), () => hourRow(context));
  const limitRows = new KeyedList<{ id: string; text: string }>(limits, ({ id }) => id, () => {
    const text = h('span');
    return { element: h('li', {}, text), update: (limit) => setText(text, limit.text) };
  });
  const show = ({ plan, now }: Plan): void => {
    decisionRows.update(now.decisions);
    limitRows.update(Object.entries(now.limits).flatMap(([site, told]) => told.map((text, place) => ({ id: `${site}/${place}`, text: `${siteName(site)}: ${text}` }))));
    hourRows.update(plan === null ? [] : plan.steps.filter((_, place) => place % HOUR === 0).slice(0, HOURS));
    const worth = plan?.value_eur_kwh ?? null;
    setText(value, plan === null ? words.text('plan.section.none') : worth === null ? '' : words.text('plan.section.value', { value: format.number(worth), time: format.clock(plan.t) }));
    setText(missing, plan === null ? '' : plan.missing.join(' '));
  };
  let read = 0;
  let shown: string | null = null;
  const refresh = async (community: string): Promise<void> => {
    try {
      show(await actions.plan(community));
      setText(problem, '');
    } catch (error) {
      setText(problem, problemText(context, error));
    }
  };
  const element = h(
    'details',
    { class: 'panel', toggle: () => (read = 0) },
    h('summary', {}, h('h2', { id: 'plan-title' }, words.text('plan.section.title'))),
    problem,
    h('h3', {}, words.text('plan.decisions.title')),
    decisions,
    h('h3', {}, words.text('plan.limits.title')),
    limits,
    h('h3', {}, words.text('plan.hours.title')),
    value,
    hours,
    missing,
  );
  return {
    element,
    update({ communityId, connection }) {
      setHidden(element, communityId === null);
      const due = Date.now() - read >= EVERY_MS || shown !== communityId;
      if (communityId === null || !element.open || !due || connection.state !== 'live') return;
      read = Date.now();
      shown = communityId;
      void refresh(communityId);
    },
  };
}
