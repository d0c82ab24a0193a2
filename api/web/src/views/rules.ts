/** What is watched, with the values that raise and clear it; and a button to try each channel that is told. */
import { h, KeyedList, setHidden, setText, type Row } from '../dom';
import type { Context, View } from '../model';
import type { Channel, Rule } from '../types';
import { problemText } from './wording';

function limits({ words, format }: Context, rule: Rule): string {
  const { raise_above, clear_below, raise_below, clear_above, unit } = rule;
  const number = (amount: number | null): string => (amount === null ? words.text('page.value.unknown') : format.amount(amount, unit));
  return raise_above === null
    ? words.text('rules.item.below', { raise: number(raise_below), clear: number(clear_above) })
    : words.text('rules.item.above', { raise: number(raise_above), clear: number(clear_below) });
}

function ruleRow(context: Context): Row<Rule> {
  const { words } = context;
  const title = h('b');
  const values = h('span');
  const watches = h('span', { class: 'note' });
  return {
    element: h('li', {}, title, ' ', values, ' ', watches),
    update(rule) {
      setText(title, rule.texts[words.language]?.title ?? rule.id);
      setText(values, limits(context, rule));
      const told = rule.notify.length > 0 ? words.text('rules.item.tells', { channels: rule.notify.join(', ') }) : '';
      setText(watches, `${words.count('rules.item.watches', rule.watches)} ${told}`.trim());
    },
  };
}

function channelRow(context: Context, id: string): Row<Channel> {
  const { words, actions } = context;
  const name = h('b');
  const answer = h('span', { class: 'note', role: 'status' });
  const test = async (): Promise<void> => {
    button.disabled = true;
    setText(answer, words.text('rules.channel.sending'));
    const told = await actions.testChannel(id).then(
      (problem) => problem || words.text('rules.channel.sent'),
      (error: unknown) => problemText(context, error),
    );
    setText(answer, told);
    button.disabled = false;
  };
  const button = h('button', { type: 'button', click: () => void test() }, words.text('rules.channel.test'));
  return {
    element: h('li', { class: 'acknowledge' }, name, button, answer),
    update({ language, quiet }) {
      setText(name, [id, language.toUpperCase(), quiet].filter(Boolean).join(' · '));
    },
  };
}

export function rulesView(context: Context): View {
  const { words, actions } = context;
  const rules = h('ul', { class: 'rules' });
  const channels = h('ul', { class: 'rules' });
  const summary = h('summary');
  const ruleRows = new KeyedList<Rule>(rules, ({ id }) => id, () => ruleRow(context));
  const channelRows = new KeyedList<Channel>(channels, ({ id }) => id, ({ id }) => channelRow(context, id));
  /** Whoever may not try channels sees none. */
  let mayTry = false;
  const readChannels = async (): Promise<void> => {
    if (element.open && mayTry) channelRows.update(await actions.channels().catch(() => []));
  };
  const element = h('details', { toggle: () => void readChannels() }, summary, rules, channels);
  return {
    element,
    update({ rules: known, rights }) {
      mayTry = rights.has('command');
      setText(summary, words.count('rules.section.title', known.length));
      setHidden(element, known.length === 0);
      ruleRows.update(known);
    },
  };
}
