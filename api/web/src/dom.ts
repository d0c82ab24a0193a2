/** Small tools for building and updating elements. No inline styles in markup: the page's CSP forbids them. */

type Child = Node | string | null;
type Listener = (event: Event) => void;
type Attributes = Readonly<Record<string, string | boolean | Listener | null>>;

function decorate(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, '');
    else if (typeof value === 'string') element.setAttribute(name, value);
  }
}

/** An element; a function among the attributes listens to the event of that name. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  decorate(element, attributes);
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function svg(tag: string, attributes: Attributes, ...children: Node[]): SVGElement {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  decorate(element, attributes);
  element.append(...children);
  return element;
}

/** Writes only what changed: screen readers and selections are not disturbed by a number that stayed. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttribute(element: Element, name: string, value: string | null): void {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** Text only for screen readers. */
export function spoken(text: string): HTMLElement {
  return h('span', { class: 'spoken' }, text);
}

export interface Row<T> {
  readonly element: HTMLElement;
  update(item: T): void;
}

/** A list whose elements live as long as their item, so that focus and opened details survive an update. */
export class KeyedList<T> {
  private rows = new Map<string, Row<T>>();

  constructor(
    private readonly parent: HTMLElement,
    private readonly key: (item: T) => string,
    private readonly make: (item: T) => Row<T>,
  ) {}

  update(items: readonly T[]): void {
    const rows = new Map(items.map((item) => [this.key(item), this.rows.get(this.key(item)) ?? this.make(item)]));
    for (const [key, row] of this.rows) if (!rows.has(key)) row.element.remove();
    this.rows = rows;
    items.forEach((item, index) => {
      const row = rows.get(this.key(item));
      const there = this.parent.children.item(index);
      if (row && there !== row.element) this.parent.insertBefore(row.element, there);
      row?.update(item);
    });
  }
}
