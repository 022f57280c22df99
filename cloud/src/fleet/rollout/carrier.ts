import { hasGroup } from '../groups.ts';
import { Crew, type CrewPorts } from './crew.ts';
import { step } from './machine.ts';
import { type Counts, type DeviceView, isOpen, type Rollout, type RolloutEffect, type Told } from './rollout.ts';
import { countsOf, standingsOf } from './standing.ts';
import { getRollout, isConflict, noteRunning, sweep, writeStep } from './stored.ts';

export interface CarrierPorts extends CrewPorts {
  now: () => number;
  /** What is wanted of these devices has changed. */
  follow(devices: Iterable<string>): void;
  /** Something else stands in the group; of `except` nothing else is wanted than before. */
  followGroup(group: string, name: string, except: ReadonlySet<string>): Promise<void>;
  /** For the event stream. */
  tell(rollout: Rollout, told: Told): void;
}

/** How it is going, beyond what is written. */
export interface Progress {
  counts: Counts;
  waiting?: string;
}

/** Steps in a row; each lets in up to 90 devices, and more of them than this are another turn's. */
const STEPS_MAX = 64;
/** What is not told of is seen by then: counts of errors, what another hub wrote, silence. */
const LOOK_MS = 30_000;
const NOBODY: ReadonlySet<string> = new Set();

/** Carries one rollout on: looks, has the machine decide, writes what it decided, and has the devices follow. */
export class Carrier {
  readonly group: string;
  readonly name: string;
  progress: Progress | undefined;
  readonly #ports: CarrierPorts;
  readonly #crew: Crew;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #wakeAt = 0;
  #notBefore = 0;
  /** Counts what it was told to look at anew. */
  #news = 0;

  constructor(ports: CarrierPorts, group: string, name: string) {
    this.#ports = ports;
    this.group = group;
    this.name = name;
    this.#crew = new Crew(ports, group, name);
  }

  /** When it is to be looked at next, ms since epoch. */
  get dueAt(): number {
    return Math.max(this.#notBefore, this.#crew.isStale ? 0 : this.#wakeAt);
  }

  /** It could not be carried on. */
  later(at: number): void {
    this.#notBefore = at;
  }

  concerns(device: string): boolean {
    return this.#crew.has(device);
  }

  changed(device: string): void {
    this.#crew.changed(device);
  }

  /** Who is in the group, what is rolled out: anything may have changed. */
  forget(): void {
    this.#crew.forget();
    this.#wakeAt = 0;
    this.#news += 1;
  }

  /** @returns false once there is nothing left to do. */
  async drive(): Promise<boolean> {
    const { store, now } = this.#ports;
    const news = this.#news;
    this.#wakeAt = 0;
    for (let n = 0; n < STEPS_MAX; n++) {
      const found = await getRollout(store, this.group, this.name);
      if (found === undefined || !(await hasGroup(store, this.group))) return this.#news !== news;
      if (!isOpen(found.rollout)) {
        this.progress = undefined;
        if (!found.rollout.swept) await sweep(store, found);
        // A newer one may have begun meanwhile.
        return this.#news !== news;
      }
      const { rollout } = found;
      const { views, isFresh } = await this.#look(rollout);
      const at = now();
      const next = step(rollout, { type: 'observed', devices: views }, at);
      this.progress = { counts: countsOf(standingsOf(views, rollout, at)) };
      if (next.waiting !== undefined) this.progress.waiting = next.waiting;
      if (next.rollout === rollout) {
        this.#wakeAt = Math.min(next.wakeAt ?? Number.POSITIVE_INFINITY, this.#lookedAt + LOOK_MS);
        return true;
      }
      if (!isFresh && isTurn(rollout, next.rollout)) {
        this.#lookedAt = Number.NEGATIVE_INFINITY;
        continue;
      }
      try {
        await writeStep(store, found, next.rollout, next.effects, at);
      } catch (error) {
        // Another hub, or an operator, was first: what is there now decides.
        if (isConflict(error)) continue;
        throw error;
      }
      await this.after(rollout, next.rollout, next.effects, at);
    }
    return true;
  }

  /** What was written is told, and followed. */
  async after(before: Rollout, rollout: Rollout, effects: readonly RolloutEffect[], at: number): Promise<void> {
    for (const line of rollout.told) if (!before.told.includes(line)) this.#ports.tell(rollout, line);
    for (const effect of effects) {
      if (effect.type === 'admit') {
        this.#crew.admitted(effect.devices, rollout, at);
        this.#ports.follow(effect.devices);
      } else {
        const except = effect.type === 'stand' ? this.#crew.letIn : NOBODY;
        await this.#ports.followGroup(this.group, this.name, except);
      }
    }
  }

  async #look(rollout: Rollout): Promise<{ views: DeviceView[]; isFresh: boolean }> {
    const { now, follow } = this.#ports;
    const crew = this.#crew;
    const isDue = now() - this.#lookedAt >= LOOK_MS;
    if (isDue) crew.forget();
    await crew.read(rollout);
    // Another hub has let devices in.
    if (!crew.isComplete(rollout)) {
      crew.forget();
      await crew.read(rollout);
    }
    await this.#noteRunning(rollout);
    const views = crew.views(rollout);
    if (!isDue) return { views, isFresh: false };
    this.#lookedAt = now();
    // Whoever let a device in may have ended before the device was told of it.
    const open = standingsOf(views, rollout, now()).filter(({ standing }) => standing.kind === 'pending');
    follow(open.map(({ view }) => view.device));
    return { views, isFresh: true };
  }

  async #noteRunning(rollout: Rollout): Promise<void> {
    const { store, now } = this.#ports;
    const { group, name } = rollout.target;
    const seen = this.#crew.newlyRunning(rollout, now());
    if (seen.size > 0) this.#crew.running(await noteRunning(store, group, name, seen));
  }
}

/** What devices report at another hub is not told here: before more of them get it, or all, they are looked at themselves. */
function isTurn(before: Rollout, after: Rollout): boolean {
  return before.wave !== after.wave || before.switched !== after.switched || after.phase === 'done';
}
