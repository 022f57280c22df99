import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
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

test('a door that nobody uses is closed', () => {
  const files = productionFiles().map((path) => ({ path, text: readFileSync(repositoryFile(path), 'utf8') }));
  const unused = DOORS.flatMap(({ name, from, modules }) =>
    from
      .filter((path) => path !== '^test/')
      .filter((path) => {
        const users = files.filter((file) => new RegExp(path).test(file.path));
        return !users.some(({ text }) => modules.some((module) => text.includes(`from '${module}'`)));
      })
      .map((path) => `${name}: ${path}`),
  );
  const unusedClocks = CLOCK_DOORS.filter(
    ({ from }) => !files.some(({ path, text }) => new RegExp(from).test(path) && CLOCK_AND_CHANCE.test(text)),
  );
  expect([...unused, ...unusedClocks]).toEqual([]);
});

/** As a reader sees a path: `runtime/src/{bundle,sandbox}/`. */
function plain(path: string): string {
  const shown = path
    .replace(/^\^/, '')
    .replace('[^/]+', '*')
    .replaceAll('\\', '')
    .replaceAll(/\(([^)]*)\)/g, (_, choices: string) => `{${choices.replaceAll('|', ', ')}}`)
    .replace(/\$$/, '');
  return `\`${shown}\``;
}

test('ARCHITECTURE.md has the tables of the doors as they are', () => {
  const rows = [
    '| door | where | why |',
    '|---|---|---|',
    ...DOORS.map(
      ({ name, from, why }) =>
        `| ${name} | ${from
          .filter((path) => path !== '^test/')
          .map(plain)
          .join(', ')} | ${why} |`,
    ),
    '',
    'Who may read the wall clock, set timers or draw lots; the rest is told the time, so that a simulation can move it:',
    '',
    '| where | why |',
    '|---|---|',
    ...CLOCK_DOORS.map(({ from, why }) => `| ${plain(from)} | ${why} |`),
  ];
  const text = readFileSync(repositoryFile('ARCHITECTURE.md'), 'utf8');
  expect(text.slice(text.indexOf(rows[0]!)).trimEnd()).toBe(rows.join('\n'));
});
