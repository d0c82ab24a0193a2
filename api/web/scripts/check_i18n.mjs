/** Every language has the same keys and placeholders, and every key is used. Prints what is wrong; exit 1 then. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = new URL('../src/', import.meta.url).pathname;

/** @param {string} language @returns {Record<string, string>} */
function texts(language) {
  return JSON.parse(readFileSync(join(ROOT, 'i18n', language), 'utf8'));
}

/** @param {string | undefined} text */
function placeholders(text) {
  return (text?.match(/\{\w+\}/g) ?? []).sort().join(' ');
}

const languages = readdirSync(join(ROOT, 'i18n'));
const reference = texts('en.json');
/** @type {string[]} */
const wrong = [];

for (const language of languages) {
  const own = texts(language);
  for (const key of Object.keys(reference)) {
    if (!own[key]) wrong.push(`${language}: ${key} has no text`);
    else if (placeholders(own[key]) !== placeholders(reference[key])) {
      wrong.push(`${language}: ${key} has placeholders "${placeholders(own[key])}", English has "${placeholders(reference[key])}"`);
    }
  }
  for (const key of Object.keys(own)) if (!(key in reference)) wrong.push(`${language}: ${key} is not in English`);
}

const sources = readdirSync(ROOT, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(ROOT, name), 'utf8'))
  .join('\n');
for (const key of Object.keys(reference)) {
  if (!/^[a-z0-9]+(\.[a-z0-9_]+){2}$/.test(key)) wrong.push(`${key} is not screen.component.purpose`);
  const stem = key.replace(/_(one|other)$/, '');
  const group = key.slice(0, key.lastIndexOf('.') + 1);
  if (!sources.includes(`'${stem}'`) && !sources.includes(`'${key}'`) && !sources.includes(`\`${group}\${`)) {
    // flow.pv.label is put together as flow.${id}.label
    const middle = key.replace(/\.[^.]+\./, '.${').split('${')[0];
    if (!sources.includes(`\`${middle}\${`)) wrong.push(`${key} is not used`);
  }
}

for (const line of wrong) console.error(line);
if (wrong.length > 0) process.exit(1);
console.log(`${languages.length} languages, ${Object.keys(reference).length} texts each`);
