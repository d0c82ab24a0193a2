/** One site: its devices now, and its history over a chosen span. */
import { h, KeyedList, setAttribute, setHidden, setText, type Row } from '../dom';
import type { Key } from '../i18n';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';
import type { Device } from '../types';
import { SiteHistoryView } from './site_history';
import { wantedView } from './wanted';
import { roleName, stateName } from './wording';

interface Shown {
  readonly device: Device;
  readonly now: number;
}

function deviceRow(context: Context): Row<Shown> {
  const { words, format } = context;
  const name = h('th', { scope: 'row' });
  const [power, soc, state, age] = [h('td', { class: 'amount' }), h('td', { class: 'amount' }), h('td'), h('td', { class: 'amount' })];
  const element = h('tr', {}, name, power, soc, state, age);
  return {
    element,
    update({ device, now }) {
      setText(name, roleName(context, device.id));
      setText(power, device.power_w === null ? words.text('page.value.unknown') : format.power(device.power_w));
      setText(soc, device.soc_pct === null ? '–' : format.percent(device.soc_pct / 100));
      const states = [device.state && stateName(context, device.state), device.stale && words.text('site.device.stale'), device.historical && words.text('site.device.historical')];
      setText(state, states.filter(Boolean).join(', ') || '–');
      setText(age, device.t === null ? words.text('sites.age.never') : format.duration((now - device.t) / 1000));
      setAttribute(element, 'data-stale', String(device.stale));
    },
  };
}

class SitePanel implements View {
  readonly element: HTMLElement;
  private readonly title = h('h2', { id: 'site-title', tabindex: '-1' });
  private readonly about = h('p', { class: 'note' });
  private readonly devices: KeyedList<Shown>;
  private readonly history: SiteHistoryView;
  private readonly wanted: View;
  private opened: string | null | undefined;

  constructor(private readonly context: Context) {
    const { words } = context;
    const body = h('tbody');
    const columns: Key[] = ['site.device.name', 'site.device.power', 'site.device.soc', 'site.device.state', 'sites.column.age'];
    const heads = columns.map((key, index) => h('th', { scope: 'col', class: [1, 2, 4].includes(index) ? 'amount' : '' }, words.text(key)));
    this.devices = new KeyedList<Shown>(body, ({ device }) => device.id, () => deviceRow(context));
    this.history = new SiteHistoryView(context);
    this.wanted = wantedView(context);
    const close = h('button', { type: 'button', click: () => this.close() }, icon('close'), words.text('site.panel.close'));
    this.element = h(
      'section',
      { class: 'panel site', 'aria-labelledby': 'site-title', hidden: true },
      h('div', { class: 'panel-head' }, this.title, close),
      this.about,
      h('h3', {}, words.text('site.devices.title')),
      h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': words.text('site.devices.title') }, h('table', { class: 'devices' }, h('thead', {}, h('tr', {}, ...heads)), body)),
      this.wanted.element,
      h('h3', {}, words.text('site.history.title')),
      this.history.element,
    );
  }

  /** The focus goes back to where the site was opened from. */
  private close(): void {
    const opener = document.querySelector<HTMLElement>('table.sites [aria-expanded="true"]');
    this.context.actions.chooseSite(null);
    opener?.focus();
  }

  update(model: Model): void {
    const { site, siteEntry, now } = model;
    setHidden(this.element, site === null);
    const id = site?.id ?? null;
    if (site) {
      setText(this.title, this.context.siteName(site.id));
      setText(this.about, siteEntry ? [this.context.words.lookup(`site.kind.${siteEntry.kind}`, siteEntry.kind), siteEntry.gateway].filter(Boolean).join(' · ') : site.id);
      this.devices.update(site.devices.map((device) => ({ device, now })));
    }
    this.wanted.update(model);
    this.history.update(model);
    if (this.opened !== undefined && id !== this.opened && id !== null) this.title.focus();
    this.opened = id;
  }
}

export function sitePanel(context: Context): View {
  return new SitePanel(context);
}
