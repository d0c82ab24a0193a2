/** The two questions the page asks: really release everything, and which access key. */
import { accessKey } from '../api';
import { h } from '../dom';
import type { Translator } from '../i18n';

/** Asks before something that cannot be undone; the harmless answer has the focus. */
export function confirmDialog(title: string, text: string, yes: string, no: string, confirmed: () => void): HTMLDialogElement {
  const dialog = h('dialog', { 'aria-labelledby': 'confirm-title', 'aria-describedby': 'confirm-text' });
  const close = h('button', { type: 'button', autofocus: true, click: () => dialog.close() }, no);
  const act = h('button', { type: 'button', class: 'danger', click: () => (dialog.close(), confirmed()) }, yes);
  dialog.append(
    h('h2', { id: 'confirm-title' }, title),
    h('p', { id: 'confirm-text' }, text),
    h('div', { class: 'answers' }, close, act),
  );
  return dialog;
}

export function keyDialog(words: Translator, chosen: (key: string) => void): HTMLDialogElement {
  const input = h('input', { id: 'key', name: 'key', type: 'password', autocomplete: 'current-password', spellcheck: 'false' });
  const dialog = h('dialog', { 'aria-labelledby': 'key-title' });
  const submit = (event: Event): void => {
    event.preventDefault();
    dialog.close();
    chosen(input.value.trim());
  };
  input.value = accessKey();
  dialog.append(
    h('h2', { id: 'key-title' }, words.text('key.dialog.title')),
    h('p', { id: 'key-help' }, words.text('key.dialog.help')),
    h(
      'form',
      { submit },
      h('label', { for: 'key' }, words.text('key.input.label')),
      input,
      h(
        'div',
        { class: 'answers' },
        h('button', { type: 'button', click: () => dialog.close() }, words.text('key.dialog.cancel')),
        h('button', { type: 'submit', class: 'primary' }, words.text('key.dialog.use')),
      ),
    ),
  );
  return dialog;
}
