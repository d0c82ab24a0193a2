/** What screen readers are told: one short sentence, at most every half minute, and only when it changed. */
import { h, setText } from '../dom';
import type { Context, Model, View } from '../model';
import type { Maybe } from '../types';

const QUIET_MS = 30_000;

function sentence({ words, format }: Context, { community, stale, alerts, silence }: Model): string {
  if (!community) return '';
  if (stale) return words.text('problems.banner.title', { age: format.duration((silence ?? 0) / 1000) });
  const power = (value: Maybe): string => (value === null ? words.text('page.value.unknown') : format.power(value));
  const firing = alerts.filter((alert) => alert.state === 'firing').length;
  return words.text('page.live.sentence', {
    time: format.time(community.t),
    consumption: power(community.consumption_w),
    pv: power(community.pv_w),
    shared: power(community.shared_w),
    alerts: words.count('problems.alerts.open', firing),
  });
}

export function announcer(context: Context): View {
  const element = h('p', { class: 'spoken', 'aria-live': 'polite' });
  let saidAt = -Infinity;
  return {
    element,
    update(model) {
      if (Date.now() - saidAt < QUIET_MS) return;
      const text = sentence(context, model);
      if (!text) return;
      saidAt = Date.now();
      setText(element, text);
    },
  };
}
