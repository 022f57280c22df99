import { expect, test } from 'vitest';
import { limitOf, parseWaves } from './waves.ts';
import { isWithin, opensAt, parseWindow } from './window.ts';

test.each([
  ['1,10%,50%,100%', 100, [1, 10, 50, Number.POSITIVE_INFINITY]],
  ['1,10%,50%,100%', 3, [1, 1, 2, Number.POSITIVE_INFINITY]],
  ['5,10%,100%', 20, [5, 5, Number.POSITIVE_INFINITY]],
  ['7%,100%', 100, [7, Number.POSITIVE_INFINITY]],
  ['0.5%,100%', 1, [1, Number.POSITIVE_INFINITY]],
])('%s of %i devices', (text, members, limits) => {
  const waves = parseWaves(text);
  expect(waves.map((_, wave) => limitOf(waves, wave, members))).toEqual(limits);
});

test.each([
  ['1,50%', 'the last wave must reach all devices, and is 50%'],
  ['50%,10%,100%', 'waves must rise: 10% comes after 50%'],
  ['2,2,100%', 'waves must rise: 2 comes after 2'],
  ['0,100%', 'neither a number of devices nor a share'],
  ['many', 'neither a number of devices nor a share'],
  ['120%', 'more than all devices'],
  ['1.5,100%', 'there are no 1.5 devices'],
])('%s is refused: %s', (text, message) => {
  expect(() => parseWaves(text)).toThrow(message);
});

const at = (text: string) => Date.parse(text);

test.each([
  // A Monday in winter; Oslo is an hour ahead of UTC.
  ['Mon-Fri 02:00-04:00', 'Europe/Oslo', '2026-11-30T01:00:00Z', true],
  ['Mon-Fri 02:00-04:00', 'Europe/Oslo', '2026-11-30T03:00:00Z', false],
  ['Mon-Fri 02:00-04:00', 'UTC', '2026-11-29T02:30:00Z', false],
  ['Sat,Sun 22:00-06:00', 'UTC', '2026-11-29T23:00:00Z', true],
  ['Sat,Sun 22:00-06:00', 'UTC', '2026-11-30T05:59:00Z', true],
  ['Sat,Sun 22:00-06:00', 'UTC', '2026-11-28T05:00:00Z', false],
  ['02:00-04:00', 'Asia/Kolkata', '2026-11-28T21:00:00Z', true],
])('%s in %s at %s is %s', (text, zone, time, expected) => {
  expect(isWithin(parseWindow(text), at(time), zone)).toBe(expected);
});

test.each([
  ['Mon-Fri 02:00-04:00', 'UTC', '2026-11-28T09:00:00Z', '2026-11-30T02:00:00.000Z'],
  ['02:00-04:00', 'America/New_York', '2026-11-28T09:30:30Z', '2026-11-29T07:00:00.000Z'],
  // Clocks in Oslo are set from two to three o'clock that night.
  ['02:00-04:00', 'Europe/Oslo', '2027-03-28T00:30:00Z', '2027-03-28T01:00:00.000Z'],
])('%s in %s, asked at %s, opens at %s', (text, zone, time, opens) => {
  expect(new Date(opensAt(parseWindow(text), at(time), zone)).toISOString()).toBe(opens);
});

test.each(['nights', 'Mon-Fri', 'Foo 02:00-04:00', '25:00-26:00', '02:00-02:00'])(
  'the window %s is refused',
  (text) => {
    expect(() => parseWindow(text)).toThrow(/window/);
  },
);
