import { expect, test } from 'vitest';
import { ChartBand, chartColumns, drawChart } from './chart.ts';

const T0 = Date.UTC(2026, 0, 12, 8);
const time = (ts: number) => new Date(ts).toISOString().slice(11, 16);

test('a picture is no wider than was asked for, whatever is in it', () => {
  for (const width of [40, 80, 100]) {
    const band = new ChartBand(T0, T0 + 86_400_000, chartColumns(width));
    for (let i = 0; i < 10_000; i++) band.add(T0 + i * 8_640, 1e5 * Math.sin(i / 500));
    const lanes = [
      { name: 'a very long name of a lane', episodes: [{ from: 0, to: undefined, severity: 'warning' as const }] },
    ];
    const lines = drawChart({ band, levels: [-70_000, 123.456], lanes, time });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(width);
  }
});

test('levels, the band of each column, and episodes by their severity', () => {
  const band = new ChartBand(T0, T0 + 600_000, 30);
  for (let i = 0; i <= 60; i++) band.add(T0 + i * 10_000, i > 20 && i < 40 ? 90 + (i % 3) : 60);
  const episodes = [
    { from: T0 + 210_000, to: T0 + 300_000, severity: 'warning' as const },
    { from: T0 + 300_000, to: T0 + 400_000, severity: 'critical' as const },
  ];
  const lanes = [{ name: 'alert', episodes }];
  expect(`\n${drawChart({ band, levels: [80], lanes, time, rows: 4 }).join('\n')}\n`).toMatchInlineSnapshot(`
    "
           92 │          █▀▀▀▀▀▀▀▀▀
           80 ┤┈┈┈┈┈┈┈┈┈┈█┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈┈
              │          █
           60 │▄▄▄▄▄▄▄▄▄▄█         ▄▄▄▄▄▄▄▄▄▄
        alert │          ▒▒▒▒▒█████
               08:00          08:05
    "
  `);
});

test('nothing but lanes of what was no number', () => {
  const band = new ChartBand(T0, T0 + 60_000, 20);
  expect(drawChart({ band, levels: [80], lanes: [{ name: 'alert', episodes: [] }], time })).toHaveLength(2);
});

test('colours only when asked for', () => {
  const band = new ChartBand(T0, T0 + 60_000, 20);
  band.add(T0, 1);
  const lanes = [{ name: 'alert', episodes: [{ from: T0, to: undefined, severity: 'critical' as const }] }];
  const colour = '\u001b[';
  expect(drawChart({ band, levels: [], lanes, time }).join('')).not.toContain(colour);
  expect(drawChart({ band, levels: [], lanes, time, colours: true }).join('')).toContain(colour);
});
