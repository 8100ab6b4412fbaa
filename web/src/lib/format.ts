/** Base units of one token. */
const TOKEN = 1_000_000n;

const grouped = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 });

/** An amount in base units as tokens: grouped, at most six decimals, none that say nothing. */
export function amount(units: number): string {
  const sign = units < 0 ? '−' : '';
  const whole = BigInt(Math.abs(Math.trunc(units)));
  const decimals = (whole % TOKEN).toString().padStart(6, '0').replace(/0+$/, '');
  const tokens = (whole / TOKEN).toLocaleString('en');
  return sign + (decimals === '' ? tokens : `${tokens}.${decimals}`);
}

/** Tokens as written by a person in base units; `undefined` where that is no amount. */
export function parseAmount(text: string): number | undefined {
  const match = /^(\d{1,9})(?:\.(\d{1,6}))?$/.exec(text.trim());
  if (!match) return undefined;
  return Number(match[1]) * 1_000_000 + Number((match[2] ?? '').padEnd(6, '0'));
}

/** A price with what a ray counts as: `0.08 for 10⁹ rays, each counted 1.37 times`. */
export function rayPrice(price: number, factor: number): string {
  const each = factor === 1000 ? '' : `, each counted ${factor / 1000} times`;
  return `${amount(price)} for 10⁹ rays${each}`;
}

/** A whole number with grouped digits. */
export function count(value: number): string {
  return grouped.format(value);
}

/** A large number in three digits: `4.31M`. */
export function short(value: number): string {
  return compact.format(value);
}

/** `1 tile`, `12 tiles`. */
export function plural(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Bytes in units of a thousand, as disks and networks count. */
export function bytes(value: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let rest = value;
  let unit = 0;
  while (rest >= 1000 && unit < units.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || rest >= 100 ? 0 : 1;
  return `${rest.toFixed(digits)} ${units[unit]}`;
}

/** Bits a second as broadcasters write them. */
export function bitrate(bitsPerS: number): string {
  return bitsPerS >= 1_000_000
    ? `${trimmed(bitsPerS / 1_000_000)} Mbit/s`
    : `${count(bitsPerS / 1000)} kbit/s`;
}

/** A share of one as percent; what has begun is never 0 %, and what is not whole never 100 %. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return '0 %';
  const share = (100 * part) / whole;
  if (part > 0 && share < 1) return '<1 %';
  if (part < whole && share > 99) return '99 %';
  return `${Math.round(share)} %`;
}

/** How long something takes, in its two largest units. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  const [d, h, m, s] = [
    Math.floor(seconds / 86_400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
    seconds % 60,
  ];
  if (d > 0) return `${d} d ${h} h`;
  if (h > 0) return `${h} h ${m} min`;
  if (m > 0) return `${m} min ${s} s`;
  return `${s} s`;
}

/** How long ago a moment was, or how far ahead it is, in its largest unit. */
export function ago(ms: number, nowMs: number): string {
  const seconds = Math.round(Math.abs(nowMs - ms) / 1000);
  if (seconds < 5) return 'now';
  return ms > nowMs ? `in ${largestUnit(seconds)}` : `${largestUnit(seconds)} ago`;
}

function largestUnit(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The exact moment, for titles and for machines. */
export function instant(ms: number): string {
  return new Date(ms).toISOString();
}

/** The beginning and the end of an id. */
export function shortId(id: string): string {
  return id.length <= 14 ? id : `${id.slice(0, 8)}…${id.slice(-4)}`;
}

/** A number without zeros behind its point. */
function trimmed(value: number): string {
  return value.toFixed(2).replace(/\.?0+$/, '');
}
