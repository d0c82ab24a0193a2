/** Where the reader is: community and open site, kept in the address after `#` so that a link brings others there. */

export interface Place {
  readonly community: string | null;
  readonly site: string | null;
}

export function readPlace(hash: string): Place {
  const values = new URLSearchParams(hash.replace(/^#/, ''));
  return { community: values.get('community'), site: values.get('site') };
}

export function writePlace(place: Place): string {
  const values = new URLSearchParams();
  if (place.community) values.set('community', place.community);
  if (place.site) values.set('site', place.site);
  return `#${values}`;
}
