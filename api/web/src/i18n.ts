/** The page's words: one flat JSON per language, keys `screen.component.purpose`, placeholders `{name}`. */
import de from './i18n/de.json';
import en from './i18n/en.json';
import fr from './i18n/fr.json';
import nl from './i18n/nl.json';

export type Key = keyof typeof en;
export type Values = Readonly<Record<string, string | number>>;

/** A key that exists once per grammatical number, without its ending `_one` or `_other`. */
export type CountKey = Key extends infer K ? (K extends `${infer Stem}_other` ? Stem : never) : never;

const TEXTS = { fr, nl, de, en } satisfies Record<string, Record<Key, string>>;
export type Language = keyof typeof TEXTS;
export const LANGUAGES = Object.keys(TEXTS) as Language[];

/** Belgian forms of dates and numbers where Belgium has them. */
export const LOCALES: Record<Language, string> = { fr: 'fr-BE', nl: 'nl-BE', de: 'de-BE', en: 'en-GB' };

export function isLanguage(value: string | null | undefined): value is Language {
  return value !== null && value !== undefined && Object.hasOwn(TEXTS, value);
}

/** The first of the reader's languages that the page speaks; English when none. */
export function preferred(languages: readonly string[]): Language {
  return languages.map((tag) => tag.toLowerCase().split('-', 1)[0]).find(isLanguage) ?? 'en';
}

export const LANGUAGE_SLOT = 'commonwatt.language';

export function rememberedLanguage(): Language {
  const remembered = localStorage.getItem(LANGUAGE_SLOT);
  return isLanguage(remembered) ? remembered : preferred(navigator.languages);
}

export class Translator {
  private readonly plural: Intl.PluralRules;

  constructor(readonly language: Language) {
    this.plural = new Intl.PluralRules(LOCALES[language]);
  }

  text(key: Key, values: Values = {}): string {
    return TEXTS[this.language][key].replace(/\{(\w+)\}/g, (placeholder, name: string) => String(values[name] ?? placeholder));
  }

  /** The form that fits the number `count`, which is also a placeholder. */
  count(stem: CountKey, count: number, values: Values = {}): string {
    const form = this.plural.select(count) === 'one' ? 'one' : 'other';
    return this.text(`${stem}_${form}` as Key, { count, ...values });
  }

  /** The text of a key that is put together from data; `fallback` when nobody has translated it yet. */
  lookup(key: string, fallback: string): string {
    return Object.hasOwn(en, key) ? this.text(key as Key) : fallback;
  }
}
