/** Papers of a statement or document, taken along: a plain link carries neither a key nor which form is wanted. */
import { paper } from '../api';
import { h } from '../dom';
import type { Translator } from '../i18n';
import { problemText } from '../views/wording';

const FORMS = { pdf: 'application/pdf', csv: 'text/csv', xml: 'application/xml' } as const;
export type Form = keyof typeof FORMS;

/** A button for each form; what the API refuses is said beside them. */
export function papers(words: Translator, path: string, name: string, forms: readonly Form[]): HTMLElement {
  const said = h('span', { class: 'wrong', role: 'status' });
  const take = async (form: Form): Promise<void> => {
    said.textContent = '';
    try {
      const address = URL.createObjectURL(await paper(path, FORMS[form]));
      h('a', { href: address, download: `${name}.${form}` }).click();
      URL.revokeObjectURL(address);
    } catch (error) {
      said.textContent = problemText({ words }, error);
    }
  };
  const buttons = forms.map((form) =>
    h('button', { type: 'button', 'aria-label': `${form.toUpperCase()}: ${name}`, click: () => void take(form) }, form.toUpperCase()),
  );
  return h('span', { class: 'papers' }, ...buttons, said);
}
