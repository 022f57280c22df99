/**
 * Runs the machine: takes what came in, waits for what falls due, and writes what is remembered together with the messages and with how
 * far it got. A hub that is killed between two writes goes on from the first of them, and what it sends again has the same id.
 */
import { type Clock, systemClock } from '../../clock/clock.ts';
import { CHANGES_MAX, type Change, type Item, type Store } from '../../store/store.ts';
import type { DeviceFacts, Labels } from '../labels.ts';
import { keyOf } from '../outbox.ts';
import { PlanCounts } from './counts.ts';
import { findBegin, type Intake, type IntakeEntry, readIntake, type Telling } from './intake.ts';
import { type PlanEvent, step } from './machine.ts';
import { Plan } from './plan.ts';
import { policySchema } from './policy.ts';
import { LISTED_MAX } from './queues.ts';
import { channelsToLookAt } from './reconcile.ts';
import { readSilences } from './silence.ts';
import { changesOf, load, planLogKey, readPlanChannels, readPolicy } from './stored.ts';

export interface PlannerPorts {
  store: Store;
  now: () => number;
  log: (level: 'info' | 'warn', fields: Record<string, unknown>, text: string) => void;
  sleep?: Clock['sleep'];
  /** Groups and tags of a device. */
  facts?: (device: string) => Promise<DeviceFacts | undefined>;
  /** Whether a device is away; by default none is. */
  isAway?: (device: string) => boolean;
  /** These channels have something to deliver. */
  planned: (channels: ReadonlySet<string>) => void;
}

/** Of one look: each may be a message, an item of its queue and one of the channel. */
const CHANNELS_PER_LOOK = 15;
/** Changes that one event may bring: a transition by itself, a look at so many channels, and any. */
const CHANGES_PER_TRANSITION = 5;
const changesPerLook = (channels: number) => 5 + 4 * channels;
const CHANGES_PER_EVENT = Math.max(changesPerLook(CHANNELS_PER_LOOK), 5 + LISTED_MAX);
const RETRY_MS = 1_000;
/** A timer of Node ends with 24 days. */
const SLEEP_MS_MAX = 86_400_000;
/** A clock that is disciplined goes back by less. */
const CLOCK_MS = 1_000;
/** A device is asked for once for a storm of its alerts. */
const FACTS_KEPT = 1_000;

export class Planner {
  readonly counts = new PlanCounts();
  readonly #ports: PlannerPorts;
  readonly #facts = new Map<string, DeviceFacts | undefined>();
  #plan: Plan | undefined;
  #shown = '';
  #stopping = new AbortController();
  #nap = new AbortController();
  #awake = false;
  #presence = new Set<string>();
  #running: Promise<void> | undefined;
  /** What time it was when it was looked at last. */
  #seenAt = 0;
  /** Items of the intake that are planned: to be removed with what came of them. */
  #planned: Change[] = [];
  /** Of the item that is under way: to be written with what comes of it; undefined: nothing has come of it yet. */
  #progress: (() => Change | undefined) | undefined;
  /** Of the episodes that are being taken in those that are done with; undefined: none is. */
  #done: Set<string> | undefined;

  constructor(ports: PlannerPorts) {
    this.#ports = ports;
    this.counts.open = () => this.#plan?.alerts.size ?? 0;
  }

  /** As it was planned last; undefined: nothing is loaded. */
  get plan(): Plan | undefined {
    return this.#plan;
  }

  /** Alerts that the channel was told to fire, and not to end. */
  openAt(channel: string): number {
    const plan = this.#plan;
    const policy = plan?.settings.channels.get(channel)?.policy;
    if (plan === undefined || policy?.sendResolved === false) return 0;
    let open = 0;
    for (const { knows } of plan.alerts.values()) {
      const told = knows[channel]?.told;
      const isTold = told !== undefined && !(told.place !== undefined && plan.isOpen(channel, told.place));
      if (isTold) open += 1;
    }
    return open;
  }

  start(): void {
    this.#running ??= this.#run();
  }

  wake(): void {
    this.#awake = true;
    this.#nap.abort();
  }

  /** A device came or went. */
  heard(device: string): void {
    this.#facts.delete(device);
    // Most devices come and go without any alert.
    if (this.#plan?.ofDevice(device).length === 0) return;
    this.#presence.add(device);
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.wake();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#awake = false;
      try {
        const nextAt = await this.round();
        if (!this.#awake) await this.#sleep(nextAt);
      } catch (error) {
        this.#ports.log('warn', { err: error }, 'cannot plan notifications');
        await (this.#ports.sleep ?? systemClock.sleep)(RETRY_MS, signal);
      }
    }
  }

  /**
   * Plans all that there is to be planned now; what `start` does again and again.
   * @returns when something falls due, ms since epoch; undefined: nothing does
   */
  async round(): Promise<number | undefined> {
    try {
      const plan = await this.#loaded();
      this.#facts.clear();
      await this.#watchClock(plan);
      await this.#takeIn(plan);
      await this.#present(plan);
      await this.#ticks(plan);
      return plan.timers.nextAt;
    } catch (error) {
      // What was not written is still in the intake, or falls due again; it is planned anew from what is in the store.
      this.#plan = undefined;
      this.#planned = [];
      this.#progress = undefined;
      this.#done = undefined;
      throw error;
    }
  }

  async #watchClock(plan: Plan): Promise<void> {
    const now = this.#ports.now();
    const wasSetBack = now < this.#seenAt - CLOCK_MS;
    this.#seenAt = now;
    if (wasSetBack) await this.#follow(plan, { kind: 'clock' });
  }

  async #loaded(): Promise<Plan> {
    if (this.#plan !== undefined) {
      await this.#readSettings(this.#plan, false);
      return this.#plan;
    }
    const { isAway = () => false } = this.#ports;
    const policy = policySchema.parse({});
    const zoneOf = (labels: Labels) => labels.tag_tz;
    const plan = new Plan({ channels: new Map(), silences: [], policy, isAway, zoneOf });
    plan.heldBack = (by) => this.counts.heldBack(by);
    await this.#readSettings(plan, true);
    await load(plan, this.#ports.store);
    this.#plan = plan;
    return plan;
  }

  /** Channels are looked up whenever something happens, silences and policy when somebody has said so. */
  async #readSettings(plan: Plan, all: boolean): Promise<void> {
    const { store, log } = this.#ports;
    const [channels, silences, { policy, problem }] = await Promise.all([
      readPlanChannels(store),
      all ? readSilences(store) : plan.settings.silences,
      all ? readPolicy(store) : { policy: plan.settings.policy, problem: undefined },
    ]);
    if (problem !== undefined)
      log('warn', { problem }, 'the policy for alerts is not understood: all are told everything');
    const shown = JSON.stringify([...channels.values()]);
    if (shown === this.#shown && !all) return;
    this.#shown = shown;
    plan.set({ ...plan.settings, channels, silences, policy });
    await this.#follow(plan, { kind: 'settings' });
  }

  async #takeIn(plan: Plan): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      const items = await readIntake(this.#ports.store);
      if (items.length === 0) return;
      // Each channel that an entry names was there before it.
      await this.#readSettings(plan, false);
      this.#done = await this.#doneAmong(plan, items);
      for (const item of items) await this.#takeItem(plan, item);
      await this.#commit(plan);
      this.#done = undefined;
    }
  }

  async #takeItem(plan: Plan, item: Item): Promise<void> {
    await this.#makeRoom(plan);
    const intake = item.json as Intake;
    const key = keyOf(item);
    let { version } = item;
    const before = intake.done ?? 0;
    let [done, written] = [before, before];
    this.#progress = () => {
      if (done === written) return undefined;
      written = done;
      return { put: key, json: { ...intake, done }, ifVersion: version++ };
    };
    const entries = intake.entries.slice(before);
    await this.#lookUpFacts(plan, entries);
    for (const entry of entries) {
      if ('settings' in entry) await this.#readSettings(plan, true);
      else for (const event of await this.#eventsOf(plan, entry, intake.at)) await this.#follow(plan, event);
      done += 1;
    }
    this.#progress = undefined;
    this.#planned.push({ remove: key, ifVersion: version });
  }

  async #eventsOf(plan: Plan, entry: Exclude<IntakeEntry, { settings: true }>, at: number): Promise<PlanEvent[]> {
    if ('operator' in entry) return [{ kind: 'operator', note: entry.operator }];
    const { transition } = entry;
    if (plan.alerts.has(transition.episode)) return [taken(entry, at)];
    if (this.#wasDone(plan, transition.episode)) return [];
    const facts = await this.#factsOf(transition.device);
    if (transition.state !== 'resolved') return [{ ...taken(entry, at), facts }];
    // Items of one millisecond have no order, and a clock may have been set back: its begin may be behind it.
    const begin = await findBegin(this.#ports.store, transition.episode);
    if (begin === undefined) return [{ ...taken(entry, at), facts, isOld: true }];
    return [{ ...taken(begin.entry, begin.at), facts }, taken(entry, at)];
  }

  #wasDone(plan: Plan, episode: string): boolean {
    return plan.changed.done.has(episode) || this.#done!.has(episode);
  }

  /** Asked for together: a hub that starts may have a hundred thousand to take in. */
  async #doneAmong(plan: Plan, items: readonly Item[]): Promise<Set<string>> {
    const episodes = new Set<string>();
    for (const { entries, done = 0 } of items.map(({ json }) => json as Intake)) {
      for (const entry of entries.slice(done)) {
        if ('transition' in entry && !plan.alerts.has(entry.transition.episode)) episodes.add(entry.transition.episode);
      }
    }
    const asked = [...episodes];
    const logs = await Promise.all(asked.map((episode) => this.#ports.store.get(planLogKey(episode))));
    return new Set(asked.filter((_, at) => logs[at] !== undefined));
  }

  async #lookUpFacts(plan: Plan, entries: readonly IntakeEntry[]): Promise<void> {
    const devices = new Set<string>();
    for (const entry of entries) {
      if ('transition' in entry && !plan.alerts.has(entry.transition.episode)) devices.add(entry.transition.device);
    }
    await Promise.all([...devices].map((device) => this.#factsOf(device)));
  }

  async #factsOf(device: string): Promise<DeviceFacts | undefined> {
    if (this.#ports.facts === undefined) return undefined;
    if (!this.#facts.has(device)) {
      const facts = await this.#ports.facts(device);
      if (this.#facts.size >= FACTS_KEPT) this.#facts.clear();
      this.#facts.set(device, facts);
    }
    return this.#facts.get(device);
  }

  /** One event with all that it makes to be looked at; written when it would be too much for one write. */
  async #follow(plan: Plan, event: PlanEvent): Promise<void> {
    await this.#makeRoom(plan, event.kind === 'transition' ? CHANGES_PER_TRANSITION : CHANGES_PER_EVENT);
    const { now } = this.#ports;
    for (const episode of step(plan, event, now())) {
      const alert = plan.alerts.get(episode);
      if (alert === undefined) continue;
      const channels = channelsToLookAt(plan, alert);
      for (let at = 0; at < Math.max(1, channels.length); at += CHANNELS_PER_LOOK) {
        const some = channels.slice(at, at + CHANNELS_PER_LOOK);
        await this.#makeRoom(plan, changesPerLook(some.length));
        step(plan, { kind: 'look', episode, channels: some }, now());
      }
    }
  }

  async #present(plan: Plan): Promise<void> {
    for (const device of this.#presence) {
      this.#presence.delete(device);
      await this.#follow(plan, { kind: 'presence', device });
    }
    await this.#commit(plan);
  }

  async #ticks(plan: Plan): Promise<void> {
    const { now } = this.#ports;
    for (let key = plan.timers.take(now()); key !== undefined; key = plan.timers.take(now())) {
      await this.#follow(plan, { kind: 'due', key });
      // What has come meanwhile is not to wait for a thousand reminders.
      if (this.#awake) break;
    }
    await this.#commit(plan);
  }

  /** @param wanted changes that are to come; always with the items that are planned, and the one under way */
  async #makeRoom(plan: Plan, wanted = 0): Promise<void> {
    if (plan.changes + wanted + this.#planned.length + 2 > CHANGES_MAX) await this.#commit(plan);
  }

  async #commit(plan: Plan): Promise<void> {
    const changed = plan.takeChanged();
    const progress = this.#progress?.();
    const changes = [...changesOf(plan, changed), ...this.#planned, ...(progress === undefined ? [] : [progress])];
    for (const episode of changed.done.keys()) this.#done?.add(episode);
    this.#planned = [];
    if (changes.length === 0) return;
    await this.#ports.store.write(changes);
    const { messages } = changed;
    this.counts.sent(messages.map(({ message }) => message));
    if (messages.length > 0) this.#ports.planned(new Set(messages.map(({ message }) => message.channel)));
  }

  async #sleep(until: number | undefined): Promise<void> {
    this.#nap = new AbortController();
    if (this.#awake || this.#stopping.signal.aborted) return;
    const { signal } = this.#nap;
    if (until === undefined) {
      await new Promise((woken) => signal.addEventListener('abort', woken, { once: true }));
      return;
    }
    const ms = Math.min(SLEEP_MS_MAX, until - this.#ports.now());
    if (ms > 0) await (this.#ports.sleep ?? systemClock.sleep)(ms, signal);
  }
}

function taken({ transition, origin, channels }: Telling, at: number): PlanEvent & { kind: 'transition' } {
  return { kind: 'transition', transition, origin, at, channels };
}
