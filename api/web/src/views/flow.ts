/** The balance: what comes into the community on one side, where it goes on the other, to the same scale. */
import { h, KeyedList, setAttribute, setHidden, setText, type Row } from '../dom';
import { balance, contributions, type Contribution, type Flow } from '../flows';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';
import type { Community, Maybe, Site } from '../types';

interface Shown {
  readonly flow: Flow;
  readonly scale_w: number;
  readonly sites: readonly Site[];
  readonly community: Community;
}

function powerText({ words, format }: Context, power_w: Maybe): string {
  return power_w === null ? words.text('page.value.unknown') : format.power(power_w);
}

/** `share` of the bar's full length; nothing at all for nothing. */
function draw(bar: HTMLElement, share: number): void {
  bar.style.inlineSize = `${share * 100}%`;
  setAttribute(bar, 'data-empty', String(share <= 0));
}

function contributionRow(context: Context): Row<Contribution> {
  const name = h('span');
  const value = h('span', { class: 'value' });
  return {
    element: h('li', {}, name, value),
    update({ site, power_w }) {
      setText(name, context.siteName(site));
      setText(value, powerText(context, power_w));
    },
  };
}

function flowRow(context: Context, id: Flow['id']): Row<Shown> {
  const { words, format } = context;
  const value = h('span', { class: 'value' });
  const known = h('span', { class: 'known' });
  const bar = h('span', { class: 'bar' });
  const list = h('ul');
  const details = h('div', { class: 'contributions', id: `flow-${id}`, hidden: true }, list);
  const rows = new KeyedList<Contribution>(list, (item) => item.site, () => contributionRow(context));
  if (id === 'import' || id === 'export') details.append(h('p', { class: 'note' }, words.text('flow.sites.before_sharing')));
  const toggle = (): void => {
    setHidden(details, !details.hidden);
    setAttribute(button, 'aria-expanded', String(!details.hidden));
  };
  const button = h(
    'button',
    { type: 'button', class: 'flow-line', 'aria-expanded': 'false', 'aria-controls': `flow-${id}`, click: toggle },
    h('span', { class: 'label' }, icon(id), words.text(`flow.${id}.label`)),
    value,
    known,
    h('span', { class: 'track', 'aria-hidden': 'true' }, bar),
  );
  return {
    element: h('li', { class: `flow flow-${id}` }, button, details),
    update({ flow, scale_w, sites, community }) {
      const { sites: count, of } = community.known;
      setText(value, powerText(context, flow.power_w));
      setText(known, flow.known_w === null ? '' : words.text('page.value.known', { power: format.power(flow.known_w), sites: count, of }));
      setAttribute(button, 'data-unknown', String(flow.power_w === null));
      draw(bar, (flow.power_w ?? flow.known_w ?? 0) / scale_w);
      rows.update(contributions(id, sites));
    },
  };
}

function side(context: Context, name: 'in' | 'out'): { element: HTMLElement; update(shown: Shown[], sum: Maybe): void } {
  const total = h('span', { class: 'value' });
  const list = h('ul');
  const rows = new KeyedList<Shown>(list, (item) => item.flow.id, (item) => flowRow(context, item.flow.id));
  return {
    element: h(
      'section',
      { class: `side side-${name}`, 'aria-labelledby': `flow-title-${name}` },
      h('h3', { id: `flow-title-${name}` }, h('span', {}, context.words.text(`flow.${name}.title`)), ' ', total),
      list,
    ),
    update(shown, sum) {
      setText(total, powerText(context, sum));
      rows.update(shown);
    },
  };
}

function sharedLine({ words, format }: Context): { element: HTMLElement; update(community: Community): void } {
  const text = h('span', { class: 'sentence' });
  const value = h('span', { class: 'value' });
  const bar = h('span', { class: 'bar' });
  const element = h(
    'div',
    { class: 'shared-line' },
    h('h3', {}, icon('shared'), h('span', {}, words.text('flow.shared.title')), ' ', value),
    h('div', { class: 'track', 'aria-hidden': 'true' }, bar),
    h('p', {}, text),
  );
  return {
    element,
    update({ shared_w, surplus_w, import_w }) {
      const known = shared_w !== null && surplus_w !== null && import_w !== null;
      const injected = known ? shared_w + surplus_w : 0;
      const withdrawn = known ? shared_w + import_w : 0;
      setText(value, shared_w === null ? words.text('page.value.unknown') : format.power(shared_w));
      const sentence = (): string => {
        if (!known) return words.text('figures.shared.explain');
        if (injected < 1) return words.text('flow.shared.none');
        return words.text('flow.shared.sentence', {
          used: format.percent(shared_w / injected),
          injected: format.power(injected),
          covered: format.percent(withdrawn > 0 ? shared_w / withdrawn : 0),
        });
      };
      setText(text, sentence());
      draw(bar, known && injected >= 1 ? shared_w / injected : 0);
    },
  };
}

export function flowView(context: Context): View {
  const inwards = side(context, 'in');
  const outwards = side(context, 'out');
  const shared = sharedLine(context);
  const element = h(
    'section',
    { class: 'panel flows', 'aria-labelledby': 'flow-title' },
    h('h2', { id: 'flow-title' }, context.words.text('flow.section.title')),
    h('div', { class: 'sides' }, inwards.element, outwards.element),
    shared.element,
  );
  return {
    element,
    update({ community, sites }: Model) {
      if (!community) return;
      const { scale_w, in_w, out_w, ...flows } = balance(community);
      const shown = (flow: Flow): Shown => ({ flow, scale_w, sites, community });
      inwards.update(flows.inwards.map(shown), in_w);
      outwards.update(flows.outwards.map(shown), out_w);
      shared.update(community);
    },
  };
}
