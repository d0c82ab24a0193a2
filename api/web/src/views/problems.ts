/** One line that says whether anything needs a person, and the banner of numbers that stopped coming. */
import { h, setAttribute, setHidden, setText } from '../dom';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';

const NAMED_SITES = 3;

function problems({ words, siteName }: Context, { community, alerts, leases }: Model): string[] {
  const stale = community?.stale ?? [];
  const open = alerts.filter((alert) => alert.state === 'firing').length;
  const found: string[] = [];
  if (open > 0) found.push(words.count('problems.alerts.open', open));
  if (stale.length > 0) {
    const names = stale.slice(0, NAMED_SITES).map(siteName).join(', ') + (stale.length > NAMED_SITES ? ', …' : '');
    found.push(words.count('problems.sites.stale', stale.length, { names }));
  }
  if (leases.length > 0) found.push(words.count('problems.leases.active', leases.length));
  return found;
}

export function problemsView(context: Context): View {
  const text = h('span');
  const element = h('p', { class: 'problems' }, icon('ok'), icon('warning'), text);
  return {
    element,
    update(model) {
      const found = problems(context, model);
      setText(text, found.length > 0 ? found.join(' · ') : context.words.text('problems.line.none'));
      setAttribute(element, 'data-problems', String(found.length > 0));
      setHidden(element, !model.community);
    },
  };
}

/** Says how old the numbers are once they no longer come. */
export function staleBanner({ words, format }: Context): View {
  const title = h('strong');
  const text = h('span');
  const element = h('div', { class: 'banner', hidden: true }, icon('stale'), h('p', {}, title, ' ', text));
  return {
    element,
    update({ stale, silence, community, connection }) {
      setHidden(element, !stale || !community);
      if (!stale || !community) return;
      setText(title, words.text('problems.banner.title', { age: format.duration((silence ?? 0) / 1000) }));
      const reason = connection.state === 'live' ? 'problems.banner.silent' : 'problems.banner.offline';
      setText(text, words.text(reason, { time: format.clock(community.t) }));
    },
  };
}
