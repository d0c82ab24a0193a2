/** Drawings as inline SVG: bars of a year beside the last one, and the pattern of a saving. */
import { svg } from '../dom';
import type { Maybe } from '../types';

const WIDTH = 640;
const HEIGHT = 220;
const LEFT = 56;
const RIGHT = 12;
const TOP = 30;
const BOTTOM = 30;

export interface Drawn {
  readonly name: string;
  readonly values: readonly Maybe[];
}

/** A round top above all values and the grid's steps. */
export function scaleOf(values: readonly Maybe[]): { top: number; ticks: number[] } {
  const highest = Math.max(0, ...values.filter((value): value is number => value !== null)) || 1;
  const size = 10 ** Math.floor(Math.log10(highest / 4));
  const step = [1, 2, 2.5, 5, 10].map((by) => size * by).find((each) => each * 4 >= highest) ?? size * 10;
  const count = Math.ceil(highest / step - 1e-9);
  return { top: step * count, ticks: Array.from({ length: count + 1 }, (_, place) => step * place) };
}

/** Runs of marked places as [first, end). */
export function runsOf(marked: readonly boolean[]): [number, number][] {
  const runs: [number, number][] = [];
  marked.forEach((flag, place) => {
    const last = runs.at(-1);
    if (flag && last?.[1] === place) last[1] = place + 1;
    else if (flag) runs.push([place, place + 1]);
  });
  return runs;
}

const y = (value: number, top: number): number => HEIGHT - BOTTOM - (Math.max(0, value) / top) * (HEIGHT - BOTTOM - TOP);

function text(x: number, at: number, content: string, anchor: string): SVGElement {
  return svg('text', { x: x.toFixed(1), y: at.toFixed(1), 'text-anchor': anchor }, document.createTextNode(content));
}

function frame(ticks: readonly number[], top: number, unit: string, number: (value: number) => string): SVGElement[] {
  const lines = ticks.flatMap((tick) => {
    const at = y(tick, top);
    const line = svg('line', { class: 'grid', x1: String(LEFT), x2: String(WIDTH - RIGHT), y1: at.toFixed(1), y2: at.toFixed(1) });
    return [line, text(LEFT - 8, at + 4, number(tick), 'end')];
  });
  return [...lines, text(LEFT - 8, 16, unit, 'end')];
}

function whole(label: string, parts: SVGElement[]): SVGElement {
  return svg('svg', { class: 'drawing', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label }, ...parts);
}

function legend(entries: readonly (readonly [string, string])[], box: boolean): SVGElement[] {
  let x = WIDTH - RIGHT;
  return [...entries].reverse().flatMap(([name, style]) => {
    x -= name.length * 7 + 36;
    const sign = box
      ? svg('rect', { class: style, x: String(x + 8), y: '6', width: '12', height: '12' })
      : svg('line', { class: style, x1: String(x), x2: String(x + 22), y1: '12', y2: '12' });
    return [sign, text(x + 28, 16, name, 'start')];
  });
}

export function bars(labels: readonly string[], now: Drawn, before: Drawn, unit: string, number: (value: number) => string, label: string): SVGElement {
  const { top, ticks } = scaleOf([...now.values, ...before.values]);
  const step = (WIDTH - LEFT - RIGHT) / Math.max(1, labels.length);
  const parts = frame(ticks, top, unit, number);
  labels.forEach((name, place) => {
    const x = LEFT + place * step;
    for (const [offset, value, style] of [[0.14, before.values[place], 'bar before'], [0.5, now.values[place], 'bar now']] as const) {
      if (value === null || value === undefined) continue;
      const at = y(value, top);
      parts.push(svg('rect', { class: style, x: (x + offset * step).toFixed(1), y: at.toFixed(1), width: (0.34 * step).toFixed(1), height: (HEIGHT - BOTTOM - at).toFixed(1) }));
    }
    parts.push(text(x + step / 2, HEIGHT - 10, name, 'middle'));
  });
  return whole(label, [...parts, ...legend([[before.name, 'bar before'], [now.name, 'bar now']], true)]);
}

/** Empty labels are not drawn; of the lines the first is what was measured, the second what it is held against. */
export function lines(x: readonly string[], drawn: readonly Drawn[], marked: readonly boolean[], unit: string, number: (value: number) => string, label: string): SVGElement {
  const { top, ticks } = scaleOf(drawn.flatMap(({ values }) => values));
  const step = (WIDTH - LEFT - RIGHT) / Math.max(1, x.length);
  const shade = runsOf(marked).map(([first, end]) =>
    svg('rect', { class: 'marked', x: (LEFT + first * step).toFixed(1), y: String(TOP), width: ((end - first) * step).toFixed(1), height: String(HEIGHT - BOTTOM - TOP) }),
  );
  const labels = x.flatMap((name, place) => (name ? [text(LEFT + (place + 0.5) * step, HEIGHT - 10, name, 'middle')] : []));
  const paths = drawn.map(({ values }, place) => svg('path', { class: `line line-${place}`, d: pathOf(values, step, top) }));
  return whole(label, [...shade, ...frame(ticks, top, unit, number), ...labels, ...paths, ...legend(drawn.map(({ name }, place) => [name, `line line-${place}`] as const), false)]);
}

function pathOf(values: readonly Maybe[], step: number, top: number): string {
  let pen = 'M';
  return values
    .map((value, place) => {
      if (value === null) {
        pen = 'M';
        return '';
      }
      const point = `${pen}${(LEFT + (place + 0.5) * step).toFixed(1)} ${y(value, top).toFixed(1)}`;
      pen = 'L';
      return point;
    })
    .join('');
}
