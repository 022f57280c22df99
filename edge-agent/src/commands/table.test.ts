import type { CommandMessage, Report } from '@weir/protocols';
import type { DeviceCommand } from '@weir/runtime';
import { expect, test } from 'vitest';
import { sentBatch } from '../outbox/sent.fixture.ts';
import { openInMemory, stepOf } from '../spool/spool.fixture.ts';
import type { EndedCommand } from './table.ts';

const NOW = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const START = { alert: 0, live: 0, report: 0, backfill: 0 };
const ROOM = { total: 9, others: 9, readings: 9, report: 9, backfill: 9 };

type Ops = ReturnType<typeof openInMemory>;

const open = (id: string): CommandMessage => ({ id, name: 'open', payload: null, expiresIn: HOUR_MS });
const local = (id: string): DeviceCommand => ({ id, device: 'gw1', name: 'close', payload: 1 });
const end = (id: string, origin: EndedCommand['origin'] = 'hub'): EndedCommand => ({ origin, id, outcome: 'done' });

function reportsOf(ops: Ops): Report[] {
  return ops.nextBatches(START, ROOM, NOW).flatMap(({ payload }) => {
    const batch = sentBatch(payload);
    return batch.kind === 'reports' ? batch.reports : [];
  });
}

const told = (ops: Ops) => reportsOf(ops).map((report) => report.type === 'command-done' && report.id);

test('a command of the hub is kept until it has ended; one that comes again is answered again, and not kept', () => {
  const ops = openInMemory();
  expect(ops.takeCommand(open('c1'), NOW)).toBe('taken');
  expect(ops.takeCommand(open('c1'), NOW)).toBe('known');
  const { expiresIn: _, ...command } = open('c1');
  expect(ops.state().commands).toEqual([{ origin: 'hub', command, expiresAt: NOW + HOUR_MS }]);
  ops.endCommand({ origin: 'hub', id: 'c1', outcome: 'failed', detail: 'x'.repeat(600) }, [], NOW + 1);
  expect(ops.state().commands).toEqual([]);
  expect(ops.takeCommand(open('c1'), NOW + 2)).toBe('ended');
  const failed = { type: 'command-done', id: 'c1', outcome: 'failed', detail: 'x'.repeat(500) };
  expect(reportsOf(ops)).toEqual([
    { ...failed, ts: NOW + 1 },
    { ...failed, ts: NOW + 2 },
  ]);
});

test('a command that was sent behind another is kept when that one is, or has ended, and not before', () => {
  const ops = openInMemory();
  const behind: CommandMessage = { ...open('c2'), after: 'c1' };
  ops.commitStep(stepOf(1, { commands: [local('c1')] }));
  expect(ops.takeCommand(behind, NOW), 'behind one of a function here, by its name').toBe('early');
  ops.takeCommand(open('c1'), NOW);
  expect(ops.takeCommand(behind, NOW)).toBe('taken');
  ops.endCommand(end('c1'), [], NOW);
  ops.endCommand(end('c2'), [], NOW);
  expect(ops.takeCommand({ ...open('c3'), after: 'c2' }, NOW)).toBe('taken');
  expect(ops.takeCommand({ ...behind, after: 'c9' }, NOW), 'what has ended is answered, behind whatever').toBe('ended');
  expect(ops.takeCommand({ ...open('c3'), after: 'c9' }, NOW)).toBe('known');
  expect(ops.state().commands.at(-1)?.command).not.toHaveProperty('after');
});

test('the end of a command and what it brought about are kept together, or not at all', () => {
  const ops = openInMemory();
  ops.takeCommand(open('c1'), NOW);
  const step = { states: [{ fold: 'f', json: '1' }], settled: { command: end('c1') } };
  expect(() => ops.commitStep(stepOf(7, step))).toThrow('does not follow');
  expect(ops.state()).toMatchObject({ commands: [{}], states: new Map() });
  expect(told(ops)).toEqual([]);
  ops.commitStep(stepOf(1, step));
  expect(ops.state()).toMatchObject({ commands: [], states: new Map([['f', '1']]) });
  expect(told(ops)).toEqual(['c1']);
});

test('a command that has ended does not end again', () => {
  const ops = openInMemory();
  ops.takeCommand(open('c1'), NOW);
  ops.endCommand(end('c1'), [], NOW);
  ops.endCommand(end('c1'), [], NOW);
  expect(told(ops)).toEqual(['c1']);
});

test('a command of a function here is kept with its step, and nobody is told of its end', () => {
  const ops = openInMemory();
  const { commands } = ops.commitStep(stepOf(1, { commands: [local('f:1:0'), local('f:1:1')] }));
  expect(commands.map(({ command }) => command)).toEqual([local('f:1:0'), local('f:1:1')]);
  expect(ops.state().commands).toEqual(commands);
  ops.commitStep(stepOf(2, { settled: { command: end('f:1:0', 'local') } }));
  expect(ops.state().commands.map(({ command }) => command.id)).toEqual(['f:1:1']);
  expect(told(ops)).toEqual([]);
});

test('a function in the cloud and one here may give their commands the same id', () => {
  const ops = openInMemory();
  ops.commitStep(stepOf(1, { commands: [local('f:1:0')] }));
  expect(ops.takeCommand(open('f:1:0'), NOW)).toBe('taken');
  ops.endCommand(end('f:1:0', 'local'), [], NOW);
  expect(ops.state().commands).toMatchObject([{ origin: 'hub' }]);
});

test('so many may wait: those of the hub come again, those of functions are dropped and counted', () => {
  const ops = openInMemory({ commandsMax: 3 });
  ops.takeCommand(open('c1'), NOW);
  const { commands } = ops.commitStep(stepOf(1, { commands: [0, 1, 2, 3].map((n) => local(`f:1:${n}`)) }));
  expect(commands.map(({ command }) => command.id)).toEqual(['f:1:0', 'f:1:1']);
  expect(ops.takeCommand(open('c2'), NOW)).toBe('full');
  expect(ops.counts()).toMatchObject({ commandsWaiting: 3, commandsDropped: 2 });
});

test('of those that have ended a thousand are remembered', () => {
  const ops = openInMemory();
  for (let n = 0; n < 1_001; n++) {
    ops.takeCommand(open(`c${n}`), NOW);
    ops.endCommand(end(`c${n}`), [], NOW);
  }
  expect(ops.takeCommand(open('c1'), NOW)).toBe('ended');
  expect(ops.takeCommand(open('c0'), NOW)).toBe('taken');
});
