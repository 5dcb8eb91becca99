// The words of the page. One file per language in src/text/; English is the reference and the type.
// A translation is a second file of that shape and a line in `languages`.
import { en } from '../text/en';

export type Texts = typeof en;
const languages: Record<string, Texts> = { en };

const wanted = typeof navigator === 'undefined' ? ['en'] : navigator.languages;
export const language = wanted.map((l) => l.split('-')[0]!).find((l) => l in languages) ?? 'en';
export const t: Texts = languages[language]!;

const plurals = new Intl.PluralRules(language);
/** Picks the form of a {one, other} pair and puts the number in. */
export function many(n: number, forms: { one: string; other: string }): string {
  const form = plurals.select(n) === 'one' ? forms.one : forms.other;
  return form.replace('{n}', new Intl.NumberFormat(language).format(n));
}
/** Fills {name} places. */
export function fill(template: string, values: Record<string, string | number>): string {
  return template.replace(/\{(\w+)\}/g, (whole, key: string) => (key in values ? String(values[key]) : whole));
}
