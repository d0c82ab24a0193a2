/** What the panels of a settled month are made of. */
import { h } from '../dom';

export function panel(id: string, title: string, ...children: (Node | null)[]): HTMLElement {
  return h('section', { class: 'panel', 'aria-labelledby': id }, h('h2', { id }, title), ...children.filter((child) => child !== null));
}

export function table(label: string, heads: readonly (readonly [string, string])[], rows: readonly HTMLElement[]): HTMLElement {
  const head = heads.map(([text, look]) => h('th', { scope: 'col', class: look }, text));
  return h('div', { class: 'wide', role: 'group', tabindex: '0', 'aria-label': label }, h('table', {}, h('thead', {}, h('tr', {}, ...head)), h('tbody', {}, ...rows)));
}

/** `spare`: left out where there is little room. */
export function cell(text: string, look = 'amount'): HTMLElement {
  return h('td', { class: look }, text);
}
