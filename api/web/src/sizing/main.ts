/** Starts the sizing page: asks which sizes at which site, and shows what they would have done to the last year. */
import '@fontsource-variable/atkinson-hyperlegible-next/index.css';
import '../styles/tokens.css';
import '../styles/page.css';
import '../styles/panels.css';
import './sizing.css';
import { ApiError, communities, setAccessKey, sites, sizing } from '../api';
import { h, setText } from '../dom';
import { Formatter } from '../format';
import { LANGUAGE_SLOT, LOCALES, rememberedLanguage, Translator, type Language } from '../i18n';
import { readPlace, writePlace } from '../place';
import type { CommunityEntry, SiteEntry } from '../types';
import { brand, languageSwitch } from '../views/header';
import { login } from '../views/login';
import { problemText } from '../views/wording';
import { result, Surroundings } from './result';
import type { Question, Sizing } from './types';

const TIME_ZONE = 'Europe/Brussels';

class SizingPage {
  private language: Language = rememberedLanguage();
  private entries: readonly CommunityEntry[] = [];
  private sites: readonly SiteEntry[] = [];
  private question: Question = { site: '', pv_kwp: '0,50,100,150', battery_kwh: '0,50,100', serves: 'site', yield_kwh: '' };
  private found: Sizing | null = null;
  private refused = '';

  constructor(private readonly root: HTMLElement) {
    void this.enter();
  }

  private get words(): Translator {
    return new Translator(this.language);
  }

  private get community(): CommunityEntry | null {
    const { community } = readPlace(location.hash);
    return this.entries.find(({ id }) => id === community) ?? this.entries[0] ?? null;
  }

  private async enter(): Promise<void> {
    this.refused = '';
    try {
      [this.entries, this.sites] = await Promise.all([communities(), sites()]);
    } catch (error) {
      this.refused = problemText({ words: this.words }, error);
      if (error instanceof ApiError && error.needsKey) setAccessKey('');
    }
    this.build();
  }

  private build(): void {
    const { words, community } = this;
    const title = words.text('sizing.page.title', { name: community?.name ?? '' });
    document.title = `${title} – commonwatt`;
    document.documentElement.lang = this.language;
    const tools = [
      h('a', { class: 'button', href: `./${writePlace({ community: community?.id ?? null, site: null })}` }, words.text('me.header.live')),
      languageSwitch(words, (language) => this.speak(language)),
    ];
    const content = this.entries.length === 0 ? [login(words, this.refused, (key) => (setAccessKey(key), void this.enter()))] : this.content(words);
    this.root.replaceChildren(
      h(
        'div',
        { class: 'page sizing' },
        h('header', { class: 'band' }, brand(), h('div', { class: 'liveness' }), h('div', { class: 'tools' }, ...tools)),
        h('main', { id: 'main' }, h('div', { class: 'opening' }, h('h1', { id: 'title' }, title)), ...content),
      ),
    );
  }

  private content(words: Translator): HTMLElement[] {
    const said = h('p', { class: 'empty', role: 'status' });
    const place = h('div', {});
    const around = new Surroundings(words, new Formatter(LOCALES[this.language], TIME_ZONE));
    if (this.found !== null) place.replaceChildren(result(around, this.found));
    const ask = async (question: Question): Promise<void> => {
      this.question = question;
      setText(said, words.text('sizing.form.working'));
      try {
        this.found = await sizing(this.community?.id ?? '', question);
        setText(said, '');
        place.replaceChildren(result(around, this.found));
      } catch (error) {
        setText(said, problemText({ words }, error));
      }
    };
    return [this.form(words, said, (question) => void ask(question)), place];
  }

  private form(words: Translator, said: HTMLElement, ask: (question: Question) => void): HTMLElement {
    const { question } = this;
    const here = this.sites.filter(({ community }) => community === this.community?.id);
    const site = h('select', { id: 'site' }, ...here.map(({ id, name }) => h('option', { value: id, selected: id === question.site }, name)));
    const community = h('select', { id: 'community', change: () => this.move(community.value) }, ...this.entries.map(({ id, name }) => h('option', { value: id, selected: id === this.community?.id }, name)));
    const serves = h('select', { id: 'serves' }, ...(['site', 'community'] as const).map((one) => h('option', { value: one, selected: one === question.serves }, words.text(`sizing.serves.${one}`))));
    const input = (id: string, value: string): HTMLInputElement => h('input', { id, value, inputmode: 'decimal', autocomplete: 'off' });
    const [pv, battery, kwh] = [input('pv', question.pv_kwp), input('battery', question.battery_kwh), input('yield', question.yield_kwh)];
    const sizes = (text: string): string => text.replace(/[\s;]+/g, ',').replace(/,+/g, ',').replace(/^,|,$/g, '') || '0';
    const submit = (event: Event): void => {
      event.preventDefault();
      ask({ site: site.value, pv_kwp: sizes(pv.value), battery_kwh: sizes(battery.value), serves: serves.value, yield_kwh: kwh.value.trim().replace(',', '.') });
    };
    const field = (control: HTMLElement, label: string): HTMLElement => h('p', { class: 'field' }, h('label', { for: control.id }, label), control);
    return h(
      'section',
      { class: 'panel', 'aria-labelledby': 'ask' },
      h('h2', { id: 'ask' }, words.text('sizing.form.title')),
      h('p', {}, words.text('sizing.form.help')),
      h(
        'form',
        { submit },
        this.entries.length > 1 ? field(community, words.text('header.community.label')) : null,
        field(site, words.text('sizing.form.site')),
        field(pv, words.text('sizing.form.pv')),
        field(battery, words.text('sizing.form.battery')),
        field(serves, words.text('sizing.form.serves')),
        field(kwh, words.text('sizing.form.yield')),
        h('button', { type: 'submit', class: 'primary' }, words.text('sizing.form.ask')),
      ),
      said,
    );
  }

  private move(community: string): void {
    location.hash = writePlace({ community, site: null });
    this.found = null;
    this.build();
    document.getElementById('community')?.focus();
  }

  private speak(language: Language): void {
    this.language = language;
    localStorage.setItem(LANGUAGE_SLOT, language);
    this.build();
    this.root.querySelector<HTMLElement>('.languages [aria-pressed="true"]')?.focus();
  }
}

const root = document.getElementById('app');
if (root) new SizingPage(root);
