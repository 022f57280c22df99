/**
 * The rollouts of the fleet: one loop carries on all that are under way, wakes on what devices report and on time, and
 * takes up where it stopped. Any number of hubs may do so at once.
 */
import type { Clock } from '../../clock/clock.ts';
import { FleetError } from '../error.ts';
import { Carrier, type CarrierPorts, type Progress } from './carrier.ts';
import { step } from './machine.ts';
import { isOpen, type Rollout, type RolloutEvent } from './rollout.ts';
import { endedRollouts, getRollout, isConflict, settingsOf, writeStep } from './stored.ts';

export interface RolloutPorts extends CarrierPorts {
  sleep: Clock['sleep'];
  /** A rollout could not be carried on; it is tried again. */
  failed(group: string, name: string, error: Error): void;
}

export interface RolloutStatus extends Rollout {
  /** Undefined: of the one that is under way it is not known yet. */
  progress?: Progress;
}

export type RolloutAction = 'pause' | 'resume' | 'abort' | 'switch';

/** Rollouts that another hub began are found by then. */
const SEARCH_MS = 60_000;
/** Between looks at the same rollout: a thousand devices that report in a second are looked at a few times. */
const PAUSE_MS = 50;
const RETRY_MS = 2_000;
/** A few rivals at a time. */
const ATTEMPTS_MAX = 50;

export class Rollouts {
  readonly #ports: RolloutPorts;
  readonly #carriers = new Map<string, Carrier>();
  readonly #stop = new AbortController();
  #wait = new AbortController();
  #searchedAt = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;

  constructor(ports: RolloutPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wait.abort();
    await this.#running;
  }

  /** It has just been written, or something was done with it. */
  begun(group: string, name: string): void {
    this.#carrierOf(group, name).forget();
    this.#wait.abort();
  }

  /** A device came, went, or reported something. */
  changed(device: string): void {
    for (const carrier of this.#carriers.values()) {
      if (!carrier.concerns(device)) continue;
      carrier.changed(device);
      this.#wait.abort();
    }
  }

  /** A device may be in other groups than before. */
  moved(device: string, groups: readonly string[]): void {
    for (const carrier of this.#carriers.values()) {
      if (!carrier.concerns(device) && !groups.includes(carrier.group)) continue;
      carrier.changed(device);
      this.#wait.abort();
    }
  }

  /** Present ones of a group, or of all; in order of group and name. */
  async list(groups: Iterable<string>): Promise<RolloutStatus[]> {
    const found: RolloutStatus[] = [];
    for (const group of groups) {
      const { rollouts } = await settingsOf(this.#ports.store, group);
      found.push(...rollouts.map((rollout) => this.#statusOf(rollout)));
    }
    return found;
  }

  /** @throws {FleetError} `rollout-unknown` */
  async get(group: string, name: string): Promise<RolloutStatus> {
    return this.#statusOf((await this.#require(group, name)).rollout);
  }

  /** Newest first, the present one too. */
  async history(group: string, name?: string): Promise<Rollout[]> {
    const { rollouts } = await settingsOf(this.#ports.store, group);
    const present = rollouts.filter(({ target }) => name === undefined || target.name === name);
    const ended = await endedRollouts(this.#ports.store, group, name);
    return [...present, ...ended].sort((a, b) => b.order - a.order);
  }

  /** Idempotent. @throws {FleetError} `rollout-unknown`, `rollout-refused` */
  async act(group: string, name: string, action: RolloutAction): Promise<RolloutStatus> {
    const { store, now } = this.#ports;
    const event: RolloutEvent = { type: action };
    for (let n = 1; ; n++) {
      const found = await this.#require(group, name);
      const at = now();
      const { rollout, effects, refused } = step(found.rollout, event, at);
      if (refused !== undefined) {
        throw new FleetError('rollout-refused', refused.message, refused.remedy);
      }
      if (rollout === found.rollout) return this.#statusOf(rollout);
      try {
        await writeStep(store, found, rollout, effects, at);
      } catch (error) {
        if (isConflict(error) && n < ATTEMPTS_MAX) continue;
        throw error;
      }
      await this.#carrierOf(group, name).after(found.rollout, rollout, effects, at);
      this.begun(group, name);
      return this.#statusOf(rollout);
    }
  }

  async #require(group: string, name: string) {
    const found = await getRollout(this.#ports.store, group, name);
    if (found !== undefined) return found;
    const message = `nothing named "${name}" was rolled out to group "${group}"`;
    throw new FleetError('rollout-unknown', message, `see what was: weir deploy history --group ${group}`);
  }

  #statusOf(rollout: Rollout): RolloutStatus {
    const { group, name } = rollout.target;
    const progress = isOpen(rollout) ? this.#carriers.get(keyOf(group, name))?.progress : undefined;
    return progress === undefined ? rollout : { ...rollout, progress };
  }

  #carrierOf(group: string, name: string): Carrier {
    const key = keyOf(group, name);
    const known = this.#carriers.get(key);
    if (known !== undefined) return known;
    const carrier = new Carrier(this.#ports, group, name);
    this.#carriers.set(key, carrier);
    return carrier;
  }

  async #run(): Promise<void> {
    const { now, sleep } = this.#ports;
    while (!this.#stop.signal.aborted) {
      this.#wait = new AbortController();
      await this.#search();
      for (const carrier of [...this.#carriers.values()]) {
        if (this.#stop.signal.aborted) return;
        if (carrier.dueAt <= now()) await this.#drive(carrier);
      }
      await sleep(PAUSE_MS, this.#stop.signal);
      const dueAt = Math.min(this.#searchedAt + SEARCH_MS, ...[...this.#carriers.values()].map(({ dueAt }) => dueAt));
      const ms = dueAt - now();
      if (ms > 0 && !this.#wait.signal.aborted && !this.#stop.signal.aborted) await sleep(ms, this.#wait.signal);
    }
  }

  async #drive(carrier: Carrier): Promise<void> {
    const { group, name } = carrier;
    try {
      if (!(await carrier.drive())) this.#carriers.delete(keyOf(group, name));
    } catch (error) {
      this.#ports.failed(group, name, error as Error);
      carrier.later(this.#ports.now() + RETRY_MS);
    }
  }

  async #search(): Promise<void> {
    const { now, store } = this.#ports;
    if (now() - this.#searchedAt < SEARCH_MS) return;
    this.#searchedAt = now();
    try {
      for (let after: string | undefined; ; ) {
        const page = await store.partitions('group', after === undefined ? {} : { after });
        for (const group of page.names) {
          const { rollouts } = await settingsOf(store, group);
          for (const rollout of rollouts) {
            if (isOpen(rollout) || !rollout.swept) this.#carrierOf(group, rollout.target.name);
          }
        }
        if (page.next === undefined) return;
        after = page.next;
      }
    } catch (error) {
      this.#ports.failed('all groups', 'rollouts', error as Error);
    }
  }
}

function keyOf(group: string, name: string): string {
  return `${group}/${name}`;
}
