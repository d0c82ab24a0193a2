/** A plot of a figure over the sizes: a line for each size of the other part, named at its end, so that it needs no colour. */
import { svg } from '../dom';
import type { Size } from './types';

const WIDTH = 680;
const HEIGHT = 300;
const LEFT = 100;
const RIGHT = 92;
const TOP = 24;
const BOTTOM = 40;

export interface Axis {
  readonly values: readonly number[];
  readonly ticks: readonly number[];
  readonly low: number;
  readonly high: number;
}

/** Round steps that cover all values and zero. */
export function axisOf(values: readonly number[]): Axis {
  const low = Math.min(0, ...values);
  const high = Math.max(0, ...values);
  const span = high - low || 1;
  const size = 10 ** Math.floor(Math.log10(span / 4));
  const step = [1, 2, 5, 10].map((by) => by * size).find((each) => span / each <= 6) ?? size * 10;
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(first + 1, Math.ceil(high / step - 1e-9)) + 0; // -0 becomes 0
  const ticks = Array.from({ length: last - first + 1 }, (_, place) => (first + place) * step);
  return { values, ticks, low: first * step, high: last * step };
}

/** The lines of a plot: over PV for each battery, or over batteries where there is but one size of PV. */
export function linesOf(sizes: readonly Size[], value: (size: Size) => number): { unit: string; beside: string; lines: Map<number, [number, number][]> } {
  const over = new Set(sizes.map(({ pv_kwp }) => pv_kwp)).size > 1;
  const lines = new Map<number, [number, number][]>();
  for (const size of sizes) {
    const [x, key] = over ? [size.pv_kwp, size.battery_kwh] : [size.battery_kwh, size.pv_kwp];
    lines.set(key, [...(lines.get(key) ?? []), [x, value(size)]]);
  }
  return { unit: over ? 'kWp' : 'kWh', beside: over ? 'kWh' : 'kWp', lines };
}

function text(x: number, y: number, content: string, anchor: string): SVGElement {
  return svg('text', { x: x.toFixed(1), y: y.toFixed(1), 'text-anchor': anchor }, document.createTextNode(content));
}

export function plot(sizes: readonly Size[], value: (size: Size) => number, number: (value: number) => string, label: string): SVGElement | null {
  const { unit, beside, lines } = linesOf(sizes, value);
  const across = [...new Set([...lines.values()].flatMap((points) => points.map(([x]) => x)))].sort((a, b) => a - b);
  if (across.length < 2) return null;
  const axis = axisOf(sizes.map(value));
  const widest = across.at(-1) ?? 1;
  const x = (at: number): number => LEFT + (at / widest) * (WIDTH - LEFT - RIGHT);
  const y = (at: number): number => TOP + ((axis.high - at) / (axis.high - axis.low)) * (HEIGHT - TOP - BOTTOM);
  const grid = axis.ticks.flatMap((tick) => [
    svg('line', { class: tick === 0 ? 'zero' : 'grid', x1: String(LEFT), x2: String(WIDTH - RIGHT), y1: y(tick).toFixed(1), y2: y(tick).toFixed(1) }),
    text(LEFT - 8, y(tick) + 5, number(tick), 'end'),
  ]);
  const below = across.map((at) => text(x(at), HEIGHT - 12, `${number(at)} ${unit}`, 'middle'));
  const ends = placed([...lines].map(([key, points]) => [key, y(points.at(-1)?.[1] ?? 0)]));
  const drawn = [...lines].flatMap(([key, points], place) => {
    const path = points.map(([at, of], step) => `${step ? 'L' : 'M'}${x(at).toFixed(1)} ${y(of).toFixed(1)}`).join('');
    const [lastX] = points.at(-1) ?? [0];
    const dots = points.map(([at, of]) => svg('circle', { class: `dot size-${place % 6}`, cx: x(at).toFixed(1), cy: y(of).toFixed(1), r: '4' }));
    return [svg('path', { class: `line size-${place % 6}`, d: path }), ...dots, text(x(lastX) + 10, (ends.get(key) ?? 0) + 5, `${number(key)} ${beside}`, 'start')];
  });
  return svg('svg', { class: 'plot', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label }, ...grid, ...below, ...drawn);
}

/** The height of each line's name: where it ends, or as far below the name above as it takes to read both. */
export function placed(ends: readonly (readonly [number, number])[]): Map<number, number> {
  let above = -Infinity;
  const heights = new Map<number, number>();
  for (const [key, end] of [...ends].sort(([, one], [, other]) => one - other)) {
    above = Math.max(end, above + 18);
    heights.set(key, above);
  }
  return heights;
}
