import { isName, isTimestamp, isValue, type Reading } from '@weir/protocols';
import { describe, expect, test } from 'vitest';
import { fleetReadings, naturalRate, signalsOf } from './fleet.ts';

const startTs = 1_700_000_000_000;

function take(count: number, readings: Iterator<Reading>): Reading[] {
  return Array.from({ length: count }, () => readings.next().value as Reading);
}

function during(ms: number, readings: Iterable<Reading>): Reading[] {
  const taken: Reading[] = [];
  for (const reading of readings) {
    if (reading.ts >= startTs + ms) break;
    taken.push(reading);
  }
  return taken;
}

const values = (readings: Reading[], sensor: string, metric: string) =>
  readings.filter((reading) => reading.sensor === sensor && reading.metric === metric);

test('the same seed gives the same readings, another seed others', () => {
  const of = (seed: number) => take(500, fleetReadings(signalsOf('all'), { seed, startTs }));
  expect(of(7)).toStrictEqual(of(7));
  expect(of(7)).not.toEqual(of(8));
});

test('one plant more does not change the readings of the other', () => {
  const all = during(60_000, fleetReadings(signalsOf('all'), { seed: 1, startTs }));
  const hall = during(60_000, fleetReadings(signalsOf('machine-hall'), { seed: 1, startTs }));
  expect(values(all, 'press1', 'pressure')).toStrictEqual(values(hall, 'press1', 'pressure'));
});

test('a day of both plants: in order of time, sound, in known units, with the sensors that people publish by hand left free', () => {
  const readings = during(86_400_000, fleetReadings(signalsOf('all'), { seed: 3, startTs, rateFactor: 0.05 }));
  expect(readings.length).toBeGreaterThan(10_000);
  let last = 0;
  for (const { sensor, metric, value, ts } of readings) {
    if (ts < last || !isTimestamp(ts) || !isValue(value) || !isName(sensor) || !isName(metric)) {
      throw new Error(`${sensor} ${metric} ${value} at ${ts} after ${last}`);
    }
    last = ts;
  }
  expect([...new Set(readings.map(({ sensor }) => sensor))].sort()).toEqual([
    'coldroom1',
    'coldroom2',
    'motor1',
    'oven2',
    'press1',
  ]);
  expect(new Set(readings.map(({ unit }) => unit))).toEqual(
    new Set(['Cel', '%', 'kW', 'bar', 'mm/s', 'A', '/min', undefined]),
  );
});

test('every sensor keeps its own rate, and --rate scales all alike', () => {
  const signals = signalsOf('machine-hall');
  const natural = during(100_000, fleetReadings(signals, { seed: 1, startTs })).length / 100;
  expect(natural).toBeCloseTo(naturalRate(signals), 0);
  const fast = during(10_000, fleetReadings(signals, { seed: 1, startTs, rateFactor: 10 })).length / 10;
  expect(fast / natural).toBeCloseTo(10, 0);
});

describe('a cold store over a month', () => {
  const month = during(30 * 86_400_000, fleetReadings(signalsOf('cold-store'), { seed: 5, startTs, rateFactor: 0.2 }));

  test('a door left open shows in the contact and in the temperature, which then comes back', () => {
    const open = values(month, 'coldroom1', 'door_open').filter(({ value }) => value === true);
    expect(open.length).toBeGreaterThan(100);
    const temperature = values(month, 'coldroom1', 'temperature').map(({ value }) => value as number);
    expect(Math.max(...temperature)).toBeGreaterThan(8);
    const cold = temperature.filter((value) => value < 6).length;
    expect(cold / temperature.length).toBeGreaterThan(0.8);
    expect(Math.min(...temperature)).toBeGreaterThan(1);
  });

  test('the sensor shows steps of 0.1', () => {
    for (const { value } of values(month, 'coldroom2', 'temperature')) expect(String(value)).toMatch(/^-?\d+(\.\d)?$/);
  });

  test('the radio falls silent now and then', () => {
    const times = values(month, 'coldroom1', 'temperature').map(({ ts }) => ts);
    const silences = times.filter((ts, at) => at > 0 && ts - times[at - 1]! > 4 * 50_000);
    expect(silences.length).toBeGreaterThan(5);
  });
});

test('bearings wear: vibration grows over hours, and is low again after the repair', () => {
  const signals = signalsOf('machine-hall').filter(({ metric }) => metric === 'vibration_rms');
  const year = during(60 * 86_400_000, fleetReadings(signals, { seed: 2, startTs, rateFactor: 1 / 600 }));
  const values = year.map(({ value }) => value as number);
  expect(Math.max(...values)).toBeGreaterThan(6);
  const worst = values.indexOf(Math.max(...values));
  expect(Math.max(...values.slice(worst + 20, worst + 100))).toBeLessThan(5);
});

describe('the oven of the demonstration', () => {
  test.each([1, 2, 3, 4, 5])('seed %i: over 80 within 5 s, under 75 about 8 s later, again every 40 s', (seed) => {
    for (const hour of [3, 9, 15]) {
      const start = startTs - (startTs % 86_400_000) + hour * 3_600_000;
      const signals = signalsOf('machine-hall', { demo: true });
      const oven = values(take(4000, fleetReadings(signals, { seed, startTs: start })), 'oven2', 'temperature').map(
        ({ ts, value }) => ({ at: (ts - start) / 1000, value: value as number }),
      );
      const crossings: number[] = [];
      let above = false;
      for (const { at, value } of oven) {
        if (above ? value < 75 : value > 80) {
          above = !above;
          crossings.push(at);
        }
      }
      const [first, cleared, second] = crossings as [number, number, number];
      expect(first).toBeLessThan(5);
      expect(cleared - first).toBeGreaterThan(6);
      expect(cleared - first).toBeLessThan(10);
      expect(second - first).toBeCloseTo(40, -0.5);
    }
  });
});
