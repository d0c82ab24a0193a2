/** A chart over time with its legend, its summary in words and its table; gaps stay gaps. */
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { h, setAttribute, setHidden, setText, svg } from '../dom';
import { axisUnit } from '../format';
import type { Context } from '../model';
import type { Table } from '../series';
import type { Maybe } from '../types';

const MOST_ROWS = 2000;

export interface SeriesLook {
  readonly label: string;
  /** The name of the flow whose colour it has everywhere. */
  readonly colour: string;
  readonly dash: readonly number[];
  readonly filled?: boolean;
}

/** What a value is likely between: columns as long as the table, filled in the flow's own colour. */
export interface Band {
  readonly colour: string;
  readonly low: readonly Maybe[];
  readonly high: readonly Maybe[];
}

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function lineSample(look: SeriesLook): Element {
  const line = svg('line', { x1: '0', y1: '6', x2: '28', y2: '6', 'stroke-dasharray': look.dash.join(' '), class: `stroke-${look.colour}` });
  return svg('svg', { viewBox: '0 0 28 12', class: 'sample', 'aria-hidden': 'true' }, line);
}

export class TimeChart {
  readonly element: HTMLElement;
  private readonly canvas = h('div', { class: 'canvas', 'aria-hidden': 'true', hidden: true });
  private readonly summary = h('figcaption');
  private readonly message = h('p', { class: 'empty', role: 'status' });
  private readonly values: HTMLElement[];
  private readonly legend: HTMLElement[];
  private readonly cursorTime = h('span', { class: 'cursor-time' });
  private readonly tableButton: HTMLButtonElement;
  private readonly tableBox: HTMLElement;
  private readonly shown: boolean[];
  private table: Table = { t: [], columns: [] };
  private bands: readonly Band[] = [];
  private step_ms = 0;
  private plot: uPlot | null = null;
  private readonly resized = new ResizeObserver(() => this.fit());
  private readonly life = new AbortController();

  constructor(
    private readonly context: Pick<Context, 'words' | 'format'>,
    private readonly looks: readonly SeriesLook[],
    id: string,
    caption: string,
  ) {
    const { words } = context;
    this.shown = looks.map(() => true);
    this.values = looks.map(() => h('span', { class: 'value' }));
    this.legend = looks.map((look, index) => this.legendButton(look, index));
    this.tableBox = h('div', { class: 'table-box', id, role: 'region', tabindex: '0', 'aria-label': caption, hidden: true });
    this.tableButton = h(
      'button',
      { type: 'button', hidden: true, 'aria-expanded': 'false', 'aria-controls': id, click: () => this.toggleTable() },
      words.text('chart.table.show'),
    );
    const legend = h('div', { class: 'legend', role: 'group', 'aria-label': words.text('chart.legend.label') }, ...this.legend, this.cursorTime);
    this.element = h('figure', { class: 'chart' }, legend, this.canvas, this.message, this.summary, this.tableButton, this.tableBox);
    this.resized.observe(this.canvas);
    for (const query of ['(prefers-color-scheme: dark)', 'print']) {
      window.matchMedia(query).addEventListener('change', () => this.draw(), { signal: this.life.signal });
    }
  }

  destroy(): void {
    this.life.abort();
    this.resized.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  /** `table` holds one column per series, W, and a row for every interval. */
  show(table: Table, step_ms: number, summary: string, bands: readonly Band[] = []): void {
    this.table = table;
    this.bands = bands;
    this.step_ms = step_ms;
    const empty = this.table.columns.every((column) => column.every((value) => value === null));
    setText(this.message, empty ? this.context.words.text('chart.state.empty') : '');
    setHidden(this.canvas, empty);
    setText(this.summary, empty ? '' : summary);
    setHidden(this.tableButton, empty);
    if (!this.tableBox.hidden) this.fillTable();
    this.draw();
  }

  /** Says why there is no chart, or that it is on its way. */
  say(text: string): void {
    setText(this.message, text);
  }

  private legendButton(look: SeriesLook, index: number): HTMLElement {
    const button = h(
      'button',
      { type: 'button', 'aria-pressed': 'true', click: () => this.toggleSeries(index, button) },
      lineSample(look),
      h('span', {}, look.label),
      this.values[index] ?? null,
    );
    return button;
  }

  private toggleSeries(index: number, button: HTMLElement): void {
    this.shown[index] = !this.shown[index];
    setAttribute(button, 'aria-pressed', String(this.shown[index]));
    this.plot?.setSeries(index + 1, { show: this.shown[index] ?? true });
  }

  private toggleTable(): void {
    const hidden = !this.tableBox.hidden;
    setHidden(this.tableBox, hidden);
    setAttribute(this.tableButton, 'aria-expanded', String(!hidden));
    setText(this.tableButton, this.context.words.text(hidden ? 'chart.table.show' : 'chart.table.hide'));
    if (!hidden) this.fillTable();
  }

  private fillTable(): void {
    const { words, format } = this.context;
    const cell = (value: Maybe | undefined): HTMLElement =>
      h('td', { class: 'amount' }, value === null || value === undefined ? words.text('page.value.unknown') : format.power(value));
    const rows = this.table.t.slice(0, MOST_ROWS).map((t, row) =>
      h('tr', {}, h('th', { scope: 'row' }, format.moment(t)), ...this.table.columns.map((column) => cell(column[row]))),
    );
    const heads = this.looks.map((look) => h('th', { scope: 'col', class: 'amount' }, look.label));
    const head = h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, words.text('chart.table.time')), ...heads));
    const more = this.table.t.length - rows.length;
    const note = more > 0 ? h('p', { class: 'note' }, words.count('chart.table.more', more)) : null;
    this.tableBox.replaceChildren(h('table', {}, head, h('tbody', {}, ...rows)), ...(note ? [note] : []));
  }

  private draw(): void {
    this.plot?.destroy();
    this.plot = null;
    if (this.canvas.hidden || this.canvas.clientWidth === 0) return;
    this.plot = new uPlot(this.options(), this.data(), this.canvas);
  }

  /** Quarter-hours are drawn as steps; the last one needs its end to have a width. */
  private data(): uPlot.AlignedData {
    const { t, columns } = this.table;
    const end = this.stepped() ? [(t.at(-1) ?? 0) + this.step_ms] : [];
    const drawn = [...columns, ...this.bands.flatMap(({ low, high }) => [low, high])].map((column) => [...column, ...end.map(() => column.at(-1) ?? null)]);
    return [[...t, ...end].map((time) => time / 1000), ...drawn];
  }

  private stepped(): boolean {
    return this.step_ms >= 900_000;
  }

  private fit(): void {
    if (!this.plot) this.draw();
    else this.plot.setSize({ width: this.canvas.clientWidth, height: this.height() });
  }

  private height(): number {
    return Math.round(Math.min(Math.max(this.canvas.clientWidth * 0.4, 260), 420));
  }

  private options(): uPlot.Options {
    const { format } = this.context;
    const largest = Math.max(...this.table.columns.flat().map((value) => Math.abs(value ?? 0)));
    return {
      width: this.canvas.clientWidth,
      height: this.height(),
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), format.timeZone),
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      padding: [12, 12, 0, 0],
      scales: { y: { range: (_plot, low, high) => [Math.min(low * 1.05, 0), Math.max(high * 1.05, 100)] } },
      axes: [this.timeAxis(), this.powerAxis(largest)],
      series: [{}, ...this.looks.map((look, index) => this.series(look, index)), ...this.bands.flatMap(() => [this.edge(), this.edge()])],
      bands: this.bands.map((band, index) => {
        const low = this.looks.length + 1 + 2 * index;
        return { series: [low + 1, low], fill: `${colour(band.colour)}38` };
      }),
      hooks: { setCursor: [(plot) => this.readOut(plot.cursor.idx ?? null)] },
    };
  }

  private series(look: SeriesLook, index: number): uPlot.Series {
    const stepped = this.stepped() ? uPlot.paths.stepped?.({ align: 1, alignGaps: 1 }) : undefined;
    return {
      label: look.label,
      show: this.shown[index] ?? true,
      stroke: colour(look.colour),
      width: 2,
      dash: [...look.dash],
      spanGaps: false,
      points: { show: false },
      ...(look.filled ? { fill: colour(`${look.colour}-fill`) } : {}),
      ...(stepped ? { paths: stepped } : {}),
    };
  }

  /** A band's edge: there for its fill, not drawn itself. */
  private edge(): uPlot.Series {
    const stepped = this.stepped() ? uPlot.paths.stepped?.({ align: 1, alignGaps: 1 }) : undefined;
    return { stroke: 'transparent', width: 0, spanGaps: false, points: { show: false }, ...(stepped ? { paths: stepped } : {}) };
  }

  private axis(): uPlot.Axis {
    const stroke = colour('muted');
    const grid = { stroke: colour('rule'), width: 1 };
    return { stroke, grid, ticks: { ...grid, size: 6 }, font: `13px ${getComputedStyle(document.body).fontFamily}` };
  }

  private timeAxis(): uPlot.Axis {
    const { format } = this.context;
    const label = (t: number): string => (format.startsDay(t) ? format.day(t) : format.time(t));
    return {
      ...this.axis(),
      space: 64,
      values: (_plot, seconds, _axis, _space, increment) =>
        seconds.map((second) => (increment >= 86_400 ? format.day(second * 1000) : label(second * 1000))),
    };
  }

  private powerAxis(largest: number): uPlot.Axis {
    const { divisor, unit } = axisUnit(largest);
    const label = (value: number): string => `${this.context.format.number(value / divisor)} ${unit}`;
    return { ...this.axis(), size: 76, values: (_plot, values) => values.map(label) };
  }

  private readOut(index: number | null): void {
    const { format, words } = this.context;
    const row = index === null ? null : Math.min(index, this.table.t.length - 1);
    const t = row === null ? undefined : this.table.t[row];
    setText(this.cursorTime, t === undefined ? '' : format.moment(t));
    this.values.forEach((element, index) => {
      const value = row === null ? undefined : this.table.columns[index]?.[row];
      setText(element, t === undefined ? '' : value === null || value === undefined ? words.text('page.value.unknown') : format.power(value));
    });
  }
}
