import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const FOLDER = fileURLToPath(new URL('../../docs/decisions/', import.meta.url));

test('each decision has a number of its own, and says it', () => {
  const files = readdirSync(FOLDER)
    .filter((file) => file !== 'README.md')
    .sort();
  const numbers = files.map((file) => file.slice(0, 4));
  const said = files.map((file) => readFileSync(`${FOLDER}${file}`, 'utf8').slice(2, 6));
  expect(numbers.filter((number, at) => !/^\d{4}$/.test(number) || numbers.indexOf(number) !== at)).toEqual([]);
  expect(said).toEqual(numbers);
});
