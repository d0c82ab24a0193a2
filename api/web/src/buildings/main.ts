/** Starts the buildings page: a community's table, or one building of it, as the address says. */
import '@fontsource-variable/atkinson-hyperlegible-next/index.css';
import '../styles/tokens.css';
import '../styles/page.css';
import './buildings.css';
import { accessKey, accountsOf, ApiError, authorized, buildings, communities, errorOf, setAccessKey } from '../api';
import { h } from '../dom';
import { LANGUAGE_SLOT, rememberedLanguage, type Language } from '../i18n';
import { readPlace, writePlace, type Place } from '../place';
import type { CommunityEntry } from '../types';
import { brand, languageSwitch } from '../views/header';
import { building } from './building';
import { Context } from './context';
import { portfolio } from './portfolio';

class Page {
  private context = new Context(rememberedLanguage());
  private place: Place = readPlace(location.hash);
  private entries: readonly CommunityEntry[] = [];
  private content: HTMLElement = h('p', { class: 'panel', role: 'status' }, this.context.words.text('buildings.page.loading'));

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
    this.show(h('p', { class: 'panel', role: 'status' }, this.context.words.text('buildings.page.loading')));
    try {
      if (this.entries.length === 0) this.entries = await communities();
      const { community, context } = this;
      if (community === null) return;
      const address = (site: string | null): string => writePlace({ community: community.id, site });
      if (this.place.site === null) {
        this.show(portfolio(context, await buildings(community.id), address));
      } else {
        this.show(building(context, await accountsOf(this.place.site), address(null)));
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
      panel.append(h('form', { class: 'key-form', submit: use }, h('label', { for: 'key' }, words.text('header.key.open')), input, h('button', { type: 'submit' }, words.text('key.dialog.use'))));
    }
    return panel;
  }

  private show(content: HTMLElement): void {
    this.content = content;
    const { words } = this.context;
    const name = this.community?.name ?? '';
    const title = h('h1', { id: 'title' }, words.text('buildings.page.title', { name }));
    document.title = `${words.text('buildings.page.title', { name })} – commonwatt`;
    document.documentElement.lang = this.context.language;
    this.root.replaceChildren(h('div', { class: 'page' }, this.header(), h('main', { id: 'main', class: 'accounts' }, title, this.reports(), this.content)));
  }

  private header(): HTMLElement {
    const { words } = this.context;
    const select = h('select', { id: 'community', change: () => (location.hash = writePlace({ community: select.value, site: null })) });
    select.append(...this.entries.map(({ id, name }) => h('option', { value: id, selected: id === this.community?.id }, name)));
    return h(
      'header',
      { class: 'band' },
      brand(),
      h('label', { class: 'community', for: 'community' }, h('span', {}, words.text('header.community.label')), select),
      h('div', { class: 'tools' }, h('a', { href: `./${writePlace({ community: this.community?.id ?? null, site: null })}` }, words.text('me.header.live')), languageSwitch(words, (language) => this.speak(language))),
    );
  }

  private reports(): HTMLElement | null {
    const { words, language } = this.context;
    if (this.community === null) return null;
    const path = `api/v1/communities/${encodeURIComponent(this.community.id)}/buildings-report?language=${language}`;
    const link = (text: string, kind: string, name: string): HTMLElement =>
      h('a', { class: 'button', href: path, click: (event) => void this.download(event, path, kind, name) }, text);
    return h('p', { class: 'reports' }, link(words.text('buildings.page.report'), 'text/html', 'report.html'), link(words.text('buildings.page.report_pdf'), 'application/pdf', 'report.pdf'));
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

const root = document.getElementById('app');
if (root) new Page(root);
