import { columnsOf } from '@weir/protocols';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { HOSTILE_PROGRAMS } from './hostile.ts';
import { Neighbour, shownOutcome } from './neighbour.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

const RSS_BYTES_MAX = 200 * 1024 * 1024;
const STEPS = 3;

let sandbox: Sandbox;
let neighbours: Neighbour[];
beforeAll(async () => {
  sandbox = createSandbox({ rssBytesMax: RSS_BYTES_MAX });
  await sandbox.start();
  neighbours = ['a', 'b'].map((name) => new Neighbour(sandbox, name));
});
afterAll(() => sandbox.stop());

const columns = columnsOf([1, 2].map((value) => ({ sensor: 's', metric: 'm', value, ts: 5_000 + value })));

describe('a hostile program ends in a known way; its neighbours lose nothing and count nothing twice', () => {
  test.each(HOSTILE_PROGRAMS)('$name', async ({ name, code, expected }) => {
    // What may not run out of time gets plenty: on a busy machine anything can look like a loop.
    const timeoutMs = expected.test('timed-out') ? 100 : 3_000;
    const unit = { key: name, code, config: '{}', timeoutMs, memoryMb: 32 };
    const attack = async () => {
      const kinds: string[] = [];
      for (let revision = 0; revision < STEPS; revision++) {
        const request = { instance: 'd', revision, states: [], device: 'd', seed: 7, receivedAt: 0, columns };
        kinds.push(shownOutcome(await sandbox.step(unit, request)));
        if (kinds.at(-1) !== 'returned' && kinds.at(-1) !== 'failed') break;
      }
      return kinds;
    };
    const [kinds] = await Promise.all([attack(), ...neighbours.map((each) => each.count(4))]);
    for (const kind of kinds) expect(kind).toMatch(expected);
    await Promise.all(neighbours.map((each) => each.count(1)));
    sandbox.drop(unit.key);
  });
});

test('the battery has no two programs of one name', () => {
  expect(new Set(HOSTILE_PROGRAMS.map(({ name }) => name)).size).toBe(HOSTILE_PROGRAMS.length);
});
