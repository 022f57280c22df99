import { describe, expect, onTestFinished, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import type { MachineState } from './machine.ts';
import { coarse, VitalsWatch } from './vitals.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

function watch() {
  const spool = new HeldSpool();
  const clock = new TestClock();
  const machine: MachineState = {
    disk: { free: 8 * GIB, total: 16 * GIB },
    memory: { agent: 80 * MIB, sandbox: 50 * MIB, free: GIB, total: 4 * GIB },
  };
  const functions = { waiting: 0, passed: 0 };
  const told: number[] = [];
  const vitals = new VitalsWatch({
    ...{ spool, clock, functions: () => functions, drainS: () => 12 },
    machine: async () => structuredClone(machine),
    certificateEnd: () => 1_000,
    onTrouble: () => told.push(clock.now()),
  });
  vitals.start();
  onTestFinished(() => vitals.stop());
  return { spool, clock, machine, functions, told, vitals };
}

test('what the machine has left, and the end of the certificate, are told', async () => {
  const { vitals, machine } = watch();
  expect((await vitals.read()).vitals).toEqual({ ...machine, certificate: { validTo: 1_000 } });
});

describe('an agent that goes on and gets nothing done says so at once', () => {
  test('a database that does not answer: the report goes without it, with the counts of before', async () => {
    const { vitals, spool, clock, told } = watch();
    const before = (await vitals.read()).counts;
    spool.held.add('counts');
    await clock.advance(60_000);
    expect(told).toHaveLength(1);
    const { counts, vitals: now } = await vitals.read();
    expect(now.stuck).toMatchObject({ what: 'database' });
    expect(counts).toEqual(before);
    spool.held.clear();
    spool.release();
    await settled();
    await clock.advance(60_000);
    expect(told).toHaveLength(2);
    expect((await vitals.read()).vitals.stuck).toBeUndefined();
  });

  test('functions that do not pass what waits for them; those that are slow are not stuck', async () => {
    const { vitals, functions, clock, told } = watch();
    functions.waiting = 100;
    for (let n = 0; n < 10; n++) {
      functions.passed += 1;
      await clock.advance(60_000);
    }
    expect(told).toEqual([]);
    await clock.advance(150_000);
    expect((await vitals.read()).vitals.stuck).toMatchObject({ what: 'functions' });
    expect(told).toHaveLength(1);
    functions.waiting = 0;
    await clock.advance(60_000);
    expect((await vitals.read()).vitals.stuck).toBeUndefined();
  });

  test('a disk that gets low', async () => {
    const { machine, clock, told } = watch();
    await clock.advance(60_000);
    machine.disk.free = 100 * MIB;
    await clock.advance(60_000);
    expect(told).toHaveLength(1);
  });
});

describe('what moves a little is not told anew: each report costs on a metered line', () => {
  const told = { disk: { free: 8 * GIB, total: 16 * GIB }, buffer: { bytes: MIB, oldestAt: 0, drainSeconds: 600 } };
  const check = (exact: Parameters<typeof coarse>[0], expected: object, now = 3_600_000) =>
    expect(coarse(exact, told, now)).toEqual(expected);

  test.each([
    ['the disk, by a hundredth', { disk: { ...told.disk, free: 7.9 * GIB } }, { disk: told.disk }],
    ['the disk, by a tenth', { disk: { ...told.disk, free: 6 * GIB } }, { disk: { ...told.disk, free: 6 * GIB } }],
    [
      'a backlog, by a little',
      { buffer: { bytes: 1.1 * MIB, oldestAt: 1_000, drainSeconds: 590 } },
      { buffer: told.buffer },
    ],
    ['what is on its way', { buffer: { bytes: 900, oldestAt: 3_599_000, drainSeconds: 1 } }, {}],
  ] as [string, Parameters<typeof coarse>[0], object][])('%s', (_name, exact, expected) => check(exact, expected));
});
