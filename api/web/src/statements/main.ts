/** Starts the manager's page of settled months: versions, statements, documents, what is held and what differs. */
import '@fontsource-variable/atkinson-hyperlegible-next/index.css';
import '../styles/tokens.css';
import '../styles/page.css';
import '../styles/panels.css';
import '../styles/me.css';
import '../styles/print.css';
import * as api from '../api';
import { dayOf } from '../days';
import { h, setText } from '../dom';
import { Formatter } from '../format';
import { LANGUAGE_SLOT, LOCALES, rememberedLanguage, Translator, type Language } from '../i18n';
import { readPlace, writePlace } from '../place';
import type { CommunityEntry } from '../types';
import { brand, languageSwitch } from '../views/header';
import { login } from '../views/login';
import { problemText } from '../views/wording';
import { lateMonths } from './late';
import { monthView } from './month';
import type { MonthVersion } from './types';

const TIME_ZONE = 'Europe/Brussels';

class StatementsPage {
  private language: Language = rememberedLanguage();
  private entries: readonly CommunityEntry[] = [];
  private month = `${dayOf(Date.now(), TIME_ZONE).slice(0, 7)}-01`;

  constructor(private readonly root: HTMLElement) {
    this.month = dayOf(Date.parse(`${this.month}T00:00:00Z`) - 12 * 3_600_000, TIME_ZONE).slice(0, 7);
    void this.enter();
  }

  private get community(): CommunityEntry | null {
    const { community } = readPlace(location.hash);
    return this.entries.find(({ id }) => id === community) ?? this.entries[0] ?? null;
  }

  private async enter(): Promise<void> {
    const words = new Translator(this.language);
    try {
      this.entries = await api.communities();
      const { rights } = await api.me();
      this.build(rights.includes('settle') ? '' : words.text('months.page.no_right'));
    } catch (error) {
      this.entries = [];
      this.build(problemText({ words }, error));
    }
  }

  private build(refused = ''): void {
    const words = new Translator(this.language);
    const title = words.text('months.page.title', { name: this.community?.name ?? '' });
    document.title = `${title} – commonwatt`;
    document.documentElement.lang = this.language;
    const tools = [
      h('a', { class: 'button', href: `./${writePlace({ community: this.community?.id ?? null, site: null })}` }, words.text('me.header.live')),
      languageSwitch(words, (language) => this.speak(language)),
    ];
    const enter = (key: string): void => {
      api.setAccessKey(key);
      void this.enter();
    };
    const content = refused || this.entries.length === 0 ? [login(words, refused, enter)] : this.content(words);
    this.root.replaceChildren(
      h(
        'div',
        { class: 'page own' },
        h('header', { class: 'band' }, brand(), h('div', { class: 'liveness' }), h('div', { class: 'tools' }, ...tools)),
        h('main', { id: 'main' }, h('div', { class: 'opening' }, h('h1', { id: 'title' }, title)), ...content),
      ),
    );
  }

  private content(words: Translator): HTMLElement[] {
    const format = new Formatter(LOCALES[this.language], TIME_ZONE);
    const said = h('p', { class: 'empty', role: 'status' });
    const place = h('div', { class: 'month-view' });
    const month = h('input', { id: 'month', type: 'month', value: this.month, change: () => void show(month.value) });
    const community = h('select', { id: 'community', change: () => this.move(community.value) }, ...this.entries.map(({ id, name }) => h('option', { value: id, selected: id === this.community?.id }, name)));
    const id = this.community?.id ?? '';

    const show = async (wanted: string, version?: number): Promise<void> => {
      if (!/^\d{4}-\d{2}$/.test(wanted)) return;
      this.month = wanted;
      setText(said, words.text('chart.state.loading'));
      try {
        const found: MonthVersion = await api.settledMonth(id, wanted, version);
        setText(said, '');
        place.replaceChildren(...monthView({ words, format }, id, found, (other) => void show(wanted, other), () => void show(wanted)));
        await tellLate();
      } catch (error) {
        place.replaceChildren();
        const none = error instanceof api.ApiError && error.status === 404;
        setText(said, none ? words.text('months.page.none', { month: format.month(wanted) }) : problemText({ words }, error));
        if (none) await tellLate();
      }
    };

    const late = h('div', {});
    const tellLate = async (): Promise<void> => {
      const { months } = await api.reopenedMonths(id);
      const other = lateMonths({ words, format }, months.filter((each) => each.month !== this.month), (wanted) => {
        month.value = wanted;
        void show(wanted);
      });
      late.replaceChildren(...(other ? [other] : []));
    };

    void show(this.month);
    return [
      h(
        'section',
        { class: 'panel', 'aria-labelledby': 'choose' },
        h('h2', { id: 'choose' }, words.text('months.choose.title')),
        h('div', { class: 'day' }, ...(this.entries.length > 1 ? [h('label', { for: 'community' }, words.text('header.community.label')), community] : []), h('label', { for: 'month' }, words.text('months.choose.month')), month),
        said,
        late,
      ),
      place,
    ];
  }

  private move(community: string): void {
    location.hash = writePlace({ community, site: null });
    this.build();
    document.getElementById('community')?.focus();
  }

  private speak(language: Language): void {
    this.language = language;
    localStorage.setItem(LANGUAGE_SLOT, language);
    void this.enter().then(() => this.root.querySelector<HTMLElement>('.languages [aria-pressed="true"]')?.focus());
  }
}

const root = document.getElementById('app');
if (root) new StatementsPage(root);
