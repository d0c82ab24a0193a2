/** Where the reader is: community, open site and what of its history, kept in the address after `#` so that a link brings others there. */

/** What of a site's history is shown; null: as the page begins. `from` and `to` are local days, the last one included. */
export interface HistoryChoice {
  readonly quantity: string | null;
  readonly span: string | null;
  readonly step: string | null;
  readonly from: string | null;
  readonly to: string | null;
}

export interface Place {
  readonly community: string | null;
  readonly site: string | null;
  readonly history?: HistoryChoice;
}

export const NO_CHOICE: HistoryChoice = { quantity: null, span: null, step: null, from: null, to: null };
const CHOSEN = Object.keys(NO_CHOICE) as (keyof HistoryChoice)[];

export function readPlace(hash: string): Place {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  const history = Object.fromEntries(CHOSEN.map((name) => [name, values.get(name)])) as unknown as HistoryChoice;
  return { community: values.get('community'), site: values.get('site'), history };
}

export function writePlace({ community, site, history = NO_CHOICE }: Place): string {
  const values = new URLSearchParams();
  if (community) values.set('community', community);
  if (site) values.set('site', site);
  for (const name of site ? CHOSEN : []) if (history[name]) values.set(name, history[name] ?? '');
  return `#${values}`;
}
