/** One's own part in the quarter-hour that runs, read again every few seconds: an estimate until it is over. */
import { ownEnergy } from '../api';
import { h, setHidden, setText } from '../dom';
import type { Context } from '../model';
import { STEP_MS } from '../series';
import type { OwnRunning } from '../types';
import { problemText } from './wording';

const EVERY_MS = 10_000;
const QUARTER_MS = STEP_MS['15m'];

interface Sums {
  readonly withdrawn_wh: number;
  readonly received_wh: number;
  readonly given_wh: number;
}

/** Over the points of which something is known; null: of none. */
function sumsOf(running: readonly OwnRunning[]): Sums | null {
  const known = running.filter(({ withdrawn_wh }) => withdrawn_wh !== null);
  if (known.length === 0) return null;
  const total = (column: keyof Sums): number => known.reduce((sum, point) => sum + (point[column] ?? 0), 0);
  return { withdrawn_wh: total('withdrawn_wh'), received_wh: total('received_wh'), given_wh: total('given_wh') };
}

function inWords({ words, format }: Pick<Context, 'words' | 'format'>, sums: Sums | null): string {
  if (sums === null) return words.text('me.running.held');
  const { withdrawn_wh, received_wh, given_wh } = sums;
  const values = { withdrawn: format.energy(withdrawn_wh), received: format.energy(received_wh), share: format.percent(withdrawn_wh > 0 ? received_wh / withdrawn_wh : 0) };
  const given = given_wh > 0 ? words.text('me.day.given', { energy: format.energy(given_wh) }) : '';
  return [words.text('me.day.received', values), given].filter(Boolean).join(' ');
}

/** Its element reads on as long as it is in the page. */
export function ownRunning(context: Pick<Context, 'words' | 'format'>): HTMLElement {
  const { words, format } = context;
  const when = h('p');
  const sums = h('p', { class: 'spared' });
  const note = h('p', { class: 'note' });
  const element = h('section', { class: 'panel', 'aria-labelledby': 'running-title' }, h('h2', { id: 'running-title' }, words.text('me.running.title')), when, sums, note);

  function show(running: readonly OwnRunning[]): void {
    const [first] = running;
    setHidden(sums, first === undefined);
    setText(note, first === undefined ? words.text('me.running.none') : words.text('me.running.note'));
    if (first === undefined) return;
    const until = Math.min(...running.map((point) => point.until));
    setText(when, words.text('me.running.when', { from: format.time(first.t), to: format.time(first.t + QUARTER_MS), until: format.clock(until) }));
    setText(sums, inWords(context, sumsOf(running)));
  }

  async function read(): Promise<void> {
    try {
      const now = Date.now();
      const { running } = await ownEnergy(now - QUARTER_MS, now + 1000);
      setHidden(when, running.length === 0);
      show(running);
    } catch (error) {
      setText(note, problemText(context, error));
    }
  }

  const timer = window.setInterval(() => {
    if (element.isConnected) void read();
    else window.clearInterval(timer);
  }, EVERY_MS);
  void read();
  return element;
}
