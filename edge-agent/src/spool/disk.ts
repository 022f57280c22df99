/**
 * How the disk is, as far as the agent can tell. Decides; `storage.ts` carries out.
 *
 *     ok ---- a write found no room ----> full: the ballast is deleted. What was acknowledged is passed on, told and
 *      ^                                   |    deleted in the room that it leaves; readings come in as far as older
 *      |    room again, ballast made       |    ones may go, else sensors are not acknowledged
 *      +-----------------------------------+
 *      +---- read-only, failing <---- a write failed, or nothing can be written: sensors are not acknowledged
 *
 * It is ok only with its ballast in place, wherever it comes from: it may have been full before it failed.
 */

export type DiskState = 'ok' | 'full' | 'read-only' | 'failing';

export interface Disk {
  state: DiskState;
  /** ms since epoch */
  since: number;
  /** What was seen, for a person. */
  detail: string | undefined;
}

export type Probe = { writable: true; freeBytes: number } | { writable: false; code: string; message: string };

export type DiskEvent =
  /** A call to the database failed. */
  | { type: 'failed'; code: 'full' | 'readonly' | 'io'; message: string }
  /** A file was written beside it, or was not. */
  | { type: 'probed'; probe: Probe }
  | { type: 'ballast-made' }
  /** With so much free before. */
  | { type: 'ballast-failed'; freeBytes: number };

export type DiskEffect = 'release-ballast' | 'make-ballast';

/** What a write-ahead log takes before it is emptied. */
export const ROOM_BYTES = 4 * 1024 * 1024;

export function initialDisk(now: number): Disk {
  return { state: 'ok', since: now, detail: undefined };
}

export function afterDiskEvent(
  disk: Disk,
  event: DiskEvent,
  now: number,
  ballastBytes: number,
): { disk: Disk; effects: DiskEffect[] } {
  switch (event.type) {
    case 'failed':
      if (event.code === 'full') return full(disk, event.message, now);
      return stay(become(disk, event.code === 'readonly' ? 'read-only' : 'failing', event.message, now));
    case 'ballast-made':
      return stay(become(disk, 'ok', undefined, now));
    case 'ballast-failed':
      if (event.freeBytes < ballastBytes + ROOM_BYTES) return full(disk, 'no room for the ballast', now);
      return stay(disk);
    case 'probed':
      return afterProbe(disk, event.probe, now, ballastBytes);
  }
}

function afterProbe(disk: Disk, probe: Probe, now: number, ballastBytes: number) {
  if (!probe.writable) {
    if (probe.code === 'ENOSPC' || probe.code === 'EDQUOT') return full(disk, probe.message, now);
    return stay(become(disk, probe.code === 'EROFS' ? 'read-only' : 'failing', probe.message, now));
  }
  if (disk.state === 'ok') return stay(disk);
  if (disk.state === 'full' && probe.freeBytes < ballastBytes + ROOM_BYTES) return stay(disk);
  if (ballastBytes > 0) return { disk, effects: ['make-ballast' as const] };
  return stay(become(disk, 'ok', undefined, now));
}

function full(disk: Disk, detail: string, now: number) {
  return { disk: become(disk, 'full', detail, now), effects: ['release-ballast' as const] };
}

function stay(disk: Disk): { disk: Disk; effects: DiskEffect[] } {
  return { disk, effects: [] };
}

function become(disk: Disk, state: DiskState, detail: string | undefined, now: number): Disk {
  return state === disk.state ? disk : { state, since: now, detail };
}
