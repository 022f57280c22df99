/**
 * Of a subject that is a group: what it keeps of each device, so that a step writes of those that it heard of alone; and whose
 * samples are of the past, for their device has been away and has not caught up.
 */
import type { Json } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import { joinedByDevice } from '../conditions/by-device.ts';
import type { Sample } from '../conditions/condition.ts';
import { Backlog, type BacklogState } from './backlog.ts';
import { type OrderState, sortedWaiting } from './order.ts';
import { deviceOf } from './packed-sample.ts';
import type { SubjectState } from './subject-state.ts';

/** In the order in which they were first heard of, with their places in it: some before them may be gone. */
export type MemberState = [device: string, n: number, backlog?: BacklogState];

/** What is kept of one device, under a key of its own. */
export interface ShareState {
  /** Its place among them. */
  n: number;
  backlog?: BacklogState;
  order?: OrderState;
  conditions: Json[];
}

/** What the subject knows of a device. */
export type ShareOf = (device: string) => Pick<ShareState, 'order' | 'conditions'>;

export class Members {
  readonly #places = new Map<string, number>();
  readonly #backlogs = new Map<string, Backlog>();
  readonly #changed = new Set<string>();
  #next = 0;

  constructor(state: readonly MemberState[] = []) {
    for (const [device, n, backlog] of state) {
      this.#places.set(device, n);
      this.#next = Math.max(this.#next, n + 1);
      this.#backlogs.set(device, new Backlog(backlog, true));
    }
  }

  get state(): MemberState[] {
    return [...this.#places].map(([device, n]) => {
      const backlog = this.#backlogs.get(device)!.state;
      return backlog === undefined ? [device, n] : [device, n, backlog];
    });
  }

  get devices(): string[] {
    return [...this.#places.keys()];
  }

  has(device: string): boolean {
    return this.#places.has(device);
  }

  /** A sample that is new; says of it whether it is of the past. */
  arrived(sample: Sample, receivedAt: number): void {
    const { device } = sample;
    if (!this.#places.has(device)) {
      this.#places.set(device, this.#next++);
      this.#backlogs.set(device, new Backlog(undefined, false));
    }
    const backlog = this.#backlogs.get(device)!;
    backlog.arrived(Math.max(0, receivedAt - sample.ts), receivedAt);
    if (backlog.holds) sample.isStale = true;
    this.#changed.add(device);
  }

  changed(device: string): void {
    this.#changed.add(device);
  }

  allChanged(): void {
    for (const device of this.#places.keys()) this.#changed.add(device);
  }

  forget(device: string): void {
    this.#places.delete(device);
    this.#backlogs.delete(device);
    this.#changed.add(device);
  }

  /** What has changed since it was asked last; null: it is forgotten. */
  takeShares(shareOf: ShareOf): [device: string, share: ShareState | null][] {
    const shares = [...this.#changed].map((device): [string, ShareState | null] => {
      const n = this.#places.get(device);
      if (n === undefined) return [device, null];
      const backlog = this.#backlogs.get(device)!.state;
      return [device, { n, ...(backlog !== undefined && { backlog }), ...shareOf(device) }];
    });
    this.#changed.clear();
    return shares;
  }

  moveTime(move: TimeMove): void {
    for (const backlog of this.#backlogs.values()) backlog.moveTime(move);
    this.allChanged();
  }
}

/** The subject as a whole again. @param gaps kept by themselves, for they are long */
export function joinedShares(
  core: SubjectState,
  shares: ReadonlyMap<string, ShareState>,
  gaps: SubjectState['gaps'],
): SubjectState {
  const ordered = [...shares].sort(([, a], [, b]) => a.n - b.n);
  const all = ordered.map(([, share]) => share);
  const waiting = all.flatMap(({ order }) => order?.waiting ?? []);
  return {
    ...core,
    order: {
      ...core.order,
      last: all.flatMap(({ order }) => order?.last ?? []),
      ...(waiting.length > 0 && { waiting: sortedWaiting(waiting) }),
    },
    track: {
      ...core.track,
      conditions: core.track.conditions.map((each, at) =>
        joinedByDevice(
          each,
          all.map(({ conditions }) => conditions[at]),
        ),
      ),
    },
    members: ordered.map(([device, { n, backlog }]) => (backlog === undefined ? [device, n] : [device, n, backlog])),
    ...(gaps !== undefined && { gaps }),
  };
}

/** As a group was kept before: all its devices in one. */
export function devicesIn(order: OrderState | undefined): MemberState[] {
  return [...new Set((order?.last ?? []).map(([series]) => deviceOf(series)))].map((device, n) => [device, n]);
}
