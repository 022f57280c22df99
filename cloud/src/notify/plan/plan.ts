/** All that is remembered, with the ways in which it is looked up, and what of it changed since it was written. */
import type { AlertMessage } from '../message.ts';
import { subjectOf } from './flapping.ts';
import { InhibitionIndex, MORE_SEVERE } from './inhibition.ts';
import type { ChannelState, Flaps, HoldReason, LogEntry, Place, PlannedAlert, Queue, Settings } from './state.ts';
import { Timers } from './timers.ts';

/** What a step brought about, to be written in one go. */
export interface Changed {
  alerts: Set<string>;
  /** Alerts that are done with, and what became of them. */
  done: Map<string, LogEntry[]>;
  /** Keys of queues, by channel and key. */
  queues: Map<string, { channel: string; key: string }>;
  channels: Set<string>;
  flaps: Set<string>;
  messages: { message: AlertMessage; order: number }[];
}

const nothing = (): Changed => ({
  ...{ alerts: new Set(), done: new Map(), queues: new Map(), channels: new Set(), flaps: new Set(), messages: [] },
});

export class Plan {
  readonly alerts = new Map<string, PlannedAlert>();
  readonly channels = new Map<string, ChannelState>();
  readonly flaps = new Map<string, Flaps>();
  readonly timers = new Timers();
  /** When a device said something of an alert last, by the hub's clock; of those with alerts. */
  readonly heardAt = new Map<string, number>();
  settings: Settings;
  /** Called each time that something begins to hold a message back. */
  heldBack: (by: HoldReason) => void = () => {};
  changed: Changed = nothing();
  readonly #queues = new Map<string, Queue>();
  /** Episodes in the batches to come. */
  readonly #waiting = new Map<string, Set<string>>();
  /** Episodes that were told with a queue, and still fire. */
  readonly #firing = new Map<string, Set<string>>();
  readonly #ofDevice = new Map<string, Set<string>>();
  readonly #ofSubject = new Map<string, Set<string>>();
  #inhibitions: InhibitionIndex;

  constructor(settings: Settings) {
    this.settings = settings;
    this.#inhibitions = indexOf(settings);
  }

  /** Everything has to be looked at again after it. */
  set(settings: Settings): void {
    this.settings = settings;
    this.#inhibitions = indexOf(settings);
    for (const alert of this.alerts.values()) if (inhibits(alert)) this.#inhibitions.add(idOf(alert), alert.labels);
  }

  get inhibitions(): InhibitionIndex {
    return this.#inhibitions;
  }

  takeChanged(): Changed {
    const { changed } = this;
    this.changed = nothing();
    return changed;
  }

  get changes(): number {
    const { alerts, done, queues, channels, flaps, messages } = this.changed;
    return alerts.size + 2 * done.size + queues.size + channels.size + flaps.size + messages.length;
  }

  add(alert: PlannedAlert): void {
    const episode = idOf(alert);
    this.alerts.set(episode, alert);
    addTo(this.#ofDevice, alert.transition.device, episode);
    addTo(this.#ofSubject, subjectOf(alert.transition), episode);
    if (inhibits(alert)) this.#inhibitions.add(episode, alert.labels);
    for (const [channel, known] of Object.entries(alert.knows)) {
      for (const place of [known.told?.place, known.update?.place, known.end]) {
        if (place !== undefined && this.isOpen(channel, place)) addTo(this.#waiting, batchKey(channel, place), episode);
      }
      if (known.told?.place !== undefined) this.fires(channel, known.told.place.queue, episode);
    }
  }

  /** Labels, or whether it is over, are others now. */
  relabel(alert: PlannedAlert, change: () => void): void {
    const episode = idOf(alert);
    if (inhibits(alert)) this.#inhibitions.remove(episode, alert.labels);
    change();
    if (inhibits(alert)) this.#inhibitions.add(episode, alert.labels);
    this.touch(alert);
  }

  remove(alert: PlannedAlert): void {
    const episode = idOf(alert);
    this.alerts.delete(episode);
    this.timers.set(`alert/${episode}`, undefined);
    if (inhibits(alert)) this.#inhibitions.remove(episode, alert.labels);
    takeFrom(this.#ofSubject, subjectOf(alert.transition), episode);
    if (takeFrom(this.#ofDevice, alert.transition.device, episode)) this.heardAt.delete(alert.transition.device);
    this.changed.alerts.delete(episode);
    this.changed.done.set(episode, alert.log);
  }

  touch(alert: PlannedAlert): void {
    this.changed.alerts.add(idOf(alert));
  }

  ofDevice(device: string): readonly string[] {
    return [...(this.#ofDevice.get(device) ?? [])];
  }

  ofSubject(subject: string): readonly string[] {
    return [...(this.#ofSubject.get(subject) ?? [])];
  }

  channel(id: string): ChannelState {
    let channel = this.channels.get(id);
    if (channel === undefined) {
      channel = { id, count: 0, sentAt: [] };
      this.channels.set(id, channel);
    }
    return channel;
  }

  queue(channel: string, key: string): Queue | undefined {
    return this.#queues.get(queueKey(channel, key));
  }

  queues(): Iterable<[string, Queue]> {
    return [...this.#queues].map(([key, queue]) => [key.slice(0, key.indexOf('\n')), queue]);
  }

  setQueue(channel: string, queue: Queue): void {
    this.#queues.set(queueKey(channel, queue.key), queue);
  }

  touchQueue(channel: string, { key, dueAt }: Pick<Queue, 'key' | 'dueAt'>): void {
    this.changed.queues.set(queueKey(channel, key), { channel, key });
    this.timers.set(`queue/${channel}/${key}`, dueAt);
  }

  removeQueue(channel: string, queue: Queue): void {
    const key = queueKey(channel, queue.key);
    this.#queues.delete(key);
    for (const batch of queue.open) this.#waiting.delete(batchKey(channel, { queue: queue.key, batch }));
    this.#firing.delete(key);
    this.touchQueue(channel, { key: queue.key });
  }

  isOpen(channel: string, { queue, batch }: Place): boolean {
    return this.queue(channel, queue)?.open.includes(batch) ?? false;
  }

  waiting(channel: string, place: Place): ReadonlySet<string> {
    return this.#waiting.get(batchKey(channel, place)) ?? NONE;
  }

  wait(channel: string, place: Place, episode: string): void {
    addTo(this.#waiting, batchKey(channel, place), episode);
  }

  unwait(channel: string, place: Place, episode: string): void {
    takeFrom(this.#waiting, batchKey(channel, place), episode);
  }

  closed(channel: string, place: Place): void {
    this.#waiting.delete(batchKey(channel, place));
  }

  /** Told with this queue, and not over. */
  firing(channel: string, queue: string): ReadonlySet<string> {
    return this.#firing.get(queueKey(channel, queue)) ?? NONE;
  }

  fires(channel: string, queue: string, episode: string): void {
    if (this.queue(channel, queue)?.kind === 'group') addTo(this.#firing, queueKey(channel, queue), episode);
  }

  firesNoMore(channel: string, queue: string, episode: string): void {
    takeFrom(this.#firing, queueKey(channel, queue), episode);
  }
}

const NONE: ReadonlySet<string> = new Set();

export function idOf({ transition }: PlannedAlert): string {
  return transition.episode;
}

function inhibits({ isOver, transition }: PlannedAlert): boolean {
  return !isOver && transition.dryRun !== true && transition.historical !== true;
}

function indexOf({ policy }: Settings): InhibitionIndex {
  const isWanted = !policy.inhibitNot.includes('more-severe');
  return new InhibitionIndex([...policy.inhibit, ...(isWanted ? MORE_SEVERE : [])]);
}

function queueKey(channel: string, key: string): string {
  return `${channel}\n${key}`;
}

function batchKey(channel: string, { queue, batch }: Place): string {
  return `${channel}\n${queue}\n${batch}`;
}

function addTo(map: Map<string, Set<string>>, key: string, value: string): void {
  const found = map.get(key);
  if (found === undefined) map.set(key, new Set([value]));
  else found.add(value);
}

/** @returns whether none is left */
function takeFrom(map: Map<string, Set<string>>, key: string, value: string): boolean {
  const found = map.get(key);
  if (found === undefined) return true;
  found.delete(value);
  if (found.size > 0) return false;
  map.delete(key);
  return true;
}
