/** Numbers and times as people of one language read them: three significant digits, the unit that fits. Pure. */
import type { Maybe } from './types';

export interface Quantity {
  readonly value: string;
  readonly unit: string;
}

const PREFIXES = ['', 'k', 'M', 'G'] as const;

/** The SI prefix after rounding to three digits, so that 999.6 W is 1.00 kW and not 1000 W. */
function prefixOf(amount: number): number {
  const rounded = Number(Math.abs(amount).toPrecision(3));
  const index = rounded < 1000 ? 0 : Math.floor(Math.log10(rounded) / 3);
  return Math.min(index, PREFIXES.length - 1);
}

export class Formatter {
  private readonly digits: Intl.NumberFormat;
  private readonly whole: Intl.NumberFormat;
  private readonly plain: Intl.NumberFormat;
  private readonly share: Intl.NumberFormat;
  private readonly times: Record<'second' | 'minute' | 'day' | 'full', Intl.DateTimeFormat>;

  constructor(
    readonly locale: string,
    readonly timeZone: string,
  ) {
    this.digits = new Intl.NumberFormat(locale, { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });
    this.whole = new Intl.NumberFormat(locale, { maximumFractionDigits: 0 });
    this.plain = new Intl.NumberFormat(locale, { maximumSignificantDigits: 3 });
    this.share = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 });
    const clock = { hour: '2-digit', minute: '2-digit', hourCycle: 'h23', timeZone } as const;
    const day = { day: 'numeric', month: 'short', timeZone } as const;
    this.times = {
      second: new Intl.DateTimeFormat(locale, { ...clock, second: '2-digit' }),
      minute: new Intl.DateTimeFormat(locale, clock),
      day: new Intl.DateTimeFormat(locale, day),
      full: new Intl.DateTimeFormat(locale, { ...day, ...clock }),
    };
  }

  /** `amount` in the base unit (W, Wh); below one thousand without decimals. */
  quantity(amount: number, unit: string): Quantity {
    const prefix = prefixOf(amount);
    const scaled = amount / 1000 ** prefix;
    const rounded = Math.round(scaled) + 0; // -0 becomes 0
    return {
      value: prefix === 0 ? this.whole.format(rounded) : this.digits.format(scaled),
      unit: (PREFIXES[prefix] ?? '') + unit,
    };
  }

  private joined(amount: number, unit: string): string {
    const { value, unit: scaled } = this.quantity(amount, unit);
    return `${value}\u00a0${scaled}`;
  }

  power(power_w: number): string {
    return this.joined(power_w, 'W');
  }

  energy(energy_wh: number): string {
    return this.joined(energy_wh, 'Wh');
  }

  /** Euros, as the API writes them: `12.30`. */
  money(amount: string): string {
    return new Intl.NumberFormat(this.locale, { style: 'currency', currency: 'EUR' }).format(Number(amount));
  }

  /** To the Wh, as statements tell it. */
  kwh(energy_wh: number): string {
    return `${new Intl.NumberFormat(this.locale, { minimumFractionDigits: 3, maximumFractionDigits: 3 }).format(energy_wh / 1000)}\u00a0kWh`;
  }

  /** Euros a kWh, with all their digits. */
  price(eur_kwh: string): string {
    return `${new Intl.NumberFormat(this.locale, { maximumFractionDigits: 7 }).format(Number(eur_kwh))}\u00a0€/kWh`;
  }

  /** A month as 2026-06. */
  month(text: string): string {
    return new Intl.DateTimeFormat(this.locale, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(new Date(`${text}-01T00:00:00Z`));
  }

  /** A day as 2026-06-30. */
  date(text: string): string {
    return new Intl.DateTimeFormat(this.locale, { dateStyle: 'medium', timeZone: 'UTC' }).format(new Date(`${text}T00:00:00Z`));
  }

  /** A whole number. */
  count(value: number): string {
    return this.whole.format(value);
  }

  /** A share of 1. */
  percent(share: number): string {
    return this.share.format(share);
  }

  number(value: number): string {
    return this.plain.format(value);
  }

  /** A value of an alert's metric; its unit is the metric's ending. */
  metric(value: number, metric: string): string {
    if (metric.endsWith('_w')) return this.power(value);
    if (metric.endsWith('_wh')) return this.energy(value);
    if (metric.endsWith('_pct')) return this.percent(value / 100);
    if (metric.endsWith('_s')) return this.duration(value);
    return this.number(value);
  }

  /** A value with the unit a rule measures in. */
  amount(value: number, unit: string): string {
    if (unit === 'W') return this.power(value);
    if (unit === 's') return this.duration(value);
    if (unit === '%') return this.percent(value / 100);
    return unit ? `${this.number(value)}\u00a0${unit}` : this.number(value);
  }

  /** Seconds in the two largest units that fit: 42 s, 3 min 05 s, 2 h 07 min, 3 d 4 h. */
  duration(seconds: number): string {
    const s = Math.max(Math.floor(seconds), 0);
    const two = (value: number): string => String(value).padStart(2, '0');
    if (s < 60) return `${s}\u00a0s`;
    if (s < 3600) return `${Math.floor(s / 60)}\u00a0min ${two(s % 60)}\u00a0s`;
    if (s < 86_400) return `${Math.floor(s / 3600)}\u00a0h ${two(Math.floor((s % 3600) / 60))}\u00a0min`;
    return `${Math.floor(s / 86_400)}\u00a0d ${Math.floor((s % 86_400) / 3600)}\u00a0h`;
  }

  clock(t: number): string {
    return this.times.second.format(t);
  }

  time(t: number): string {
    return this.times.minute.format(t);
  }

  day(t: number): string {
    return this.times.day.format(t);
  }

  moment(t: number): string {
    return this.times.full.format(t);
  }

  /** Whether `t` is midnight in the community's own time zone. */
  startsDay(t: number): boolean {
    return /^0?0\D0?0$/.test(this.time(t));
  }
}

/** The numbers of a chart's axis in one common unit. */
export function axisUnit(largest: Maybe): { divisor: number; unit: string } {
  const prefix = prefixOf(largest ?? 0);
  return { divisor: 1000 ** prefix, unit: `${PREFIXES[prefix] ?? ''}W` };
}
