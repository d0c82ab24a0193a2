/** What the API says of statements: `GET communities/{community}/statements` and `GET statements/{id}`. */

export interface Line {
  readonly kind: string;
  readonly name: string;
  readonly ean: string | null;
  readonly energy_wh: number | null;
  readonly eur_kwh: string | null;
  readonly net: string;
  readonly source: string;
}

export interface Money {
  readonly net: string;
  readonly vat: string;
  readonly gross: string;
}

export interface Statement {
  readonly id: string;
  readonly month: string;
  readonly version: number;
  readonly status: 'preview' | 'final' | 'correction';
  readonly side: 'consumer' | 'producer';
  readonly energy: { readonly withdrawal_wh: number; readonly received_wh: number; readonly complementary_wh: number; readonly given_wh: number };
  readonly lines: readonly Line[];
  readonly totals: Money;
  readonly warnings: readonly string[];
  readonly labels: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly without_sharing: { readonly eur_kwh: string; readonly source: string; readonly cost: string; readonly spared: string } | null;
}

/** Why the operator's total may be another than ours: all that two totals can tell. */
export type Cause = 'only_ours' | 'only_theirs' | 'held' | 'readings' | 'estimated' | 'rounding' | 'key';

/** Quarter-hours that are held because this value of this metering point is unknown in each of them; `start`, `end` in ms. */
export interface Gap {
  readonly point: string;
  readonly direction: 'withdrawal' | 'injection';
  readonly start: number;
  readonly end: number;
  readonly quarters: number;
}

/** A settled month whose last version late readings contradict. `quarters` 0: it is not known of which points. */
export interface Reopened {
  readonly month: string;
  readonly version: number;
  readonly at: number;
  readonly changes: readonly { readonly member: string; readonly side: 'consumer' | 'producer'; readonly energy_wh: number; readonly gross: string }[];
  readonly quarters: number;
  readonly points: readonly { readonly point: string; readonly quarters: number; readonly withdrawal_wh: number; readonly injection_wh: number }[];
}

export interface MonthVersion {
  readonly month: string;
  readonly versions: number;
  readonly version: number;
  readonly status: 'preview' | 'final' | 'correction';
  readonly quarters: number;
  readonly held: number;
  readonly statements: readonly { readonly id: string; readonly member: string; readonly side: 'consumer' | 'producer'; readonly totals: Money; readonly warnings: readonly string[] }[];
  readonly documents: readonly { readonly number: string; readonly kind: 'invoice' | 'remuneration' | 'credit_note'; readonly member: string; readonly issued: string; readonly due: string; readonly gross: string; readonly communication: string }[];
  readonly differences: readonly { readonly ean: string; readonly direction: 'withdrawal' | 'injection'; readonly ours_wh: number; readonly theirs_wh: number; readonly members: readonly string[]; readonly causes: readonly Cause[] }[];
  readonly gaps: readonly Gap[];
  readonly gaps_left: number;
  readonly reopened: Reopened | null;
  readonly corrections: readonly { readonly member: string; readonly side: 'consumer' | 'producer'; readonly lines: readonly { readonly name: string; readonly ean: string | null; readonly energy_wh: number; readonly net: string }[] }[];
}
