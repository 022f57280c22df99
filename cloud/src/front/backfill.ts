/**
 * Keeps the backlog of a device from filling its partition of the log: behind what stands there its fresh readings, and
 * those of its neighbours, would wait until the worker is through with it.
 *
 *     enter -> log.append -> PUBACK ... passed by the worker
 *        '-- more stands there than the worker passes in LAG_MS: the device is told to wait, how much to send at a time,
 *            and when to go on
 *
 * It is advice: a device that does not know it, or misses it, is taken in as ever. What stands there is counted, not
 * remembered; what the worker passes from before a restart counts for nothing.
 */
import type { BacklogPace } from '@weir/protocols';

/** So long what is fresh may wait behind a backlog: little beside what a function takes that cannot keep up. */
const LAG_MS = 200;
/** As long as it is not known how fast the worker is. */
const BATCHES_FIRST = 2;
/** For a device that hears nothing more. A worker that is stuck makes a backlog slow, and stops none. */
export const WAIT_MS = 2_000;
/** Of a worker that takes more in LAG_MS nothing needs to be said: no batch is larger. */
const ITEMS_MAX = 50_000;
/** Each batch costs a commit, however little is in it. */
const ITEMS_MIN = 50;
/** How much the last batch says of the next. */
const WEIGHT = 0.2;

interface Backlog {
  /** Readings of each batch in the log that was not passed, first to last. */
  places: number[];
  items: number;
  /** When the worker turned to the first of them, or passed the one before. */
  since: number;
  /** ms that the worker takes for a reading; undefined: it has passed none. */
  itemMs: number | undefined;
  /** When the device was told anything. */
  toldAt: number;
  /** It was told to wait, and not to go on. */
  isHeld: boolean;
}

export interface BackfillPorts {
  /** ms of a clock that only goes forward, or nearly so */
  now(): number;
  /** To the device, if it is there. */
  tell(device: string, pace: BacklogPace): void;
}

export class Backfill {
  readonly #ports: BackfillPorts;
  /** By device. */
  readonly #backlogs = new Map<string, Backlog>();

  constructor(ports: BackfillPorts) {
    this.#ports = ports;
  }

  /** Before a batch goes to the log. @returns to be called if it does not get there */
  enter(device: string, items: number): () => void {
    const now = this.#ports.now();
    const backlog = this.#backlogs.get(device) ?? begun();
    if (backlog.places.length === 0) backlog.since = now;
    backlog.places.push(items);
    backlog.items += items;
    this.#backlogs.set(device, backlog);
    this.#advise(device, backlog, now);
    return () => this.#leave(device, backlog, backlog.places.lastIndexOf(items));
  }

  /** The worker has committed what the next batch of the device brought about. */
  pass(device: string): void {
    const backlog = this.#backlogs.get(device);
    const items = backlog?.places[0];
    if (backlog === undefined || items === undefined) return;
    const now = this.#ports.now();
    const itemMs = Math.max(0, now - backlog.since) / Math.max(1, items);
    backlog.itemMs = backlog.itemMs === undefined ? itemMs : backlog.itemMs + WEIGHT * (itemMs - backlog.itemMs);
    backlog.since = now;
    this.#leave(device, backlog, 0);
  }

  /** It is not connected any more. */
  gone(device: string): void {
    const backlog = this.#backlogs.get(device);
    if (backlog !== undefined) backlog.isHeld = false;
    if (backlog?.places.length === 0) this.#backlogs.delete(device);
  }

  #leave(device: string, backlog: Backlog, place: number): void {
    const [items] = place < 0 ? [] : backlog.places.splice(place, 1);
    backlog.items -= items ?? 0;
    this.#advise(device, backlog, this.#ports.now());
  }

  #advise(device: string, backlog: Backlog, now: number): void {
    const most = mostOf(backlog);
    const isOver = most === undefined ? backlog.places.length >= BATCHES_FIRST : backlog.items >= most;
    const isUnder = backlog.places.length === 0 || (most !== undefined && backlog.items <= most / 2);
    const wasHeld = backlog.isHeld;
    backlog.isHeld = wasHeld ? !isUnder : isOver;
    const isLimited = most !== undefined && most < ITEMS_MAX;
    // Again before the device goes on by itself.
    const isDue = (backlog.isHeld || isLimited) && now - backlog.toldAt >= WAIT_MS / 2;
    if (backlog.isHeld === wasHeld && !isDue) return;
    backlog.toldAt = now;
    const backlogItems = isLimited ? Math.max(ITEMS_MIN, Math.floor(most / 4)) : undefined;
    this.#ports.tell(device, {
      backlogWaitMs: backlog.isHeld ? WAIT_MS : 0,
      ...(backlogItems !== undefined && { backlogItems }),
    });
  }
}

function begun(): Backlog {
  return { places: [], items: 0, since: 0, itemMs: undefined, toldAt: Number.NEGATIVE_INFINITY, isHeld: false };
}

/** Readings that may stand in the log; undefined: not known yet. */
function mostOf({ itemMs }: Backlog): number | undefined {
  return itemMs === undefined ? undefined : LAG_MS / Math.max(itemMs, LAG_MS / (2 * ITEMS_MAX));
}
