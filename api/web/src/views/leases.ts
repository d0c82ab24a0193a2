/** What the system is forcing right now, who asked for it and why, and the one way to let go of everything. */
import { h, KeyedList, setAttribute, setHidden, setText, type Row } from '../dom';
import { icon } from '../icons';
import type { Context, Model, View } from '../model';
import type { Command } from '../types';
import { confirmDialog } from './dialogs';
import { deviceName, problemText, settings } from './wording';

interface Shown {
  readonly lease: Command;
  readonly now: number;
}

function leaseRow(context: Context): Row<Shown> {
  const { words, format } = context;
  const device = h('h3');
  const countdown = h('p', { class: 'countdown' });
  const set = h('p', { class: 'setting' });
  const who = h('p', { class: 'note' });
  const why = h('p', { class: 'note' });
  return {
    element: h('li', { class: 'lease' }, device, countdown, set, who, why),
    update({ lease, now }) {
      setText(device, deviceName(context, lease.device));
      setText(set, `${settings(context, lease.set)} – ${words.lookup(`leases.state.${lease.state}`, lease.state)}`);
      const remaining = lease.ends_at === null ? null : (lease.ends_at - now) / 1000;
      setText(countdown, remaining === null ? words.text('leases.item.waiting') : words.text('leases.item.remaining', { time: format.duration(remaining) }));
      setText(who, words.text('leases.item.who', { by: lease.issued_by, time: format.clock(lease.t) }));
      setText(why, lease.reasons?.[words.language] ?? lease.reason);
    },
  };
}

export function leasesView(context: Context): View {
  const { words, actions } = context;
  const list = h('ul', { class: 'leases' });
  const none = h('p', { class: 'empty' }, icon('ok'), words.text('leases.section.none'));
  const answer = h('p', { class: 'answer', role: 'status' });
  const rows = new KeyedList<Shown>(list, ({ lease }) => lease.id, () => leaseRow(context));
  const release = (): void => {
    setText(answer, words.text('leases.release.asking'));
    actions.releaseAll().then(
      () => setText(answer, words.text('leases.release.done')),
      (error: unknown) => setText(answer, problemText(context, error)),
    );
  };
  const dialog = confirmDialog(
    words.text('leases.confirm.title'),
    words.text('leases.confirm.text'),
    words.text('leases.confirm.yes'),
    words.text('leases.confirm.no'),
    release,
  );
  const button = h('button', { type: 'button', class: 'danger', click: () => dialog.showModal() }, words.text('leases.release.button'));
  return {
    element: h(
      'section',
      { class: 'panel', 'aria-labelledby': 'leases-title' },
      h('div', { class: 'panel-head' }, h('h2', { id: 'leases-title' }, words.text('leases.section.title')), button),
      list,
      none,
      answer,
      dialog,
    ),
    update({ leases, now }: Model) {
      rows.update(leases.map((lease) => ({ lease, now })));
      setHidden(none, leases.length > 0);
      setAttribute(button, 'data-idle', String(leases.length === 0));
    },
  };
}
