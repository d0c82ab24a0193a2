/** The community's last 24 hours in quarter-hours. */
import { communityHistory, forecast } from '../api';
import { h, setText } from '../dom';
import type { Key } from '../i18n';
import type { Context, Model, View } from '../model';
import { STEP_MS, summarise, withGaps, type Table } from '../series';
import type { Forecast, ForecastStep } from '../types';
import { problemText } from './wording';
import { TimeChart, type Band, type SeriesLook } from './chart';

const DAY_MS = 86_400_000;
const AHEAD_STEPS = 48;
const REFRESH_MS = 5 * 60_000;
const GUESSED_MS = 60_000; // a forecast that has learned little yet is made anew every minute
const SETTLE_MS = 3 * 60_000;

type Quantity = 'pv_w' | 'consumption_w' | 'shared_w' | 'import_w' | 'export_w';

const SERIES: readonly { quantity: Quantity; label: Key; look: Omit<SeriesLook, 'label'> }[] = [
  { quantity: 'pv_w', label: 'flow.pv.label', look: { colour: 'pv', dash: [], filled: true } },
  { quantity: 'consumption_w', label: 'flow.consumption.label', look: { colour: 'consumption', dash: [] } },
  { quantity: 'shared_w', label: 'flow.shared.label', look: { colour: 'shared', dash: [12, 3, 2, 3] } },
  { quantity: 'import_w', label: 'flow.import.label', look: { colour: 'import', dash: [8, 4] } },
  { quantity: 'export_w', label: 'flow.export.label', look: { colour: 'export', dash: [2, 3] } },
];

type Expected = 'pv' | 'consumption';

const EXPECTED: readonly { of: Expected; label: Key; look: Omit<SeriesLook, 'label'> }[] = [
  { of: 'pv', label: 'chart.expected.pv', look: { colour: 'pv', dash: [4, 4] } },
  { of: 'consumption', label: 'chart.expected.consumption', look: { colour: 'consumption', dash: [4, 4] } },
];

/** The past with the quarter-hours to come behind it, and the bands of what is expected. */
function joined({ t, columns }: Table, steps: readonly ForecastStep[]): { table: Table; bands: Band[] } {
  const last = t.at(-1) ?? -Infinity;
  const ahead = steps.filter(({ start }) => start > last).slice(0, AHEAD_STEPS);
  const past = t.map(() => null);
  const none = ahead.map(() => null);
  const expected = EXPECTED.map(({ of }) => [...past, ...ahead.map((step) => step[`${of}_w`])]);
  const bands = EXPECTED.map(({ of, look }) => ({
    colour: look.colour,
    low: [...past, ...ahead.map((step) => step[`${of}_low_w`])],
    high: [...past, ...ahead.map((step) => step[`${of}_high_w`])],
  }));
  const whole = [...t, ...ahead.map(({ start }) => start)];
  return { table: { t: whole, columns: [...columns.map((column) => [...column, ...none]), ...expected] }, bands };
}

function summary({ words, format }: Context, { t, columns }: Table, now: number): string {
  const summaries = columns.map((column) => summarise(t, column, STEP_MS['15m'], now - SETTLE_MS));
  const sentences = SERIES.map(({ label }, index) => {
    const { energy_wh, peak } = summaries[index] ?? { energy_wh: 0, peak: null };
    const values = { name: words.text(label), energy: format.energy(energy_wh) };
    if (!peak) return words.text('chart.summary.unknown', values);
    return words.text('chart.summary.series', { ...values, peak: format.power(peak.power_w), time: format.time(peak.t) });
  });
  const missing = Math.max(...summaries.map((series) => series.missing));
  const gaps = missing > 0 ? words.count('chart.summary.gaps', missing) : words.text('chart.summary.complete');
  return [...sentences, gaps].join(' ');
}

/** How far forecasts were off so far; nothing where that is not known yet. */
function accuracy({ words, format }: Context, told: Forecast['accuracy']): string {
  const sentences = EXPECTED.map(({ of, label }) => {
    const { hour_ahead_w: hour = null, day_ahead_w: day = null, yesterday_w: yesterday = null } = told[of] ?? {};
    if (hour === null || day === null || yesterday === null) return '';
    const values = { hour: format.power(hour), day: format.power(day), yesterday: format.power(yesterday) };
    return words.text('chart.expected.accuracy', { name: words.text(label), ...values });
  });
  return sentences.join(' ').trim();
}

class CommunityChart implements View {
  readonly element: HTMLElement;
  private readonly accuracy = h('p', { class: 'note' });
  private readonly chart: TimeChart;
  private abort = new AbortController();
  private community: string | null = null;
  private askedAt = -Infinity;

  constructor(private readonly context: Context) {
    const { words } = context;
    const looks = [...SERIES, ...EXPECTED].map(({ label, look }) => ({ ...look, label: words.text(label) }));
    this.chart = new TimeChart(context, looks, 'community-table', words.text('chart.community.title'));
    this.element = h(
      'section',
      { class: 'panel', 'aria-labelledby': 'chart-title' },
      h('h2', { id: 'chart-title' }, words.text('chart.community.title')),
      h('p', { class: 'note' }, `${words.text('chart.community.note')} ${words.text('chart.expected.note')}`),
      this.chart.element,
      this.accuracy,
    );
  }

  update({ communityId, received, sumsOnly, now }: Model): void {
    if (communityId === null || !(received || sumsOnly)) return;
    const changed = communityId !== this.community;
    if (!changed && Date.now() - this.askedAt < REFRESH_MS) return;
    this.community = communityId;
    this.askedAt = Date.now();
    if (changed) this.chart.say(this.context.words.text('chart.state.loading'));
    void this.load(communityId, now);
  }

  private async load(community: string, now: number): Promise<void> {
    this.abort.abort();
    const { signal } = (this.abort = new AbortController());
    try {
      const [from, step_ms] = [now - DAY_MS, STEP_MS['15m']];
      const history = await communityHistory(community, from, now, signal);
      const columns = SERIES.map(({ quantity }) => history[quantity]);
      const table = withGaps({ t: history.t, columns }, step_ms, from, now);
      const text = summary(this.context, table, now);
      const show = (steps: readonly ForecastStep[]): void => {
        const { table: whole, bands } = joined(table, steps);
        this.chart.show(whole, step_ms, text, bands);
      };
      show([]);
      const told = await forecast(community, signal).catch(() => null);
      if (signal.aborted) return;
      show(told?.steps ?? []);
      const known = told === null ? '' : accuracy(this.context, told.accuracy);
      if (known === '') this.askedAt -= REFRESH_MS - GUESSED_MS;
      setText(this.accuracy, known);
    } catch (error) {
      if (!signal.aborted) this.chart.say(problemText(this.context, error));
    }
  }
}

export function communityChart(context: Context): View {
  return new CommunityChart(context);
}
