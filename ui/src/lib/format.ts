// Numbers for people: sizes, speeds, times. All through Intl, in the language of the page.
import { language } from './text';

const number = (digits: number) => new Intl.NumberFormat(language, { maximumFractionDigits: digits });
const whole = number(0);
const tenth = number(1);

export const count = (n: number): string => whole.format(n);

const compactFormat = new Intl.NumberFormat(language, { notation: 'compact', maximumFractionDigits: 1 });
export const compact = (n: number): string => compactFormat.format(n);
/** Sizes of contexts are powers of two: 131072 is 128K. */
export const tokens = (n: number): string => (n >= 1024 && n % 1024 === 0 ? `${whole.format(n / 1024)}K` : compact(n));

/** 1536 MiB is "1.5 GiB"; below a KiB it is bytes. */
export function bytes(n: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${(n < 10 && unit > 1 ? tenth : whole).format(n)} ${units[unit]}`;
}

export const speed = (tokensPerSecond: number): string =>
  (tokensPerSecond < 20 ? tenth : whole).format(tokensPerSecond);

export const percent = (share: number): string => `${whole.format(share * 100)} %`;

/** How long something took: "0.4 s", "12 s", "3 min 5 s". */
export function duration(ms: number): string {
  const s = ms / 1000;
  if (s < 10) return `${tenth.format(s)} s`;
  if (s < 60) return `${whole.format(s)} s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(s % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const relativeFormat = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
export function ago(ms: number, now = Date.now()): string {
  const s = (ms - now) / 1000;
  for (const [unit, size] of [['day', 86400], ['hour', 3600], ['minute', 60]] as const)
    if (Math.abs(s) >= size) return relativeFormat.format(Math.round(s / size), unit);
  return relativeFormat.format(0, 'minute');
}

const dayFormat = new Intl.DateTimeFormat(language, { dateStyle: 'medium', timeStyle: 'short' });
export const moment = (ms: number): string => dayFormat.format(ms);

export type Era = 'today' | 'yesterday' | 'week' | 'month' | 'older';
/** In which group of the sidebar a moment belongs. */
export function era(ms: number, now = new Date()): Era {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const day = 86_400_000;
  if (ms >= midnight) return 'today';
  if (ms >= midnight - day) return 'yesterday';
  if (ms >= midnight - 6 * day) return 'week';
  if (ms >= midnight - 29 * day) return 'month';
  return 'older';
}
