/** What the views of the buildings page are made with: words, numbers, and a key for the API. */
import { Formatter } from '../format';
import { LOCALES, Translator, type Key, type Language } from '../i18n';
import type { Maybe } from '../types';
import type { Change, Row } from './types';

export class Context {
  readonly words: Translator;
  readonly format: Formatter;
  private readonly days: Intl.DateTimeFormat;
  private readonly months: Intl.DateTimeFormat;
  private readonly money: Intl.NumberFormat;

  constructor(readonly language: Language) {
    const locale = LOCALES[language];
    this.words = new Translator(language);
    this.format = new Formatter(locale, 'Europe/Brussels');
    this.days = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
    this.months = new Intl.DateTimeFormat(locale, { month: 'short', timeZone: 'UTC' });
    this.money = new Intl.NumberFormat(locale, { style: 'currency', currency: 'EUR', maximumFractionDigits: 0 });
  }

  number(value: Maybe, unit: string): string {
    return value === null ? this.words.text('page.value.unknown') : `${this.format.number(value)}\u00a0${unit}`;
  }

  energy(kwh: Maybe): string {
    return kwh === null ? this.words.text('page.value.unknown') : this.format.energy(kwh * 1000);
  }

  euro(value: Maybe, absent: Key): string {
    return value === null ? this.words.text(absent) : this.money.format(value);
  }

  /** A day as 2026-11-28. */
  day(text: string): string {
    return this.days.format(new Date(`${text}T00:00:00Z`));
  }

  /** A month as 2026-11. */
  month(text: string): string {
    return this.months.format(new Date(`${text}-01T00:00:00Z`));
  }

  /** With an arrow: it is read without colour. */
  change(ratio: Maybe): string {
    if (ratio === null) return this.words.text('page.value.unknown');
    if (Math.abs(ratio) < 0.005) return `= ${this.format.percent(0)}`;
    return `${ratio > 0 ? '↑' : '↓'} ${this.format.percent(Math.abs(ratio))}`;
  }
}

/** The change of all energy on the days that both years know; water is none. */
export function energyChange(change: Row['change']): Maybe {
  const known = Object.entries(change).flatMap(([carrier, of]): Change[] => (carrier !== 'water' && of ? [of] : []));
  const before = known.reduce((sum, of) => sum + of.before, 0);
  return before > 0 ? known.reduce((sum, of) => sum + of.now, 0) / before - 1 : null;
}
