/**
 * Watches who is away, and opens and closes alerts for it through the same episodes as any rule does.
 *
 *     presence -> absences -> decide -> one write: the alert, and that it is open -> notifier
 *
 *     connectivity / alone / <device>              an alert of its own that is open: { episode, startedAt }
 *     connectivity / outage / <id of the outage>   an outage that is open
 *
 * What is open is in the store with the alert, so that a hub that is killed goes on where it was. Who is away is told by presence, and
 * looked up anew now and then.
 */
import { createHash } from 'node:crypto';
import type { AlertTransition } from '@weir/protocols';
import { episodeChanges, raised } from '../alerts/episodes.ts';
import type { HubEvents } from '../api/events.ts';
import type { Clock } from '../clock/clock.ts';
import type { DeviceRecord, Fleet, GroupSummary } from '../fleet/fleet.ts';
import { itemsOf } from '../fleet/keys.ts';
import type { Connections } from '../front/front.ts';
import type { Logger } from '../logger.ts';
import type { Change, ItemKey, Store } from '../store/store.ts';
import { type Absence, type Decision, decide, type Outage, type WatchLimits } from './connectivity.ts';
import { lasting } from './problems.ts';
import { DEVICE_STATES, type DeviceState, type HubLife, stateOf } from './state.ts';

export interface WatchOptions extends WatchLimits {
  /** How long a device may be away where its groups say nothing; null: nobody is told. */
  afterMs: number | null;
}

export interface WatchPorts {
  store: Store;
  fleet: Pick<Fleet, 'device' | 'devices' | 'groups' | 'heard'>;
  connections: Pick<Connections, 'list'>;
  events: HubEvents;
  wakeNotifier: () => void;
  life: () => HubLife;
  clock: Clock;
  logger: Logger;
}

/** Whoever went away: an alert is late by no more than that. */
const LOOK_MS_MIN = 1_000;
/** While somebody is away, what is set of groups is looked up so often, … */
const GROUPS_MS = 10_000;
/** … and also while all who are away have been told of, or need not be. */
const TOLD_MS = 60_000;
/** Devices are looked up anew: those that joined, moved to other groups or were removed. */
const DEVICES_MS = 300_000;
/** Who was heard last is kept in case the hub is killed: by so much "last seen" may be early then. */
const KEEP_HEARD_MS = 300_000;
const PAGE = 200;
const NAME = 'weir.connectivity';
const ID_CHARS = 20;

const TABLE = 'connectivity';
const aloneKey = (device: string): ItemKey => ({ table: TABLE, partition: 'alone', sort: device });
const outageKey = (id: string): ItemKey => ({ table: TABLE, partition: 'outage', sort: id });

/** What is kept in memory of each device. */
type Known = Pick<DeviceRecord, 'id' | 'groups' | 'presence' | 'revokedAt' | 'enrolledAt'>;

interface Open {
  episode: string;
  startedAt: number;
}

export class ConnectivityWatch {
  readonly #ports: WatchPorts;
  readonly #options: WatchOptions;
  readonly #stop = new AbortController();
  readonly #known = new Map<string, Known>();
  readonly #alone = new Map<string, Open>();
  readonly #outages = new Map<string, Outage>();
  #fewSince: ReadonlyMap<string, number> = new Map();
  #groups = new Map<string, GroupSummary>();
  readonly #changed = new Set<string>();
  #looking: Promise<number> = Promise.resolve(0);
  /** Until somebody comes or goes. */
  #waiting = new AbortController();
  #close = () => {};
  #running: Promise<void> | undefined;

  constructor(ports: WatchPorts, options: WatchOptions) {
    this.#ports = ports;
    this.#options = options;
  }

  start(): void {
    this.#close = this.#ports.events.on((event) => {
      if (event.type !== 'presence') return;
      this.#changed.add(event.device);
      this.#waiting.abort();
    });
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#close();
    this.#stop.abort();
    await this.#running;
  }

  /** Devices by state. */
  counts(): Record<DeviceState, number> {
    const counts = Object.fromEntries(DEVICE_STATES.map((state) => [state, 0])) as Record<DeviceState, number>;
    const life = this.#ports.life();
    const now = this.#ports.clock.now();
    for (const known of this.#known.values()) counts[stateOf(known, life, now).state] += 1;
    return counts;
  }

  /** One that a hub which was started again waits for may be there. */
  isAway(device: string): boolean {
    const known = this.#known.get(device);
    const state = known && stateOf(known, this.#ports.life(), this.#ports.clock.now()).state;
    return state === 'silent' || state === 'offline';
  }

  openAlerts(): { alone: number; outages: number } {
    return { alone: this.#alone.size, outages: this.#outages.size };
  }

  async #run(): Promise<void> {
    const { clock, logger } = this.#ports;
    const { signal } = this.#stop;
    let devicesAt = Number.NEGATIVE_INFINITY;
    let keptAt = clock.now();
    for (let isLoaded = false; !signal.aborted; ) {
      let waitMs = GROUPS_MS;
      try {
        if (!isLoaded) await this.#load();
        isLoaded = true;
        if (clock.now() - devicesAt >= DEVICES_MS) {
          await this.#readDevices();
          devicesAt = clock.now();
        }
        if (clock.now() - keptAt >= KEEP_HEARD_MS) {
          await this.#keepHeard();
          keptAt = clock.now();
        }
        waitMs = await this.look();
      } catch (error) {
        logger.error({ error: (error as Error).message }, 'who is away could not be looked at; it is tried again');
      }
      // Somebody came or went meanwhile.
      if (this.#changed.size > 0) waitMs = LOOK_MS_MIN;
      this.#waiting = new AbortController();
      await clock.sleep(waitMs, AbortSignal.any([signal, this.#waiting.signal]));
    }
  }

  /** Decides, and carries out; one look at a time. @returns after how long to look again, ms */
  look(): Promise<number> {
    const look = () => this.#look();
    this.#looking = this.#looking.then(look, look);
    return this.#looking;
  }

  async #look(): Promise<number> {
    for (const device of this.#changed) {
      this.#changed.delete(device);
      this.#note(device, await this.#ports.fleet.device(device));
    }
    const now = this.#ports.clock.now();
    if (this.#isAnybodyAway(now)) await this.#readGroups();
    const absences = this.#absences(now);
    const watched = {
      absences,
      alone: new Set(this.#alone.keys()),
      outages: [...this.#outages.values()],
      fewSince: this.#fewSince,
    };
    const decisions = decide(watched, this.#options, now);
    this.#noteFew(decisions, now);
    for (const decision of decisions) {
      if (this.#stop.signal.aborted) return LOOK_MS_MIN;
      await this.#carryOut(decision, now);
    }
    if (absences.length === 0) return DEVICES_MS;
    const due = absences
      .filter(({ device, afterMs }) => afterMs !== null && !this.#alone.has(device))
      .map(({ since, afterMs }) => since + afterMs! - now)
      .filter((inMs) => inMs > 0);
    return Math.max(LOOK_MS_MIN, Math.min(due.length > 0 ? GROUPS_MS : TOLD_MS, ...due));
  }

  #noteFew(decisions: readonly Decision[], now: number): void {
    const few = decisions.flatMap((decision) => (decision.do === 'wait' ? [decision.outage.id] : []));
    const since = few.map((id) => [id, this.#fewSince.get(id) ?? now] as const);
    this.#fewSince = new Map(since);
  }

  #isAnybodyAway(now: number): boolean {
    const life = this.#ports.life();
    for (const known of this.#known.values()) if (isAway(stateOf(known, life, now).state)) return true;
    return this.#alone.size > 0 || this.#outages.size > 0;
  }

  async #load(): Promise<void> {
    const { store } = this.#ports;
    for await (const { sort, json } of itemsOf(store, { table: TABLE, partition: 'alone' })) {
      this.#alone.set(sort, json as Open);
    }
    for await (const { sort, json } of itemsOf(store, { table: TABLE, partition: 'outage' })) {
      this.#outages.set(sort, json as Outage);
    }
  }

  async #readGroups(): Promise<void> {
    const groups = new Map<string, GroupSummary>();
    for await (const group of pages((page) => this.#ports.fleet.groups(page))) groups.set(group.name, group);
    this.#groups = groups;
  }

  async #readDevices(): Promise<void> {
    const seen = new Set<string>();
    for await (const record of pages((page) => this.#ports.fleet.devices(page))) {
      this.#note(record.id, record);
      seen.add(record.id);
    }
    for (const device of this.#known.keys()) if (!seen.has(device)) this.#known.delete(device);
  }

  #note(device: string, record: DeviceRecord | undefined): void {
    if (record === undefined) {
      this.#known.delete(device);
      return;
    }
    const { id, groups, presence, revokedAt, enrolledAt } = record;
    this.#known.set(device, {
      ...{ id, groups, enrolledAt },
      ...(presence !== undefined && { presence }),
      ...(revokedAt !== undefined && { revokedAt }),
    });
  }

  #absences(now: number): Absence[] {
    const life = this.#ports.life();
    const absences: Absence[] = [];
    for (const known of this.#known.values()) {
      const { state, since } = stateOf(known, life, now);
      if (!isAway(state)) continue;
      const { id: device, groups } = known;
      const afterMs = this.#afterMs(known);
      // One that a hub which was started again waits for is away, too: what is open for it stays so. It has all the time it has.
      absences.push(
        state === 'returning'
          ? { device, since: life.since, state: 'silent', groups, afterMs: afterMs && Math.max(afterMs, life.returnMs) }
          : { device, since, state, groups, afterMs },
      );
    }
    return absences;
  }

  /** As the group of the highest priority that says something has it. */
  #afterMs({ groups }: Known): number | null {
    const saying = groups
      .flatMap((name) => this.#groups.get(name) ?? [])
      .filter(({ alertAfterMs }) => alertAfterMs !== undefined)
      .sort((a, b) => b.priority - a.priority || (a.name < b.name ? -1 : 1));
    return saying.length === 0 ? this.#options.afterMs : saying[0]!.alertAfterMs!;
  }

  async #carryOut(decision: Decision, now: number): Promise<void> {
    switch (decision.do) {
      case 'open': {
        const { device, since, state } = decision.absence;
        const open = { episode: idOf(device, since), startedAt: since };
        const summary = `${device} is ${state}: nothing came from it for ${lasting(now - since)}`;
        await this.#write(transitionOf(open, { device, seq: 1, now, summary }), {
          put: aloneKey(device),
          json: open,
        });
        this.#alone.set(device, open);
        return;
      }
      case 'close': {
        const { device } = decision;
        const why = this.#known.get(device)?.presence?.connected ? 'back' : 'unwatched';
        const open = this.#alone.get(device)!;
        const after = lasting(now - open.startedAt);
        const summary = why === 'back' ? `${device} is back after ${after}` : `${device} is not watched any more`;
        const told: Told = { device, seq: 2, now, summary, reason: why === 'back' ? 'cleared' : 'removed' };
        await this.#write(transitionOf(open, told), { remove: aloneKey(device) });
        this.#alone.delete(device);
        return;
      }
      case 'open-outage': {
        const { group, absences } = decision;
        const startedAt = Math.min(...absences.map(({ since }) => since));
        const outage: Outage = {
          id: idOf(`outage of ${group ?? ''}`, startedAt),
          group,
          startedAt,
          count: absences.length,
        };
        const summary = `${absences.length} devices ${group === undefined ? 'of the fleet' : `of group ${group}`} are away since about the same time: ${named(absences)}`;
        const open = { episode: outage.id, startedAt };
        const told: Told = { device: ofOutage(outage), seq: 1, now, summary, severity: 'critical' };
        await this.#write(transitionOf(open, told), { put: outageKey(outage.id), json: outage });
        this.#outages.set(outage.id, outage);
        return;
      }
      case 'wait':
        return;
      case 'close-outage': {
        const { outage, left } = decision;
        const still = left.length === 0 ? '' : `; still away: ${named(left)}`;
        const summary = `the outage of ${outage.count} devices is over after ${lasting(now - outage.startedAt)}${still}`;
        const open = { episode: outage.id, startedAt: outage.startedAt };
        const told: Told = {
          device: ofOutage(outage),
          seq: 2,
          now,
          summary,
          severity: 'critical',
          reason: 'cleared',
        };
        await this.#write(transitionOf(open, told), { remove: outageKey(outage.id) });
        this.#outages.delete(outage.id);
      }
    }
  }

  /** One that is recorded already, by a hub that was killed before it could note so, is told no second time. */
  async #write(transition: AlertTransition, change: Change): Promise<void> {
    const { store, events, wakeNotifier, clock } = this.#ports;
    const now = clock.now();
    const { changes, fresh } = await episodeChanges(store, raised('cloud', [transition]), now);
    await store.write([...changes, change]);
    for (const each of fresh) events.emit({ type: 'transition', at: now, ...each });
    wakeNotifier();
  }

  async #keepHeard(): Promise<void> {
    const { connections, fleet } = this.#ports;
    await fleet.heard(new Map(connections.list().map(({ clientId, heardAt }) => [clientId, heardAt])));
  }
}

function isAway(state: DeviceState): state is 'silent' | 'offline' | 'returning' {
  return state === 'silent' || state === 'offline' || state === 'returning';
}

interface Told {
  device: string;
  seq: 1 | 2;
  now: number;
  summary: string;
  severity?: AlertTransition['severity'];
  reason?: AlertTransition['reason'];
}

function transitionOf(open: { episode: string; startedAt: number }, told: Told): AlertTransition {
  const { device, seq, now, summary, severity = 'warning', reason = 'held' } = told;
  return {
    episode: open.episode,
    seq,
    state: seq === 1 ? 'firing' : 'resolved',
    reason,
    severity,
    source: { kind: 'rule', name: NAME, version: '1' },
    device,
    ts: now,
    startedAt: open.startedAt,
    summary: summary.slice(0, SUMMARY_CHARS_MAX),
  };
}

/** @see alertTransitionSchema */
const SUMMARY_CHARS_MAX = 500;
const NAMED = 10;

function named(absences: readonly Absence[]): string {
  const first = absences.slice(0, NAMED).map(({ device }) => device);
  return absences.length > NAMED ? `${first.join(', ')} and ${absences.length - NAMED} more` : first.join(', ');
}

/** What stands in the place of a device. */
function ofOutage({ group }: Outage): string {
  return `${group ?? 'fleet'}/${NAME}`;
}

function idOf(what: string, since: number): string {
  return createHash('sha256').update(`${NAME}\n${what}\n${since}`).digest('hex').slice(0, ID_CHARS);
}

async function* pages<T>(get: (page: { limit: number; after?: string }) => Promise<{ items: T[]; next?: string }>) {
  let after: string | undefined;
  do {
    const page = await get({ limit: PAGE, ...(after !== undefined && { after }) });
    yield* page.items;
    after = page.next;
  } while (after !== undefined);
}
