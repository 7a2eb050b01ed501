import { printRupiah } from '#domain/money';
import { printLocalBytes, printLocalDate, printLocalDateTime, printLocalRate } from '#domain/print-local';
import { DAY, HOUR, type Instant, MINUTE, wallClock } from '#domain/time';
import { type Language, words } from '#portal/shared/words';

/** Values as one reader reads them: in a language, on the company's wall clock. */
export class Format {
  readonly language: Language;
  readonly #zone: string;
  readonly #now: Instant;

  constructor(language: Language, zone: string, now: Instant) {
    this.language = language;
    this.#zone = zone;
    this.#now = now;
  }

  /** `Rp 75.000`, in both languages. */
  rupiah(amount: number): string {
    return printRupiah(amount);
  }

  /** `1,5 GB`; null = no limit. */
  bytes(bytes: number | null): string {
    return bytes === null ? words(this.language, 'shared.unlimited') : printLocalBytes(bytes, this.language);
  }

  /** `20 Mbps`. */
  rate(bps: number): string {
    return printLocalRate(bps, this.language);
  }

  /** `20 Nov 2026 18.00 WIB`. */
  dateTime(at: Instant): string {
    return printLocalDateTime(at, this.#zone, this.language);
  }

  /** `20 Nov 2026`. */
  date(at: Instant): string {
    return printLocalDate(at, this.#zone, this.language);
  }

  /** `18.00`, on the company's wall clock. */
  clock(at: Instant): string {
    const { hour, minute } = wallClock(at, this.#zone);
    return `${String(hour).padStart(2, '0')}.${String(minute).padStart(2, '0')}`;
  }

  /** The time alone for an instant of today, else with its date. */
  moment(at: Instant): string {
    return this.date(at) === this.date(this.#now) ? this.clock(at) : this.dateTime(at);
  }

  /** `1.234` or `1,234`. */
  number(value: number): string {
    return value.toLocaleString(this.language === 'id' ? 'id-ID' : 'en-US');
  }

  /** `3 menit lalu`, `2 hari lagi`. */
  ago(at: Instant): string {
    const past = at <= this.#now;
    const [key, count] = spanOf(Math.abs(this.#now - at));
    if (key === 'now') return words(this.language, 'shared.just-now');
    return words(this.language, `shared.${past ? 'ago' : 'in'}-${key}`, { count });
  }

  /** `2 hari 3 jam`, `45 menit`: how long something takes or took. */
  duration(ms: number): string {
    const parts: string[] = [];
    let rest = Math.max(0, ms);
    for (const [key, unit] of UNITS) {
      const count = Math.floor(rest / unit);
      rest -= count * unit;
      if (count > 0 && parts.length < 2) parts.push(words(this.language, `shared.span-${key}`, { count }));
    }
    return parts.join(' ') || words(this.language, 'shared.span-minutes', { count: 0 });
  }
}

const UNITS = [
  ['days', DAY],
  ['hours', HOUR],
  ['minutes', MINUTE],
] as const;

function spanOf(ms: number): readonly [key: string, count: number] {
  for (const [key, unit] of UNITS) if (ms >= unit) return [key, Math.round(ms / unit)];
  return ['now', 0];
}
