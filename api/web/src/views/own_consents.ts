/** What one agrees to, and changing it. */
import { consents, decide } from '../api';
import { h, setText } from '../dom';
import type { Context } from '../model';
import type { Consents } from '../types';
import { problemText } from './wording';

export function ownConsents(context: Pick<Context, 'words'>): HTMLElement {
  const { words } = context;
  const said = h('p', { class: 'empty', role: 'status' });
  const list = h('ul', { class: 'consents' });

  function show({ purposes }: Consents): void {
    setText(said, '');
    list.replaceChildren(...purposes.map(({ purpose, given }) => choice(purpose, given)));
  }

  function failed(error: unknown): void {
    setText(said, problemText(context, error));
  }

  function choice(purpose: string, given: boolean): HTMLElement {
    const id = `consent-${purpose}`;
    const box = h('input', { id, type: 'checkbox', change: () => void decide(purpose, box.checked).then(show, failed) });
    box.checked = given;
    return h('li', {}, box, h('label', { for: id }, words.lookup(`me.consent.${purpose}`, purpose)));
  }

  void consents().then(show, failed);
  return h(
    'section',
    { class: 'panel', 'aria-labelledby': 'consents-title' },
    h('h2', { id: 'consents-title' }, words.text('me.consent.title')),
    h('p', { class: 'note' }, words.text('me.consent.note')),
    said,
    list,
  );
}
