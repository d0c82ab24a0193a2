/** The band at the top: whose data, how live, in which language. */
import { h, setAttribute, setHidden, setText, spoken } from '../dom';
import { LANGUAGES, type Key, type Language, type Translator } from '../i18n';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';
import { writePlace } from '../place';
import { keyDialog } from './dialogs';

const LANGUAGE_NAMES = { fr: 'Français', nl: 'Nederlands', de: 'Deutsch', en: 'English' } as const;

function communitySelector({ words, actions }: Context): View {
  const select = h('select', { id: 'community', change: () => actions.chooseCommunity(select.value) });
  const element = h('label', { class: 'selector', for: 'community' }, h('span', {}, words.text('header.community.label')), select);
  let shown = '';
  return {
    element,
    update({ entries, communityId }) {
      const wanted = JSON.stringify(entries);
      if (wanted !== shown) {
        shown = wanted;
        select.replaceChildren(...entries.map((entry) => h('option', { value: entry.id }, entry.name)));
      }
      if (communityId !== null && select.value !== communityId) select.value = communityId;
      setHidden(element, entries.length === 0);
    },
  };
}

export function languageSwitch(words: Translator, choose: (language: Language) => void): HTMLElement {
  const buttons = LANGUAGES.map((language) =>
    h(
      'button',
      {
        type: 'button',
        lang: language,
        'aria-pressed': String(language === words.language),
        'aria-label': `${language.toUpperCase()} ${LANGUAGE_NAMES[language]}`,
        click: () => choose(language),
      },
      language.toUpperCase(),
    ),
  );
  return h('div', { class: 'languages', role: 'group', 'aria-label': words.text('header.language.label') }, ...buttons);
}

function stateKey({ connection, stale, sumsOnly }: Model): Key {
  if (sumsOnly) return 'header.connection.sums';
  if (connection.state === 'live') return stale ? 'header.connection.silent' : 'header.connection.live';
  if (connection.state === 'connecting') return 'header.connection.connecting';
  return connection.state === 'refused' ? 'header.connection.refused' : 'header.connection.lost';
}

function connectionState({ words, format }: Context): View {
  const text = h('span');
  const element = h('p', { class: 'connection' }, h('span', { class: 'lamp', 'aria-hidden': 'true' }), text);
  return {
    element,
    update(model) {
      const key = stateKey(model);
      const since = 'since' in model.connection ? format.clock(model.connection.since) : '';
      setText(text, words.text(key, { since }));
      setAttribute(element, 'data-state', key.split('.').pop() ?? '');
    },
  };
}

function dataClock({ words, format }: Context): View {
  const time = h('time');
  const element = h('p', { class: 'clock' }, h('span', {}, words.text('header.clock.label')), time);
  return {
    element,
    update({ community }) {
      setHidden(element, community === null);
      if (community === null) return;
      setText(time, format.clock(community.t));
      setAttribute(time, 'datetime', new Date(community.t).toISOString());
    },
  };
}

function pauseButton({ words, actions }: Context): View {
  const label = h('span');
  const element = h('button', { type: 'button', class: 'pause', click: () => actions.togglePause() }, icon('pause'), icon('play'), label);
  return {
    element,
    update({ paused }) {
      setText(label, words.text(paused ? 'header.pause.resume' : 'header.pause.pause'));
      setAttribute(element, 'data-paused', String(paused));
    },
  };
}

/** For those who see what members pay. */
function monthsLink({ words }: Context): View {
  const element = h('a', { class: 'button', href: './statements', hidden: true }, words.text('months.page.link'));
  return {
    element,
    update({ rights, communityId }) {
      setHidden(element, !rights.has('settle'));
      setAttribute(element, 'href', `./statements${writePlace({ community: communityId, site: null })}`);
    },
  };
}

/** Two overlapping circles, what is produced and what is used; the overlap is what is shared. */
export function brand(): HTMLElement {
  return h('p', { class: 'brand' }, icon('shared'), h('span', {}, 'common', h('b', {}, 'watt')));
}

export function header(context: Context): View {
  const { words, actions } = context;
  const parts = [communitySelector(context), connectionState(context), dataClock(context), pauseButton(context), monthsLink(context)] as const;
  const dialog = keyDialog(words, (key) => actions.useKey(key));
  const key = h(
    'button',
    { type: 'button', class: 'key', click: () => dialog.showModal() },
    icon('key'),
    h('span', {}, words.text('header.key.open')),
  );
  const [selector, connection, clock, pause, months] = parts;
  const band = h(
    'header',
    { class: 'band' },
    brand(),
    selector.element,
    h('div', { class: 'liveness' }, spoken(words.text('header.connection.label')), connection.element, clock.element),
    h(
      'div',
      { class: 'tools' },
      months.element,
      h('a', { class: 'button', href: './me' }, words.text('me.header.link')),
      pause.element,
      key,
      languageSwitch(words, actions.chooseLanguage.bind(actions)),
    ),
  );
  return {
    element: h('div', {}, band, dialog),
    update: (model) => parts.forEach((part) => part.update(model)),
  };
}
