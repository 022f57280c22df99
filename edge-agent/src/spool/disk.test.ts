import { expect, test } from 'vitest';
import { afterDiskEvent, type Disk, type DiskEvent, initialDisk, ROOM_BYTES } from './disk.ts';

const BALLAST_BYTES = 1_000;

/** Lets events happen one after another, a second each. @returns the states, and everything that was to be done */
function after(events: DiskEvent[], ballastBytes = BALLAST_BYTES) {
  let disk: Disk = initialDisk(0);
  const states: string[] = [];
  const effects = events.flatMap((event, at) => {
    const next = afterDiskEvent(disk, event, at + 1, ballastBytes);
    disk = next.disk;
    states.push(disk.state);
    return next.effects;
  });
  return { states, effects, disk };
}

const failed = (code: 'full' | 'readonly' | 'io'): DiskEvent => ({ type: 'failed', code, message: code });
const writable = (freeBytes: number): DiskEvent => ({ type: 'probed', probe: { writable: true, freeBytes } });
const refused = (code: string): DiskEvent => ({ type: 'probed', probe: { writable: false, code, message: code } });

test('a full disk gives up its ballast, and is well only when that is in place again', () => {
  const { states, effects, disk } = after([
    failed('full'),
    failed('full'),
    writable(ROOM_BYTES),
    writable(ROOM_BYTES + BALLAST_BYTES),
    { type: 'ballast-made' },
  ]);
  expect(states).toEqual(['full', 'full', 'full', 'full', 'ok']);
  expect(effects).toEqual(['release-ballast', 'release-ballast', 'make-ballast']);
  expect(disk.since).toBe(5);
});

test('without a ballast room is enough', () => {
  expect(after([failed('full'), writable(ROOM_BYTES)], 0).states).toEqual(['full', 'ok']);
});

test.each([
  ['EROFS', 'read-only'],
  ['EIO', 'failing'],
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
])('where a file beside the database is refused with %s the disk is %s', (code, state) => {
  expect(after([failed('io'), refused(code)]).states).toEqual(['failing', state]);
});

test('a disk that was read-only is well once something can be written, and its ballast is in place', () => {
  const { states, effects, disk } = after([
    failed('readonly'),
    refused('EROFS'),
    writable(0),
    { type: 'ballast-made' },
  ]);
  expect(states).toEqual(['read-only', 'read-only', 'read-only', 'ok']);
  expect(effects).toEqual(['make-ballast']);
  expect(disk.detail).toBeUndefined();
  expect(after([failed('io'), writable(0)], 0).states).toEqual(['failing', 'ok']);
});

test('a full disk that failed for a moment is not well without its ballast: full again it would have nothing to give up', () => {
  const noRoom: DiskEvent = { type: 'ballast-failed', freeBytes: ROOM_BYTES };
  const { states, effects } = after([failed('full'), failed('io'), writable(ROOM_BYTES), noRoom]);
  expect(states).toEqual(['full', 'failing', 'failing', 'full']);
  expect(effects).toEqual(['release-ballast', 'make-ballast', 'release-ballast']);
});

test('a ballast that fails where there is room is no full disk: nothing is dropped for it', () => {
  const failure: DiskEvent = { type: 'ballast-failed', freeBytes: ROOM_BYTES + BALLAST_BYTES };
  const { states, effects } = after([failed('io'), writable(ROOM_BYTES + BALLAST_BYTES), failure]);
  expect(states).toEqual(['failing', 'failing', 'failing']);
  expect(effects).toEqual(['make-ballast']);
});

test('a disk that is well is not written to at each look', () => {
  expect(after([writable(0)]).effects).toEqual([]);
});

test('since when it is so does not change while it is so', () => {
  expect(after([failed('full'), failed('full'), writable(0)]).disk.since).toBe(1);
});
