/** How devices and what is asked of them are put into words. */
import { ApiError } from '../api';
import type { Context } from '../model';
import { siteOf } from '../state';
import type { Alert } from '../types';

/** `ixl-hall/pv-2` as the role's name and number, `PV 2`. */
export function roleName({ words }: Context, device: string): string {
  const [role = device, ...number] = device.slice(siteOf(device).length + 1).split('-');
  return [words.lookup(`device.role.${role}`, role), ...number].join(' ');
}

/** `ixl-hall/battery` as the site's name and the device's role. */
export function deviceName(context: Context, device: string): string {
  return `${context.siteName(siteOf(device))}, ${roleName(context, device)}`;
}

/** What a command sets, in words: `power_w: -3000` of a battery is `power −3.00 kW`. */
export function settings({ words, format }: Context, set: Readonly<Record<string, unknown>>): string {
  return Object.entries(set)
    .map(([quantity, value]) => {
      const amount = typeof value === 'number' ? format.metric(value, quantity) : stateName({ words }, String(value));
      return `${words.lookup(`device.setting.${quantity}`, quantity)} ${amount}`;
    })
    .join(', ');
}

/** A device's own word for its state, `sleeping`, in the reader's. Chargers tell IEC 61851's letter, some with a digit: `C2`. */
export function stateName({ words }: Pick<Context, 'words'>, state: string): string {
  return words.lookup(`device.state.${state.toLowerCase().replace(/^([a-f])[12]$/, '$1')}`, state);
}

/** Why something asked of the server was not done. */
export function problemText({ words, format }: Pick<Context, 'words'> & Partial<Pick<Context, 'format'>>, error: unknown): string {
  if (!(error instanceof ApiError)) return words.text('error.code.unknown');
  const { points = 0, max_points = 0, step } = error.problem;
  if (error.code === 'too_many_points') {
    const count = (value: number): string => format?.count(value) ?? String(value);
    const fits = step ? words.lookup(`site.step.${step}`, step) : words.text('site.range.shorter');
    return words.text('error.code.too_many_points', { points: count(points), most: count(max_points), fits });
  }
  const known = words.lookup(`error.code.${error.code}`, '');
  if (known) return known;
  return error.needsKey ? words.text('error.code.forbidden') : [error.message, error.hint].filter(Boolean).join('. ');
}

/** What the alert is about, as people call it. */
function placeName(context: Context, { subject, community }: Alert): string {
  if (!subject || subject === community) return context.communityName(community);
  return subject.includes('/') ? deviceName(context, subject) : context.siteName(subject);
}

/** Rules are named by who writes them, `surplus-high`; shown as words while their texts are not known. */
function ruleName(rule: string): string {
  const words = rule.replace(/[-_]+/g, ' ').trim();
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** What is wrong and where, in one line. */
export function alertTitle(context: Context, alert: Alert): string {
  return `${context.alertTexts(alert)?.title ?? ruleName(alert.rule)} – ${placeName(context, alert)}`;
}
