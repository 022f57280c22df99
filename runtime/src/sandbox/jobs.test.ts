import { expect, test } from 'vitest';
import { type Job, Jobs } from './jobs.ts';

let id = 0;

function job(key: string, request: object | undefined = {}): Job {
  const unit = { key, code: '', config: '{}', timeoutMs: 100, memoryMb: 64 };
  const begin = { phase: 'step', inline: false, alone: false, ranMs: 0, expectedUs: 0 } as const;
  return { id: id++, unit, request: request as Job['request'], ...begin };
}

function jobsOf(threads: number, quickUs: Record<string, number> = {}): Jobs<Job> {
  const jobs = new Jobs<Job>(threads);
  for (const [key, cpuUs] of Object.entries(quickUs)) for (let i = 0; i < 8; i++) jobs.pace.note(key, cpuUs);
  return jobs;
}

function addAll(jobs: Jobs<Job>, keys: readonly string[]): Job[] {
  const added = keys.map((key) => job(key));
  for (const each of added) jobs.add(each);
  return added;
}

/** All that the process is told now, as `key` in a thread and `key!` inline. */
function told(jobs: Jobs<Job>): string[] {
  const keys: string[] = [];
  for (let next = jobs.next(); next !== undefined; next = jobs.next()) {
    keys.push(next.inline ? `${next.unit.key}!` : next.unit.key);
  }
  return keys;
}

const times = (count: number, key: string): string[] => Array(count).fill(key);

test('a slow unit takes a thread for each step, and no more than there are', () => {
  const jobs = jobsOf(2);
  const [first] = addAll(jobs, times(3, 'slow'));
  expect(told(jobs)).toEqual(['slow', 'slow']);
  jobs.end(first!);
  expect(told(jobs)).toEqual(['slow']);
});

test('steps of quick units are handed over several at a time, but never more work than holds others up for a moment', () => {
  const jobs = jobsOf(1, { quick: 40 });
  const [first] = addAll(jobs, times(20, 'quick'));
  expect(told(jobs)).toEqual(times(7, 'quick!'));
  jobs.end(first!);
  expect(told(jobs)).toEqual(['quick!']);
});

test('a quick step longer than that moment is handed over alone', () => {
  const jobs = jobsOf(1, { quick: 2_900 });
  addAll(jobs, times(3, 'quick'));
  expect(told(jobs)).toEqual(['quick!']);
});

test('quick units do not wait for threads that are taken', () => {
  const jobs = jobsOf(1, { quick: 40 });
  addAll(jobs, ['slow', 'slow', 'quick']);
  expect(told(jobs).sort()).toEqual(['quick!', 'slow']);
});

test('while a unit has a step in a thread none of it runs inline, where it would wait for the isolate', () => {
  const jobs = jobsOf(3, { other: 40 });
  const [slow] = addAll(jobs, ['unit']);
  expect(told(jobs)).toEqual(['unit']);
  for (let i = 0; i < 8; i++) jobs.pace.note('unit', 40);
  addAll(jobs, ['unit', 'other']);
  expect(told(jobs).sort()).toEqual(['other!', 'unit']);
  for (const each of jobs.inFlight) jobs.end(each);
  expect(slow!.inline).toBe(false);
  addAll(jobs, ['unit']);
  expect(told(jobs)).toEqual(['unit!']);
});

test('a suspect runs with nothing beside it, before all others that are not known', () => {
  const jobs = jobsOf(4, { quick: 40 });
  const [a, b] = addAll(jobs, ['a', 'b', 'quick']);
  expect(told(jobs)).toHaveLength(3);
  jobs.redo(a!, true);
  jobs.redo(b!, true);
  expect(told(jobs), 'while the last of before is in flight').toEqual([]);
  for (const each of jobs.inFlight) jobs.end(each);
  addAll(jobs, ['c']);
  expect(told(jobs)).toEqual(['b']);
  jobs.end(b!);
  expect(told(jobs)).toEqual(['a']);
  jobs.end(a!);
  expect(told(jobs)).toEqual(['c']);
});

test('quick units need not wait until it is known who did it; but a suspect has its turn in the end', () => {
  const jobs = jobsOf(1, { quick: 40 });
  const [hostile] = addAll(jobs, ['hostile', ...times(100, 'quick')]);
  told(jobs);
  for (const each of jobs.inFlight) if (each !== hostile) jobs.end(each);
  jobs.redo(hostile!, true);
  let before = 0;
  for (let next = jobs.next(); next !== hostile; next = jobs.next()) {
    if (next === undefined) for (const each of jobs.inFlight) jobs.end(each);
    else before++;
  }
  expect(before).toBe(32);
  expect(told(jobs)).toEqual([]);
});

test('time runs for all threads and for the inline step that is at it, not for those behind it', () => {
  const jobs = jobsOf(2, { quick: 40 });
  const [slow, first, second] = addAll(jobs, ['slow', 'quick', 'quick']);
  told(jobs);
  jobs.pass(10);
  expect([slow!, first!, second!].map(({ ranMs }) => ranMs)).toEqual([10, 10, 0]);
  jobs.end(first!);
  jobs.pass(10);
  expect([slow!, second!].map(({ ranMs }) => ranMs)).toEqual([20, 10]);
});

test('while an inline step holds the process up, time runs for it alone: what threads answer is not heard', () => {
  const jobs = jobsOf(2, { quick: 40 });
  const [slow, first] = addAll(jobs, ['slow', 'quick', 'quick']);
  told(jobs);
  for (let i = 0; i < 10; i++) jobs.pass(10);
  expect(first!.ranMs).toBe(100);
  expect(slow!.ranMs).toBe(30);
  expect(jobs.pass(10)).toEqual([first]);
});

test('what waits for its unit to be loaded takes no thread, and comes first when the unit is there', () => {
  const jobs = jobsOf(2);
  const [first, held] = addAll(jobs, ['unit', 'unit', 'other', 'other']);
  jobs.next();
  jobs.hold(jobs.next()!);
  expect(told(jobs)).toEqual(['other']);
  jobs.release('unit');
  jobs.end(first!);
  expect(jobs.next()).toBe(held);
});

test('nothing is forgotten when all is taken: in flight, waiting, held and suspected', () => {
  const jobs = jobsOf(1, { quick: 3_000 });
  const added = addAll(jobs, ['a', 'a', 'b', 'quick', 'quick']);
  told(jobs);
  jobs.hold(added[0]!);
  told(jobs);
  jobs.redo(added[1]!, true);
  expect(new Set(jobs.takeAll())).toEqual(new Set(added));
  expect(jobs.isIdle).toBe(true);
  expect(told(jobs)).toEqual([]);
});
