/** Asks for the member's key; it is pasted, and lives as long as the tab. */
import { h } from '../dom';
import type { Translator } from '../i18n';

export function login(words: Translator, problem: string, use: (key: string) => void): HTMLElement {
  const input = h('input', { id: 'key', name: 'key', type: 'password', autocomplete: 'current-password', spellcheck: 'false' });
  const submit = (event: Event): void => {
    event.preventDefault();
    if (input.value.trim()) use(input.value.trim());
  };
  return h(
    'section',
    { class: 'panel login', 'aria-labelledby': 'login-title' },
    h('h2', { id: 'login-title' }, words.text('me.login.title')),
    h('p', {}, words.text('me.login.help')),
    h(
      'form',
      { submit },
      h('label', { for: 'key' }, words.text('key.input.label')),
      input,
      h('button', { type: 'submit', class: 'primary' }, words.text('me.login.use')),
    ),
    h('p', { class: 'wrong', role: 'alert' }, problem),
  );
}
