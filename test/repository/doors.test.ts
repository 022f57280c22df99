import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CLOCK_DOORS, DOORS } from './doors.ts';
import { productionFiles, repositoryFile, withoutComments } from './files.ts';

const CLOCK_AND_CHANCE =
  /\bDate\.now\b|\bnew Date\(\)|\bperformance\.now\b|\bMath\.random\b|(?<![.\w])set(?:Timeout|Interval)\b|\brandom(?:Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b|node:timers/;

const isDoor = (file: string) => CLOCK_DOORS.some(({ from }) => new RegExp(from).test(file));

test('only the listed places read the clock, set timers or draw lots', () => {
  const found = productionFiles()
    .filter((file) => !isDoor(file))
    .flatMap((file) =>
      withoutComments(readFileSync(repositoryFile(file), 'utf8'))
        .split('\n')
        .flatMap((line, at) => (CLOCK_AND_CHANCE.test(line) ? [`${file}:${at + 1}: ${line.trim()}`] : [])),
    );
  expect(found).toEqual([]);
});

test('every door leads somewhere: a file is behind each path', () => {
  const files = productionFiles();
  const paths = [...DOORS.flatMap(({ from }) => from), ...CLOCK_DOORS.map(({ from }) => from)];
  expect(paths.filter((path) => !files.some((file) => new RegExp(path).test(file)))).toEqual([]);
});

describe('ARCHITECTURE.md', () => {
  test.each(DOORS.map(({ name, why }) => ({ name, why })))('tells of the door: $name', ({ name, why }) => {
    const text = readFileSync(repositoryFile('ARCHITECTURE.md'), 'utf8').replaceAll(/\s+/g, ' ');
    expect(text).toContain(`| ${name} |`);
    expect(text).toContain(why);
  });
});
