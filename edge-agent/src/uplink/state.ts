/** What the uplink's machine knows, hears and brings about. */
import type { BacklogPace, Lane } from '@weir/protocols';
import type { BatchRoom, Cursors, UplinkBatch } from '../outbox/batches.ts';
import { initialPace, type Pace, type PaceLimits } from './pace.ts';
import { initialYielding, type Yielding } from './yielding.ts';

export interface UplinkLimits extends PaceLimits {
  backfillBatches: number;
  reportBatches: number;
  /** Readings of the backlog sent each second at most; undefined: as the line and the hub allow. */
  backfillPerSecond?: number | undefined;
  /** Readings that come while nothing else waits are sent together, no more often than this; 0: at once. ms, as all durations here. */
  gather: number;
  /** For a connection to come up, with all that is asked of the hub then. */
  openTimeout: number;
  backoffBase: number;
  backoffCap: number;
}

export interface InFlight {
  number: number;
  lane: Lane;
  /** First item, and the one after the last. */
  from: number;
  through: number;
  bytes: number;
  sentAt: number;
  acked: boolean;
}

export const PHASES = ['stopped', 'waiting', 'opening', 'open', 'changing'] as const;
export type Phase = (typeof PHASES)[number];

export interface UplinkState {
  phase: Phase;
  /** When it began to be up, or to be down, by the monotonic clock. */
  since: number;
  /** Why it is not up. */
  reason: string | undefined;
  /** Openings that failed in a row. */
  attempt: number;
  /** Counts openings. */
  connections: number;
  /** The one in use, or coming up; whatever is said of another is out of date. */
  connection: number;
  /** In `changing`: the one that comes up beside it. */
  successor: number | undefined;
  /** When the opening that is under way was begun. */
  openingAt: number;
  /** The credentials have been renewed since the connection was begun. */
  renewed: boolean;
  window: readonly InFlight[];
  nextNumber: number;
  cursors: Readonly<Cursors>;
  /** The outbox was asked, at that time, and has not answered; for which readings. */
  loading: { connection: number; live: boolean; backfill: boolean; at: number } | undefined;
  /** The outbox may hold more than was handed out. */
  more: boolean;
  /** When the outbox is to be looked at again although nothing has changed. */
  again: number | undefined;
  lastAckAt: number;
  pace: Pace;
  yielding: Yielding;
  /** Readings of the backlog that may be sent as of `at`. */
  allowance: { items: number; at: number };
  /** Until then readings of a lane are gathered. */
  gatherUntil: { live: number; backfill: number };
  /** Until then the hub wants nothing more of the backlog; undefined: it does. */
  backlogWaitsUntil: number | undefined;
  /** Readings of the backlog that the hub takes at a time, until then; undefined: it has not said. */
  backlogAtATime: { items: number; until: number } | undefined;
}

export type UplinkEvent =
  | { type: 'start' | 'stop' }
  /** The wait is over. */
  | { type: 'retry' }
  | { type: 'opened'; connection: number }
  | { type: 'closed'; connection: number; reason: string }
  /** There are new credentials to connect with. */
  | { type: 'renewed' }
  /** Something entered the outbox. */
  | { type: 'changed' }
  /**
   * @see UplinkEffect `load`. Without `batches` the outbox could not be read. `heldUntil`: readings were held back, for
   * the budget of the day is spent.
   */
  | { type: 'loaded'; connection: number; batches: readonly UplinkBatch[] | undefined; heldUntil?: number | undefined }
  | { type: 'acked'; connection: number; number: number }
  /** The hub is behind with the backlog, or no longer: 0. */
  | ({ type: 'paced' } & BacklogPace)
  /** About once a second, and when it was asked for. */
  | { type: 'tick' };

export const EVENTS = [
  'start',
  'stop',
  'retry',
  'opened',
  'closed',
  'renewed',
  'changed',
  'loaded',
  'acked',
  'paced',
  'tick',
] as const satisfies readonly UplinkEvent['type'][];

export type UplinkEffect =
  | { type: 'open' | 'close'; connection: number }
  /** To be followed by `retry`. */
  | { type: 'wait'; ms: number }
  /** To be followed by `tick`; the last one counts. */
  | { type: 'remind'; ms: number }
  /** To be followed by `loaded`, whatever happens. */
  | { type: 'load'; connection: number; cursors: Cursors; room: BatchRoom }
  | { type: 'send'; connection: number; number: number; batch: UplinkBatch }
  | { type: 'acknowledge'; lane: Lane; through: number };

export interface Transition {
  state: UplinkState;
  effects: UplinkEffect[];
}

/** What the machine may not know by itself. */
export interface Surroundings {
  /** ms of a clock that only goes forward */
  now: number;
  /** 0 to 1 */
  random: number;
}

export const START: Cursors = { alert: 0, live: 0, report: 0, backfill: 0 };

export function initialUplink(now: number, limits: UplinkLimits): UplinkState {
  return {
    phase: 'stopped',
    since: now,
    reason: 'not started',
    attempt: 0,
    connections: 0,
    connection: 0,
    successor: undefined,
    openingAt: now,
    renewed: false,
    window: [],
    nextNumber: 1,
    cursors: START,
    loading: undefined,
    more: true,
    again: undefined,
    lastAckAt: now,
    pace: initialPace(limits),
    yielding: initialYielding(now),
    allowance: { items: limits.backfillPerSecond ?? 0, at: now },
    gatherUntil: { live: now, backfill: now },
    backlogWaitsUntil: undefined,
    backlogAtATime: undefined,
  };
}

export function isUp({ phase }: Pick<UplinkState, 'phase'>): boolean {
  return phase === 'open' || phase === 'changing';
}
