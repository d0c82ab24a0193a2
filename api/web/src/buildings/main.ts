/** Starts the buildings page: a community's table, or one building of it, as the address says. */
import '@fontsource-variable/atkinson-hyperlegible-next/index.css';
import '../styles/tokens.css';
import '../styles/page.css';
import './buildings.css';
import { accessKey, ApiError, authorized, communities, errorOf, setAccessKey } from '../api';
import { h } from '../dom';
import { isLanguage, LANGUAGES, preferred, type Language } from '../i18n';
import { icon } from '../icons';
import { readPlace, writePlace, type Place } from '../place';
import type { CommunityEntry } from '../types';
import { building } from './building';
import { Context } from './context';
import { portfolio } from './portfolio';
import type { Building, Portfolio } from './types';

const LANGUAGE_SLOT = 'commonwatt.language';

async function read<T>(path: string): Promise<T> {
  const response = await fetch(`api/v1/${path}`, { headers: authorized() }).catch((error: unknown) => {
    throw new ApiError(0, 'unreachable', String(error), '');
  });
  if (!response.ok) throw await errorOf(response);
  return (await response.json()) as T;
}

class Page {
  private context = new Context(rememberedLanguage());
  private place: Place = readPlace(location.hash);
  private entries: readonly CommunityEntry[] = [];
  private content: HTMLElement = h('p', { class: 'panel', role: 'status' }, this.context.words.text('loading'));

  constructor(private readonly root: HTMLElement) {
    window.addEventListener('hashchange', () => {
      this.place = readPlace(location.hash);
      void this.load();
    });
    void this.load();
  }

  private get community(): CommunityEntry | null {
    return this.entries.find(({ id }) => id === this.place.community) ?? this.entries[0] ?? null;
  }

  private async load(): Promise<void> {
    this.show(h('p', { class: 'panel', role: 'status' }, this.context.words.text('loading')));
    try {
      if (this.entries.length === 0) this.entries = await communities();
      const { community, context } = this;
      if (community === null) return;
      const address = (site: string | null): string => writePlace({ community: community.id, site });
      if (this.place.site === null) {
        this.show(portfolio(context, await read<Portfolio>(`communities/${encodeURIComponent(community.id)}/indicators`), address));
      } else {
        this.show(building(context, await read<Building>(`sites/${encodeURIComponent(this.place.site)}/indicators`), address(null)));
        document.getElementById('building')?.focus();
      }
    } catch (error) {
      this.show(this.problem(error));
    }
  }

  private problem(error: unknown): HTMLElement {
    const { words } = this.context;
    const told = error instanceof ApiError ? `${error.message} ${error.hint}` : String(error);
    const panel = h('div', { class: 'panel', role: 'alert' }, h('p', {}, told));
    if (error instanceof ApiError && error.needsKey) {
      const input = h('input', { id: 'key', type: 'password', autocomplete: 'current-password' });
      const use = (event: Event): void => {
        event.preventDefault();
        setAccessKey(input.value.trim());
        void this.load();
      };
      panel.append(h('form', { class: 'key-form', submit: use }, h('label', { for: 'key' }, words.text('key')), input, h('button', { type: 'submit' }, words.text('key_use'))));
    }
    return panel;
  }

  private show(content: HTMLElement): void {
    this.content = content;
    const { words } = this.context;
    const name = this.community?.name ?? '';
    const title = h('h1', { id: 'title' }, words.text('title', { name }));
    document.title = `${words.text('title', { name })} – commonwatt`;
    document.documentElement.lang = this.context.language;
    this.root.replaceChildren(h('div', { class: 'page' }, this.header(), h('main', { id: 'main', class: 'accounts' }, title, this.reports(), this.content)));
  }

  private header(): HTMLElement {
    const { words } = this.context;
    const select = h('select', { id: 'community', change: () => (location.hash = writePlace({ community: select.value, site: null })) });
    select.append(...this.entries.map(({ id, name }) => h('option', { value: id, selected: id === this.community?.id }, name)));
    const languages = LANGUAGES.map((language) =>
      h('button', { type: 'button', lang: language, 'aria-pressed': String(language === this.context.language), click: () => this.speak(language) }, language.toUpperCase()),
    );
    return h(
      'header',
      { class: 'band' },
      h('p', { class: 'brand' }, icon('shared'), h('span', {}, 'common', h('b', {}, 'watt'))),
      h('label', { class: 'community', for: 'community' }, h('span', {}, words.text('community')), select),
      h('div', { class: 'tools' }, h('a', { href: `./${writePlace({ community: this.community?.id ?? null, site: null })}` }, words.text('live')), h('div', { class: 'languages', role: 'group', 'aria-label': words.text('language') }, ...languages)),
    );
  }

  private reports(): HTMLElement | null {
    const { words, language } = this.context;
    if (this.community === null) return null;
    const path = `api/v1/communities/${encodeURIComponent(this.community.id)}/buildings-report?language=${language}`;
    const link = (text: string, kind: string, name: string): HTMLElement =>
      h('a', { class: 'button', href: path, click: (event) => void this.download(event, path, kind, name) }, text);
    return h('p', { class: 'reports' }, link(words.text('report'), 'text/html', 'report.html'), link(words.text('report_pdf'), 'application/pdf', 'report.pdf'));
  }

  /** A plain link carries neither a key nor which form is wanted. */
  private async download(event: Event, path: string, kind: string, name: string): Promise<void> {
    if (kind === 'text/html' && !accessKey()) return;
    event.preventDefault();
    try {
      const response = await fetch(path, { headers: authorized({ Accept: kind }) });
      if (!response.ok) throw await errorOf(response);
      const address = URL.createObjectURL(await response.blob());
      h('a', { href: address, download: name }).click();
      URL.revokeObjectURL(address);
    } catch (error) {
      this.show(this.problem(error));
    }
  }

  private speak(language: Language): void {
    localStorage.setItem(LANGUAGE_SLOT, language);
    this.context = new Context(language);
    void this.load();
  }
}

function rememberedLanguage(): Language {
  const remembered = localStorage.getItem(LANGUAGE_SLOT);
  return isLanguage(remembered) ? remembered : preferred(navigator.languages);
}

const root = document.getElementById('app');
if (root) new Page(root);
