import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const FOLDER = fileURLToPath(new URL('../../docs/decisions/', import.meta.url));

test('decisions are numbered one by one, and each says its number', () => {
  const files = readdirSync(FOLDER)
    .filter((file) => file !== 'README.md')
    .sort();
  const numbers = files.map((file) => file.slice(0, 4));
  const said = files.map((file) => readFileSync(`${FOLDER}${file}`, 'utf8').slice(2, 6));
  expect(numbers).toEqual(files.map((_, at) => `${at + 1}`.padStart(4, '0')));
  expect(said).toEqual(numbers);
});
