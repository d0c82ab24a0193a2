/** The three numbers: power now, shared now, self-sufficiency today. */
import { h, setAttribute, setHidden, setText } from '../dom';
import type { Key } from '../i18n';
import { icon, type IconName } from '../icons';
import type { Context, Model, View } from '../model';
import type { Community, Maybe, Quality } from '../types';

interface Figure {
  readonly name: string;
  readonly icon: IconName;
  readonly title: Key;
  /** The number and its unit; null when unknown. */
  number(community: Community): { value: string; unit: string } | null;
  /** What is known although the number is not. */
  known(community: Community): string;
  note(community: Community): string;
  share?(community: Community): Maybe;
  quality(community: Community): Quality;
}

/** A sum that is known has no missing part: `missing` then speaks of the community's other numbers. */
function qualityNow({ quality }: Community): Quality {
  return quality === 'missing' ? 'measured' : quality;
}

function figures({ words, format }: Context): Figure[] {
  const power = (value: Maybe) => (value === null ? null : format.quantity(value, 'W'));
  const or = (value: Maybe, write: (value: number) => string) => (value === null ? words.text('page.value.unknown') : write(value));
  const sites = ({ known }: Community) => ({ sites: known.sites, of: known.of });
  return [
    {
      name: 'consumption',
      icon: 'consumption',
      title: 'figures.power.title',
      number: (community) => power(community.consumption_w),
      known: (community) =>
        words.text('page.value.known_at_least', { power: format.power(community.known.consumption_w), ...sites(community) }),
      note: ({ pv_w, known }) =>
        pv_w === null
          ? words.text('figures.power.pv_known', { power: format.power(known.pv_w) })
          : words.text('figures.power.pv', { power: format.power(pv_w) }),
      quality: qualityNow,
    },
    {
      name: 'shared',
      icon: 'shared',
      title: 'figures.shared.title',
      number: (community) => power(community.shared_w),
      known: (community) => words.text('page.value.known_sites', sites(community)),
      note: ({ shared_w, surplus_w }) =>
        shared_w === null || surplus_w === null
          ? words.text('figures.shared.explain')
          : words.text('figures.shared.note', { power: format.power(shared_w + surplus_w) }),
      quality: qualityNow,
    },
    {
      name: 'sufficiency',
      icon: 'pv',
      title: 'figures.sufficiency.title',
      number: ({ today: { self_sufficiency: share } }) => (share === null ? null : { value: format.number(Math.round(share * 100)), unit: '%' }),
      known: (community) => words.text('page.value.known_sites', sites(community)),
      note: ({ today }) =>
        words.text('figures.sufficiency.note', {
          pv: or(today.pv_wh, (energy) => format.energy(energy)),
          consumption: or(today.consumption_wh, (energy) => format.energy(energy)),
        }),
      share: ({ today }) => today.self_sufficiency,
      quality: ({ today }) => today.quality,
    },
  ];
}

/** What to know about a number before trusting it: nothing when all of it is measured. */
function caveat(figure: Figure, { words }: Context, community: Community): string {
  if (!figure.number(community)) return figure.known(community);
  const quality = figure.quality(community);
  return quality === 'measured' ? '' : words.text(`figures.quality.${quality}`);
}

function figureView(figure: Figure, context: Context): View {
  const { words } = context;
  const value = h('span', { class: 'value' });
  const unit = h('span', { class: 'unit' });
  const known = h('p', { class: 'known' });
  const note = h('p', { class: 'note' });
  const fill = h('span');
  const meter = h('div', { class: 'meter', 'aria-hidden': 'true' }, fill);
  const element = h(
    'section',
    { class: `figure figure-${figure.name}`, 'aria-labelledby': `figure-${figure.name}` },
    h('h2', { id: `figure-${figure.name}` }, icon(figure.icon), words.text(figure.title)),
    h('p', { class: 'number' }, value, unit),
    meter,
    known,
    note,
  );
  setHidden(meter, figure.share === undefined);
  return {
    element,
    update({ community }: Model) {
      const number = community && figure.number(community);
      setText(value, number?.value ?? words.text('page.value.unknown'));
      setText(unit, number?.unit ?? '');
      setAttribute(element, 'data-unknown', String(!number));
      setText(known, community ? caveat(figure, context, community) : '');
      setText(note, community ? figure.note(community) : '');
      fill.style.inlineSize = `${((community && figure.share?.(community)) ?? 0) * 100}%`;
    },
  };
}

export function figuresView(context: Context): View {
  const views = figures(context).map((figure) => figureView(figure, context));
  return {
    element: h('div', { class: 'figures' }, ...views.map((view) => view.element)),
    update: (model) => views.forEach((view) => view.update(model)),
  };
}
