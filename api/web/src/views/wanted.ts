/** What cars at a site are to get and machines are to do: seen by all, said, confirmed and taken back by who may steer. */
import { instantOf, localText } from '../days';
import { h, KeyedList, setHidden, setText, type Row } from '../dom';
import type { Context, Model, View, Wanted } from '../model';
import type { Command, DeviceEntry, MachineRun } from '../types';
import { confirmDialog } from './dialogs';
import { problemText, roleName, settings } from './wording';

const EVERY_MS = 10_000;
const HOUR_MS = 3_600_000;
const FARTHEST_MS = 7 * 24 * HOUR_MS;
const USUAL_KWH = '20';

interface Shown {
  readonly device: DeviceEntry;
  readonly lease: Command | null;
  readonly maySteer: boolean;
  readonly now: number;
}

function runText({ words, format }: Context, device: DeviceEntry, run: MachineRun): string {
  const values = { from: format.moment(run.earliest), to: format.moment(run.finish_by), by: run.by };
  if (run.started_at !== null) {
    return words.text('wanted.run.runs', { since: format.time(run.started_at), until: format.time(run.started_at + (device.run_s ?? 0) * 1000) });
  }
  const planned = run.planned_at === null ? words.text('wanted.run.unplanned') : words.text('wanted.run.planned', { time: format.moment(run.planned_at) });
  return `${words.text('wanted.run.wanted', values)} ${planned}`;
}

function stateText(context: Context, device: DeviceEntry): string {
  const { words, format } = context;
  if (device.wants === 'run') return device.run === null ? words.text('wanted.run.none') : runText(context, device, device.run);
  const { wish } = device;
  return wish === null ? words.text('wanted.car.none') : words.text('wanted.car.wanted', { energy: format.energy(wish.energy_wh), to: format.moment(wish.ready_at), by: wish.by });
}

function leaseText(context: Context, lease: Command, now: number): string {
  const { words, format } = context;
  const left = lease.ends_at === null ? words.text('leases.item.waiting') : words.text('leases.item.remaining', { time: format.duration((lease.ends_at - now) / 1000) });
  return words.text('wanted.item.lease', { set: settings(context, lease.set), state: words.lookup(`leases.state.${lease.state}`, lease.state), left });
}

function field(device: DeviceEntry, name: string, text: string, look: Readonly<Record<string, string | boolean>>): [HTMLInputElement, HTMLElement] {
  const id = `${device.id.replace('/', '-')}-${name}`;
  const input = h('input', { id, ...look });
  return [input, h('label', { for: id }, h('span', {}, text), input)];
}

/** The fields in which something is wanted, each with its own name for those who hear it. */
function fields({ words, format }: Context, device: DeviceEntry): { element: HTMLElement; reset(now: number): void; read(): Wanted | null } {
  const car = device.wants === 'car';
  const [energy, energyField] = field(device, 'energy', words.text('wanted.car.energy'), { type: 'number', min: '1', max: '500', step: '0.5', inputmode: 'decimal', required: true });
  const [earliest, earliestField] = field(device, 'earliest', words.text('wanted.run.earliest'), { type: 'datetime-local' });
  const [end, endField] = field(device, 'end', words.text(car ? 'wanted.car.ready' : 'wanted.run.finish'), { type: 'datetime-local', required: true });
  const instant = (input: HTMLInputElement): number => instantOf(input.value, format.timeZone);
  return {
    element: h('div', { class: 'choices' }, car ? energyField : earliestField, endField),
    reset(now) {
      const usual = now + Math.max(8 * HOUR_MS, 2 * (device.run_s ?? 0) * 1000);
      energy.value = USUAL_KWH;
      end.value = localText(usual - (usual % HOUR_MS), format.timeZone);
      for (const input of [earliest, end]) {
        input.min = localText(now, format.timeZone);
        input.max = localText(now + FARTHEST_MS, format.timeZone);
      }
    },
    read() {
      if (!end.value) return null;
      if (car) return { ready_at: instant(end), energy_wh: Number(energy.value) * 1000 };
      return earliest.value ? { finish_by: instant(end), earliest: instant(earliest) } : { finish_by: instant(end) };
    },
  };
}

class WantedRow implements Row<Shown> {
  readonly element: HTMLElement;
  private readonly state = h('p');
  private readonly lease = h('p', { class: 'note' });
  private readonly why = h('p', { class: 'note', lang: 'en' });
  private readonly answer = h('p', { class: 'answer', role: 'status' });
  private readonly form: HTMLFormElement;
  private readonly back: HTMLButtonElement;
  private readonly fields;
  private fresh = true;
  private shown: Shown | null = null;

  constructor(
    private readonly context: Context,
    private readonly device: DeviceEntry,
    private readonly changed: () => Promise<void>,
  ) {
    const { words } = context;
    const car = device.wants === 'car';
    this.fields = fields(context, device);
    const [ask, revoke] = [words.text(car ? 'wanted.car.ask' : 'wanted.run.ask'), words.text('wanted.item.back')];
    const name = roleName(context, device.id);
    const submit = h('button', { type: 'submit', class: 'primary', 'aria-label': `${ask}: ${name}` }, ask);
    this.back = h('button', { type: 'button', 'aria-label': `${revoke}: ${name}`, click: () => this.confirmBack() }, revoke);
    this.form = h('form', { submit: (event) => this.confirmWanted(event) }, this.fields.element, h('div', { class: 'answers' }, submit, this.back));
    this.element = h('li', { class: 'wanted' }, h('h4', {}, name), this.state, this.lease, this.why, this.form, this.answer);
  }

  update(shown: Shown): void {
    this.shown = shown;
    const { device, lease, maySteer, now } = shown;
    if (this.fresh) this.fields.reset(now);
    this.fresh = false;
    setText(this.state, stateText(this.context, device));
    setText(this.lease, lease === null ? this.context.words.text('wanted.item.free') : leaseText(this.context, lease, now));
    setText(this.why, lease?.reasons?.[this.context.words.language] ?? lease?.reason ?? '');
    const runs = device.run !== null && device.run.started_at !== null;
    setHidden(this.form, !maySteer || runs);
    setHidden(this.back, device.wish === null && (device.run === null || runs));
  }

  private confirmWanted(event: Event): void {
    event.preventDefault();
    const wanted = this.fields.read();
    if (wanted === null) return;
    const { words, format } = this.context;
    const name = roleName(this.context, this.device.id);
    const text =
      'ready_at' in wanted
        ? words.text('wanted.confirm.car', { name, energy: format.energy(wanted.energy_wh), to: format.moment(wanted.ready_at) })
        : words.text('wanted.confirm.run', { name, from: format.moment(wanted.earliest ?? this.shown?.now ?? 0), to: format.moment(wanted.finish_by) });
    this.confirm(text, 'wanted.confirm.yes', () => this.do(this.context.actions.want(this.device, wanted), 'wanted.item.said'));
  }

  private confirmBack(): void {
    const text = this.context.words.text(this.device.wants === 'car' ? 'wanted.confirm.car_back' : 'wanted.confirm.run_back', { name: roleName(this.context, this.device.id) });
    this.confirm(text, 'wanted.confirm.back', () => this.do(this.context.actions.takeBack(this.device), 'wanted.item.taken'));
  }

  private confirm(text: string, yes: 'wanted.confirm.yes' | 'wanted.confirm.back', confirmed: () => void): void {
    const { words } = this.context;
    const opener = document.activeElement as HTMLElement | null;
    const dialog = confirmDialog(words.text('wanted.confirm.title'), text, words.text(yes), words.text('wanted.confirm.no'), confirmed);
    dialog.addEventListener('close', () => (dialog.remove(), opener?.focus()));
    this.element.append(dialog);
    dialog.showModal();
  }

  private do(done: Promise<void>, told: 'wanted.item.said' | 'wanted.item.taken'): void {
    const { words } = this.context;
    setText(this.answer, words.text('wanted.item.asking'));
    done.then(
      async () => {
        await this.changed();
        setText(this.answer, words.text(told));
      },
      (error: unknown) => setText(this.answer, problemText(this.context, error)),
    );
  }
}

class WantedView implements View {
  readonly element: HTMLElement;
  private readonly rows: KeyedList<Shown>;
  private devices: readonly DeviceEntry[] = [];
  private site: string | null = null;
  private readAt = -Infinity;

  constructor(private readonly context: Context) {
    const list = h('ul', { class: 'wants' });
    this.rows = new KeyedList<Shown>(list, ({ device }) => device.id, ({ device }) => new WantedRow(context, device, () => this.read()));
    const { words } = context;
    this.element = h('div', { class: 'wants-of-site', hidden: true }, h('h3', {}, words.text('wanted.section.title')), h('p', { class: 'note' }, words.text('wanted.section.note')), list);
  }

  /** A site where nothing can be wanted is asked about once; the others every few seconds, for a plan may move a run. */
  update({ site, leases, rights, now, connection }: Model): void {
    const id = site?.id ?? null;
    const changed = id !== this.site;
    if (changed) [this.site, this.devices] = [id, []];
    const due = changed || (this.devices.length > 0 && Date.now() - this.readAt >= EVERY_MS);
    if (id !== null && due && connection.state === 'live') void this.read();
    else if (changed) this.site = null;
    const lease = (device: string): Command | null => leases.find((each) => each.device === device) ?? null;
    this.rows.update(this.devices.map((device) => ({ device, lease: lease(device.id), maySteer: rights.has('command'), now })));
    setHidden(this.element, this.devices.length === 0);
  }

  /** Raises nothing: what was known stays until it can be read again. */
  private async read(): Promise<void> {
    this.readAt = Date.now();
    const asked = this.site;
    if (asked === null) return;
    const found = await this.context.actions.devices(asked).catch(() => null);
    if (found !== null && asked === this.site) this.devices = found.filter(({ wants }) => wants !== null);
  }
}

export function wantedView(context: Context): View {
  return new WantedView(context);
}
