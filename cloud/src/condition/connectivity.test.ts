import { describe, expect, test } from 'vitest';
import { type Absence, type Decision, decide, type Outage, type Watched } from './connectivity.ts';

const MINUTE = 60_000;
const LIMITS = { devicesMin: 5, withinMs: 2 * MINUTE };
const away = (device: string, since: number, over: Partial<Absence> = {}): Absence => ({
  ...{ device, since, state: 'silent', groups: ['ovens'], afterMs: 5 * MINUTE },
  ...over,
});
const many = (count: number, since: number, over: Partial<Absence> = {}) =>
  Array.from({ length: count }, (_, n) => away(`${over.groups?.[0] ?? 'gw'}${n}`, since + n * 1_000, over));

function words(decision: Decision): string {
  if (decision.do === 'open') return `open ${decision.absence.device}`;
  if (decision.do === 'close') return `close ${decision.device}`;
  if (decision.do === 'open-outage') return `outage ${decision.group ?? 'of all'} ${decision.absences.length}`;
  if (decision.do === 'wait') return 'wait';
  return `end ${decision.outage.group ?? 'of all'}, left: ${decision.left.map(({ device }) => device).join()}`;
}
const check = (watched: Partial<Watched>, now: number, expected: string[]) =>
  expect(
    decide({ absences: [], alone: new Set(), outages: [], fewSince: new Map(), ...watched }, LIMITS, now).map(words),
  ).toEqual(expected);

describe('a device that is away', () => {
  test('is told when it has been away for as long as it may, not before, and once', () => {
    const absences = [away('gw1', 0)];
    check({ absences }, 5 * MINUTE - 1, []);
    check({ absences }, 5 * MINUTE, ['open gw1']);
    check({ absences, alone: new Set(['gw1']) }, 9 * MINUTE, []);
    check({ alone: new Set(['gw1']) }, 9 * MINUTE, ['close gw1']);
  });

  test('is not told where nobody is to be told, and an alert that is open ends when that is set', () => {
    const absences = [away('gw1', 0, { afterMs: null })];
    check({ absences }, 60 * MINUTE, []);
    check({ absences, alone: new Set(['gw1']) }, 60 * MINUTE, ['close gw1']);
  });

  test('has the time of its own group', () => {
    const absences = [away('gw1', 0, { afterMs: MINUTE }), away('gw2', 0, { afterMs: 60 * MINUTE })];
    check({ absences }, 2 * MINUTE, ['open gw1']);
  });
});

describe('many that go away together are one alert, not a storm', () => {
  const outage: Outage = { id: 'o', group: 'ovens', startedAt: 0, count: 12 };

  test('of a group: as soon as the first of them is due', () => {
    check({ absences: many(12, 0) }, 5 * MINUTE, ['outage ovens 12']);
    check({ absences: many(12, 0), outages: [outage] }, 6 * MINUTE, []);
  });

  test('a few are told one by one, and so are those that went at other times', () => {
    check({ absences: many(4, 0) }, 6 * MINUTE, ['open gw0', 'open gw1', 'open gw2', 'open gw3']);
    const one = away('other', -60 * MINUTE);
    check({ absences: [one, ...many(12, 0)] }, 5 * MINUTE, ['open other', 'outage ovens 12']);
  });

  test('of the fleet, where they are of many groups: the line of the hub, or the hub itself', () => {
    const absences = ['a', 'b', 'c', 'd'].flatMap((group) => many(6, 0, { groups: [group] }));
    check({ absences }, 5 * MINUTE, ['outage of all 24']);
  });

  test('one stranger beside a group is told alone', () => {
    const stranger = away('lone', 500, { groups: ['lab'] });
    check({ absences: [...many(12, 0), stranger] }, 6 * MINUTE, ['outage ovens 12', 'open lone']);
  });

  test('one that goes later, while the outage lasts, is part of it', () => {
    check({ absences: [...many(12, 0), away('late', 10 * MINUTE)], outages: [outage] }, 20 * MINUTE, []);
  });

  test('it ends when all are back, or when few have been left for a while: these are told alone', () => {
    const fewSince = new Map([['o', 4 * MINUTE]]);
    check({ absences: many(5, 0), outages: [outage], fewSince }, 6 * MINUTE, []);
    check({ absences: many(2, 0), outages: [outage] }, 6 * MINUTE, ['wait']);
    const ended = ['end ovens, left: gw0,gw1', 'open gw0', 'open gw1'];
    check({ absences: many(2, 0), outages: [outage], fewSince }, 6 * MINUTE, ended);
    check({ outages: [outage] }, 6 * MINUTE, ['end ovens, left: ']);
  });

  test('devices whose alert is open already do not keep an outage open', () => {
    const alone = new Set(['gw0', 'gw1']);
    check({ absences: many(2, 0), alone, outages: [outage] }, 60 * MINUTE, ['end ovens, left: ']);
  });
});

test('ten thousand that go at once are decided in one go', () => {
  const groups = (n: number) => [`g${n % 100}`, 'all'];
  const absences = Array.from({ length: 10_000 }, (_, n) => away(`gw${n}`, n % 1_000, { groups: groups(n) }));
  check({ absences }, 6 * MINUTE, ['outage all 10000']);
});
