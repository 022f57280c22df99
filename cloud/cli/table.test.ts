import fc from 'fast-check';
import { expect, test } from 'vitest';
import { age, table, WIDTH_MAX } from './table.ts';

test('columns are as wide as they need to be', () => {
  const rows = [
    ['gw1', 'connected'],
    ['gateway-2', 'offline'],
  ];
  expect(table(['DEVICE', 'STATE'], rows)).toBe('DEVICE     STATE\ngw1        connected\ngateway-2  offline\n');
});

test('a long text is cut before an id is', () => {
  const [, row] = table(['STATE', 'SUMMARY', 'ID'], [['firing', 'x'.repeat(200), 'y'.repeat(30)]], [1]).split('\n');
  expect(row).toHaveLength(WIDTH_MAX);
  expect(row).toMatch(/^firing {2}x+… {2}y{30}$/);
});

test('a table fits the terminal whatever is in it, one line for each row', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ maxLength: 300 }), fc.string({ maxLength: 300 }), fc.string())),
      (rows) => {
        const lines = table(['A', 'B', 'C'], rows).slice(0, -1).split('\n');
        expect(lines).toHaveLength(rows.length + 1);
        for (const line of lines) expect(line.length).toBeLessThanOrEqual(WIDTH_MAX);
      },
    ),
  );
});

test('where nothing may be cut nothing is', () => {
  const path = `/groups/${'x'.repeat(200)}/abort`;
  expect(table(['BY', 'WHAT'], [['anna', path]], undefined, Number.POSITIVE_INFINITY)).toContain(path);
});

test('what a device sends cannot move the cursor', () => {
  const rows = [['\u001b[2Jgone\r\n\u009b31m']];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  expect(table(['X'], rows).replaceAll('\n', '')).not.toMatch(/[\u0000-\u001f\u0080-\u009f]/);
});

test.each([
  [0, '0 s ago'],
  [59_000, '59 s ago'],
  [61_000, '1 min ago'],
  [7_200_000, '2 h ago'],
  [200_000_000, '2 d ago'],
  [-5000, '5 s ahead'],
  [-200_000_000, '2 d ahead'],
])('%i ms are told as %s: a time ahead is not taken for now', (ms, text) => {
  expect(age(1_000_000_000, 1_000_000_000 + ms)).toBe(text);
});
