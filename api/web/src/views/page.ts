/** The page put together: header, what is wrong, the numbers now, the last day, the sites. */
import { h, setAttribute, setHidden, setText } from '../dom';
import type { Context, Model, View } from '../model';
import { alertsView } from './alerts';
import { announcer } from './announcer';
import { communityChart } from './community_chart';
import { figuresView } from './figures';
import { flowView } from './flow';
import { header } from './header';
import { leasesView } from './leases';
import { planView } from './plan';
import { problemsView, staleBanner } from './problems';
import { sharingView } from './sharing';
import { sitePanel } from './site_panel';
import { sitesView } from './sites';

/** What stands there while there are no numbers: connecting, refused, offline, or no community yet. */
function emptyState({ words }: Context): View {
  const title = h('strong');
  const text = h('p');
  const own = h('a', { class: 'button', href: './me' }, words.text('me.header.link'));
  const element = h('div', { class: 'nothing', role: 'status' }, title, text, own);
  return {
    element,
    update({ community, connection, received, sumsOnly, member }) {
      setHidden(element, community !== null);
      setAttribute(element, 'data-sums', String(sumsOnly));
      setHidden(own, !(sumsOnly && member));
      const state = received ? 'none' : sumsOnly ? 'sums' : connection.state === 'live' ? 'connecting' : connection.state;
      setText(title, words.text(`page.empty.${state}_title`));
      setText(text, words.text(`page.empty.${state}_text`));
    },
  };
}

function communityTitle({ words }: Context): View {
  const element = h('h1', { id: 'title' });
  return {
    element,
    update({ entries, communityId }) {
      const name = entries.find((entry) => entry.id === communityId)?.name ?? communityId;
      setText(element, name === null ? words.text('page.title.product') : words.text('page.title.community', { name }));
      document.title = name === null ? 'commonwatt' : `${name} – commonwatt`;
    },
  };
}

export function page(context: Context): View {
  const head = header(context);
  const always = [head, communityTitle(context), emptyState(context), announcer(context)] as const;
  const banner = staleBanner(context);
  const numbers = [problemsView(context), figuresView(context), flowView(context), alertsView(context), leasesView(context), planView(context)] as const;
  const rest = [communityChart(context), sharingView(context), sitesView(context), sitePanel(context)] as const;
  const [problems, figures, flows, alerts, leases, plan] = numbers;
  const [chart, sharing, sites, site] = rest;
  const [, title, empty, live] = always;
  const duties = h('div', { class: 'duties' }, alerts.element, leases.element, plan.element);
  const halves = h('div', { class: 'halves' }, flows.element, duties, chart.element);
  const content = h(
    'div',
    { class: 'content', hidden: true },
    figures.element,
    halves,
    sharing.element,
    sites.element,
    site.element,
  );
  const main = h('main', { id: 'main' }, h('div', { class: 'opening' }, title.element, problems.element), banner.element, empty.element, content);
  const skip = h('a', { class: 'skip', href: '#main', click: (event) => (event.preventDefault(), main.focus()) }, context.words.text('page.skip.link'));
  main.tabIndex = -1;
  return {
    element: h('div', { class: 'page' }, skip, head.element, main, live.element),
    update(model: Model) {
      setHidden(content, model.community === null && !model.sumsOnly);
      setAttribute(content, 'data-sums', String(model.sumsOnly));
      for (const singly of [figures.element, flows.element, duties, sites.element]) setHidden(singly, model.sumsOnly);
      setAttribute(main, 'data-stale', String(model.stale));
      for (const view of [...always, banner, ...numbers, ...rest]) view.update(model);
    },
  };
}
