/** Starts a member's own page: the key, the language, and the views of what the key may see of its own. */
import '@fontsource-variable/atkinson-hyperlegible-next/index.css';
import './styles/tokens.css';
import './styles/page.css';
import './styles/panels.css';
import './styles/me.css';
import './styles/print.css';
import * as api from './api';
import { h, setText } from './dom';
import { Formatter } from './format';
import { LANGUAGE_SLOT, LOCALES, rememberedLanguage, Translator, type Language } from './i18n';
import type { Me } from './types';
import { brand, languageSwitch } from './views/header';
import { login } from './views/login';
import { ownConsents } from './views/own_consents';
import { ownDay } from './views/own_day';
import { ownRunning } from './views/own_running';
import { ownStatements } from './views/own_statements';
import { problemText } from './views/wording';

const TIME_ZONE = 'Europe/Brussels';

class OwnPage {
  private language: Language = rememberedLanguage();
  private me: Me | null = null;

  constructor(private readonly root: HTMLElement) {
    this.build();
    if (api.accessKey()) void this.enter(api.accessKey());
  }

  private async enter(key: string): Promise<void> {
    api.setAccessKey(key);
    try {
      this.me = await api.me();
      this.build();
    } catch (error) {
      api.setAccessKey('');
      this.me = null;
      this.build(problemText({ words: new Translator(this.language) }, error));
    }
  }

  private leave(): void {
    api.setAccessKey('');
    this.me = null;
    this.build();
  }

  private chooseLanguage(language: Language): void {
    this.language = language;
    localStorage.setItem(LANGUAGE_SLOT, language);
    this.build();
    this.root.querySelector<HTMLElement>('.languages [aria-pressed="true"]')?.focus();
  }

  private build(problem = ''): void {
    const words = new Translator(this.language);
    const format = new Formatter(LOCALES[this.language], TIME_ZONE);
    const title = h('h1', { id: 'title' });
    const places = [...new Set(this.me?.participants.map(({ community_name }) => community_name))];
    setText(title, [words.text('me.header.link'), ...places].join(' · '));
    document.title = `${words.text('me.header.link')} – commonwatt`;
    document.documentElement.lang = this.language;
    const leave = h('button', { type: 'button', click: () => this.leave() }, words.text('me.header.leave'));
    const tools = [
      h('a', { class: 'button', href: './' }, words.text('me.header.live')),
      this.me?.rights.includes('settle') ? h('a', { class: 'button', href: './statements' }, words.text('months.page.link')) : null,
      this.me ? leave : null,
      languageSwitch(words, (language) => this.chooseLanguage(language)),
    ];
    this.root.replaceChildren(
      h(
        'div',
        { class: 'page own' },
        h('header', { class: 'band' }, brand(), h('div', { class: 'liveness' }), h('div', { class: 'tools' }, ...tools)),
        h('main', { id: 'main' }, h('div', { class: 'opening' }, title), ...this.content(words, format, problem)),
      ),
    );
  }

  private content(words: Translator, format: Formatter, problem: string): HTMLElement[] {
    if (this.me === null) return [login(words, problem, (key) => void this.enter(key))];
    if (this.me.participants.length === 0) {
      return [login(words, words.text('me.login.nobody'), (key) => void this.enter(key))];
    }
    const context = { words, format };
    return [ownRunning(context), ownDay(context, this.me), h('div', { class: 'halves' }, ownStatements(context), ownConsents(context))];
  }
}

const root = document.getElementById('app');
if (root) new OwnPage(root);
