import type { Adaptive, Json } from '@weir/protocols';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AdaptiveJudgement, type AdaptiveSeries, createAdaptive } from './adaptive.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** A Monday. */
const START = Date.parse('2026-01-05T00:00:00Z');

function plan(given: Partial<Adaptive> = {}): Adaptive {
  return { direction: 'both', sensitivity: 'medium', learnMs: 3 * DAY_MS, seasons: ['day', 'week'], ...given };
}

/** Noise without chance: as even as a test needs it, and the same every time. */
function noise(at: number): number {
  const hash = Math.imul(Math.floor(at / MINUTE_MS) ^ 0x5bd1e995, 0x01000193);
  const unit = (each: number) => ((Math.imul(hash ^ (hash >>> 13), each) >>> 0) + 0.5) / 2 ** 32;
  return Math.sqrt(-2 * Math.log(unit(0x85ebca6b))) * Math.cos(2 * Math.PI * unit(0xc2b2ae35));
}

const daily = (at: number) => 20 + 5 * Math.sin((2 * Math.PI * at) / DAY_MS) + 0.5 * noise(at);

/** Judgements from one day to another, a reading each five minutes. */
function feed(
  series: AdaptiveSeries,
  from: number,
  to: number,
  value: (at: number) => number = daily,
  everyMs = 5 * MINUTE_MS,
): (AdaptiveJudgement & { at: number })[] {
  const found: (AdaptiveJudgement & { at: number })[] = [];
  for (let at = START + from * DAY_MS; at < START + to * DAY_MS; at += everyMs) {
    series.take(at, value(at));
    found.push({ at, ...series.judgement });
  }
  return found;
}

const firing = (found: AdaptiveJudgement[]) => found.filter(({ verdict }) => verdict === true).length;

describe('learning', () => {
  test.each([1, 3, 5])('nothing is judged before %i days and two whole ones after the first are over', (days) => {
    const found = feed(createAdaptive(plan({ learnMs: days * DAY_MS })), 0, 10, () => 1e6 * noise(START));
    const first = found.find(({ verdict }) => verdict !== undefined)!.at;
    expect((first - START) / DAY_MS).toBeCloseTo(Math.max(days, 3), 1);
  });

  test('an outage is no time of learning', () => {
    const series = createAdaptive(plan({ learnMs: 5 * DAY_MS }));
    feed(series, 0, 2);
    const found = feed(series, 12, 20);
    const first = found.find(({ verdict }) => verdict !== undefined)!.at;
    expect((first - START) / DAY_MS).toBeGreaterThan(14.9);
  });

  test('without seasons it may be minutes', () => {
    const series = createAdaptive(plan({ learnMs: 30 * MINUTE_MS, seasons: [] }));
    const found = feed(series, 0, 0.1, (at) => 50 + noise(at * 60), 1_000);
    const first = found.find(({ verdict }) => verdict !== undefined)!.at;
    expect((first - START) / MINUTE_MS).toBeGreaterThanOrEqual(30);
    expect((first - START) / MINUTE_MS).toBeLessThan(45);
    expect(firing(found)).toBe(0);
    expect(firing(feed(series, 0.1, 0.101, () => 90, 1_000))).toBeGreaterThan(50);
  });
});

describe('what is well', () => {
  test.each([
    ['a daily course', daily],
    ['a constant', () => 42],
    ['zero', () => 0],
    ['whole numbers', (at: number) => Math.round(daily(at))],
    ['spikes that come every day', (at: number) => daily(at) + (at % DAY_MS < 20 * MINUTE_MS ? 40 : 0)],
    ['a machine that runs by day', (at: number) => (at % DAY_MS > DAY_MS / 3 ? 80 : 20) + noise(at)],
    ['one that runs every second hour', (at: number) => (at % (2 * HOUR_MS) > HOUR_MS ? 80 : 20) + noise(at)],
    ['a slope', (at: number) => (at - START) / DAY_MS + noise(at)],
    ['very large numbers', (at: number) => 1e15 + 1e12 * noise(at)],
  ])('is never flagged: %s', (_name, value) => {
    const found = feed(createAdaptive(plan()), 0, 28, value);
    expect(firing(found)).toBe(0);
    expect(found.filter(({ verdict }) => verdict === false).length).toBeGreaterThan(24 * 288);
  });

  test.each([
    ['stands still', (isWeekend: boolean, at: number) => (at % DAY_MS > DAY_MS / 3 && !isWeekend ? 80 : 20)],
    [
      'runs less',
      (isWeekend: boolean, at: number) => 50 + (isWeekend ? 10 : 30) * Math.sin((2 * Math.PI * at) / DAY_MS),
    ],
  ])('weekends, the first of them too, on which it %s', (_name, value) => {
    const isWeekend = (at: number) => new Date(at + 5 * HOUR_MS).getUTCDay() % 6 === 0;
    const found = feed(createAdaptive(plan()), 0, 70, (at) => value(isWeekend(at), at) + noise(at));
    expect(firing(found)).toBe(0);
  });

  test('a day that begins and ends at another minute than that before', () => {
    const late = (at: number) => 20 * MINUTE_MS * (Math.abs(noise(Math.floor(at / DAY_MS) * DAY_MS)) % 1);
    const value = (at: number) => ((at - late(at)) % DAY_MS > DAY_MS / 3 ? 80 : 20) + noise(at);
    expect(firing(feed(createAdaptive(plan()), 0, 28, value))).toBe(0);
  });
});

/** On or off for hours, as it comes. */
function switched(at: number): number {
  const part = Math.floor(at / (3 * HOUR_MS)) * 3 * HOUR_MS;
  return (noise(part) > 0 ? 80 : 20) + noise(at);
}

describe('a machine that is on or off as it comes', () => {
  const after = (value: (at: number) => number) => {
    const series = createAdaptive(plan());
    expect(firing(feed(series, 0, 15, switched))).toBe(0);
    return firing(feed(series, 15, 15.5, value));
  };

  test('is well, and seen when it is in between, beyond, or takes more than it does', () => {
    expect(after(switched)).toBe(0);
    expect(after(() => 50)).toBeGreaterThan(100);
    expect(after((at) => 50 + noise(at))).toBeGreaterThan(100);
    expect(after((at) => switched(at) + 25)).toBeGreaterThan(30);
    expect(after(() => 0)).toBeGreaterThan(100);
  });

  test('what was odd is said by the nearest that was known', () => {
    const series = createAdaptive(plan());
    feed(series, 0, 15, switched);
    const found = feed(series, 15, 15.1, (at) => 105 + noise(at)).find(({ verdict }) => verdict === true)!;
    expect(found.level!).toBeGreaterThan(83);
    expect(found.level!).toBeLessThan(95);
  });
});

describe('what is not', () => {
  const after = (value: (at: number) => number, given: Partial<Adaptive> = {}, learn = daily) => {
    const series = createAdaptive(plan(given));
    feed(series, 0, 15, learn);
    return feed(series, 15, 15.5, value);
  };

  test.each<[string, (at: number) => number, string]>([
    ['a step up', (at) => daily(at) + 8, 'off'],
    ['a step down', (at) => daily(at) - 8, 'off'],
    ['a night that does not end', () => 15, 'off'],
    ['noise', (at) => daily(at) + 6 * noise(at + 7 * MINUTE_MS), 'off'],
    ['a value that stands still', () => daily(START), 'stuck'],
  ])('is flagged: %s', (_name, value) => {
    expect(firing(after(value))).toBeGreaterThan(30);
  });

  test('a constant that changes', () => {
    expect(
      firing(
        after(
          () => 43,
          {},
          () => 42,
        ),
      ),
    ).toBeGreaterThan(30);
  });

  test('one odd reading is not, but by far', () => {
    const at = START + 15.2 * DAY_MS;
    const once = (by: number) => (each: number) => daily(each) + (Math.abs(each - at) < 3 * MINUTE_MS ? by : 0);
    expect(firing(after(once(3)))).toBe(0);
    expect(firing(after(once(30)))).toBeGreaterThan(0);
  });

  test('says the bound that was crossed, by how much, and between what it had been expected', () => {
    const found = after((at) => daily(at) + 8).find(({ verdict }) => verdict === true)!;
    expect(found.reason).toBe('off');
    expect(found.value!).toBeGreaterThan(found.level!);
    expect(found.badness!).toBeGreaterThan(1);
    expect(found.band!.lower).toBeLessThan(daily(found.at));
    expect(found.band!.upper).toBeGreaterThan(daily(found.at));
    expect(found.band!.upper).toBeLessThan(daily(found.at) + 8);
  });

  test('a rule for what is above sees no drop and no standstill', () => {
    expect(firing(after((at) => daily(at) - 8, { direction: 'above' }))).toBe(0);
    expect(firing(after(() => daily(START), { direction: 'above' }))).toBe(0);
    expect(firing(after((at) => daily(at) + 8, { direction: 'above' }))).toBeGreaterThan(100);
    expect(firing(after((at) => daily(at) - 8, { direction: 'below' }))).toBeGreaterThan(100);
  });

  test('the higher the sensitivity, the narrower the band', () => {
    const width = (sensitivity: Adaptive['sensitivity']) => {
      const { band } = after(daily, { sensitivity }).at(-1)!;
      return band!.upper - band!.lower;
    };
    expect(width('low')).toBeGreaterThan(width('medium'));
    expect(width('medium')).toBeGreaterThan(width('high'));
  });
});

describe('an anomaly', () => {
  test('does not pull along what it is compared with', () => {
    const series = createAdaptive(plan());
    const before = feed(series, 0, 15).at(-1)!.band!;
    feed(series, 15, 17, (at) => daily(at) + 8);
    const back = feed(series, 17, 20);
    expect(firing(back.filter(({ at }) => at > START + 17.35 * DAY_MS))).toBe(0);
    const after = back.find(({ at }) => at === START + 18 * DAY_MS - 5 * MINUTE_MS)!.band!;
    expect(Math.abs(after.lower - before.lower)).toBeLessThan(1);
    expect(Math.abs(after.upper - before.upper)).toBeLessThan(1);
  });

  test.each([
    ['zero', (_at: number) => 0],
    ['noise', (at: number) => 50 + 20 * noise(at)],
    ['a slope', (at: number) => 20 + (5 * ((at - START) % DAY_MS)) / HOUR_MS],
  ])(
    'of a machine without any noise leaves no false alarms behind, though it shows finer steps than were known: %s',
    (_name, fault) => {
      const series = createAdaptive(plan());
      const byDay = (at: number) => (at % DAY_MS >= DAY_MS / 3 && at % DAY_MS < 0.75 * DAY_MS ? 80 : 20);
      expect(firing(feed(series, 0, 12.1, byDay))).toBe(0);
      expect(firing(feed(series, 12.1, 12.35, fault))).toBeGreaterThan(20);
      const after = feed(series, 12.35, 28, byDay).filter(({ at }) => at > START + 12.5 * DAY_MS);
      expect(firing(after)).toBe(0);
    },
  );

  test('that lasts for three days is the new normal', () => {
    const series = createAdaptive(plan());
    feed(series, 0, 15);
    const found = feed(series, 15, 25, (at) => daily(at) + 8);
    const last = found.findLast(({ verdict }) => verdict === true)!;
    expect((last.at - START) / DAY_MS).toBeCloseTo(18, 1);
    expect(found.every(({ verdict }) => verdict !== undefined)).toBe(true);
    // What is odd is odd by the new one.
    expect(firing(feed(series, 25, 25.5))).toBeGreaterThan(100);
  });
});

describe('outages', () => {
  test('are no anomaly, and nothing is judged until it has settled', () => {
    const series = createAdaptive(plan());
    feed(series, 0, 15);
    const found = feed(series, 15.4, 16);
    expect(firing(found)).toBe(0);
    expect(found.slice(0, 12).every(({ verdict }) => verdict === undefined)).toBe(true);
    expect(found.at(-1)!.verdict).toBe(false);
  });

  test('of two weeks leave what was known', () => {
    const series = createAdaptive(plan());
    feed(series, 0, 15);
    const found = feed(series, 29, 31);
    expect(firing(found)).toBe(0);
    expect(found.at(-1)!.verdict).toBe(false);
    expect(firing(feed(series, 31, 31.2, (at) => daily(at) + 12))).toBeGreaterThan(30);
  });

  test('are no standstill: what it was before it may well be afterwards', () => {
    const series = createAdaptive(plan());
    const byDay = (at: number) => (at % DAY_MS > 0.7 * DAY_MS ? 80 : 20);
    feed(series, 0, 14.1, byDay);
    expect(firing(feed(series, 16.1, 24, byDay))).toBe(0);
  });

  test('a reading that is not later than the last changes nothing', () => {
    const series = createAdaptive(plan());
    feed(series, 0, 5);
    const before = series.state;
    expect(series.take(START + 4 * DAY_MS, 1e9)).toBe(false);
    expect(series.state).toEqual(before);
  });
});

test.each([
  ['hour', HOUR_MS],
  ['two hours', 2 * HOUR_MS],
  ['day', DAY_MS],
])('readings once in each %s are judged after a while, and a step is seen', (_name, everyMs) => {
  const value = (at: number) => 20 + noise(at);
  const days = everyMs === DAY_MS ? 120 : 30;
  const series = createAdaptive(plan({ sensitivity: 'low' }));
  const found = feed(series, 0, days, value, everyMs);
  expect(firing(found)).toBe(0);
  expect(found.at(-1)!.verdict).toBe(false);
  expect(firing(feed(series, days, days + (4 * everyMs) / DAY_MS, (at) => value(at) + 20, everyMs))).toBeGreaterThan(1);
});

test('the interval may change', () => {
  const series = createAdaptive(plan({ sensitivity: 'low' }));
  feed(series, 0, 10);
  const found = [...feed(series, 10, 10.5, daily, 30_000), ...feed(series, 10.5, 13, daily, 20 * MINUTE_MS)];
  expect(firing(found)).toBe(0);
});

test('stopped anywhere and begun again with its state it says the same, to the bit, and stays of one size', () => {
  const value = fc.oneof(fc.double({ min: -1e3, max: 1e3, noNaN: true }), fc.integer({ min: 0, max: 3 }));
  const step = fc.record({ minutes: fc.integer({ min: 1, max: 400 }), value });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), fc.integer({ min: 1, max: 50 }), (steps, cut) => {
      const whole = createAdaptive(plan({ learnMs: DAY_MS }));
      let cutUp = createAdaptive(plan({ learnMs: DAY_MS }));
      feed(whole, 0, 5);
      feed(cutUp, 0, 5);
      let at = START + 5 * DAY_MS;
      for (const [index, each] of steps.entries()) {
        at += each.minutes * MINUTE_MS;
        if (index % cut === 0) {
          cutUp = createAdaptive(plan({ learnMs: DAY_MS }), JSON.parse(JSON.stringify(cutUp.state)) as Json);
          expect(cutUp.judgement).toEqual(whole.judgement);
        }
        expect(cutUp.take(at, each.value)).toBe(whole.take(at, each.value));
        expect(cutUp.judgement).toEqual(whole.judgement);
      }
      expect(cutUp.state).toEqual(whole.state);
      expect(JSON.stringify(whole.state).length).toBeLessThan(9_216);
    }),
    { numRuns: 20 },
  );
});

test('a state that is none is as if there were none', () => {
  for (const state of [null, 7, {}, { slots: 48, slotMs: 1.8e6, scalars: [], greatest: [], floats: '' }] as Json[]) {
    expect(createAdaptive(plan(), state).take(START, 1)).toBeUndefined();
  }
});

test('a series that follows the week goes on to the bit, before it is known that it does and after', () => {
  const value = (at: number) => (new Date(at).getUTCDay() % 6 === 0 ? 20 : daily(at) * 3);
  const whole = createAdaptive(plan());
  let cutUp = createAdaptive(plan());
  for (let at = START; at < START + 24 * DAY_MS; at += 20 * MINUTE_MS) {
    if (at % (5 * HOUR_MS) === 0) cutUp = createAdaptive(plan(), JSON.parse(JSON.stringify(cutUp.state)) as Json);
    expect(cutUp.take(at, value(at))).toBe(whole.take(at, value(at)));
  }
  expect(cutUp.judgement).toEqual(whole.judgement);
  expect(cutUp.state).toEqual(whole.state);
});

test('a state of an older form is learned again, and says so until it judges', () => {
  const older = {
    slots: 48,
    slotMs: 1.8e6,
    scalars: new Array(50).fill(1),
    greatest: new Array(10).fill(0),
    floats: '',
  };
  const found = feed(createAdaptive(plan(), older), 0, 5);
  expect(found[0]).toMatchObject({ verdict: undefined, problem: expect.stringContaining('learns again') });
  expect(found.findLast(({ problem }) => problem !== undefined)!.verdict).toBeUndefined();
  expect(found.at(-1)).toMatchObject({ verdict: false });
  expect(feed(createAdaptive(plan()), 0, 5).every(({ problem }) => problem === undefined)).toBe(true);
});

test('a clock that is set moves neither the day nor what was learned', () => {
  const series = createAdaptive(plan());
  const [year, shift] = [365 * DAY_MS, 57 * 365 * DAY_MS + 5 * HOUR_MS];
  for (let at = START; at < START + 10 * DAY_MS; at += 5 * MINUTE_MS) series.take(at - year, daily(at));
  series.moveTime({ from: 0, shift, now: START + 10 * DAY_MS - year + shift });
  let fired = 0;
  for (let at = START + 10 * DAY_MS; at < START + 12 * DAY_MS; at += 5 * MINUTE_MS) {
    if (series.take(at - year + shift, daily(at)) !== false) fired++;
  }
  expect(fired).toBe(0);
});
