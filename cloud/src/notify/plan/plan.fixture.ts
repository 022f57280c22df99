/** The plan over a store in memory, for tests: a clock that the test moves, a hub that is killed, and what each channel was told. */
import type { AlertTransition } from '@weir/protocols';
import { createMemoryStore } from '../../store/memory.ts';
import { type Change, type Store, StoreError } from '../../store/store.ts';
import { channelKey } from '../channels.ts';
import type { DeviceFacts } from '../labels.ts';
import type { AlertMessage } from '../message.ts';
import type { Notification } from '../outbox.ts';
import type { ChannelPolicyInput } from './channel-policy.ts';
import { type IntakeEntry, intakeChange } from './intake.ts';
import { Planner } from './planner.ts';
import { Planning } from './planning.ts';
import type { OperatorNote } from './state.ts';

/** A Monday. */
export const START = Date.UTC(2026, 10, 2, 12);

export class Bench {
  readonly store: Store = createMemoryStore();
  readonly away = new Set<string>();
  readonly facts = new Map<string, DeviceFacts>();
  now = START;
  /** Of the planner. */
  writes = 0;
  /** Changes of these. */
  changes = 0;
  /** Asked at each write of the planner: whether the hub is killed there, before it is durable or after. */
  killedAt: (write: number) => 'before' | 'after' | undefined = () => undefined;
  #numbers = 0;
  #planner: Planner | undefined;

  async channel(name: string, policy: ChannelPolicyInput = {}): Promise<void> {
    const json = { id: name, kind: 'terminal', createdAt: this.now, delivered: 0, dropped: 0, policy };
    await this.store.write([{ put: channelKey(name), json }]);
    if (this.#planner !== undefined) await this.plan();
  }

  async removeChannel(name: string): Promise<void> {
    await this.store.write([{ remove: channelKey(name) }]);
    await this.plan();
  }

  /** Commits what came in, as workers and operators do, in one item. */
  async put(...entries: IntakeEntry[]): Promise<void> {
    await this.store.write([intakeChange(String(this.#numbers++).padStart(6, '0'), entries, this.now)]);
  }

  async tell(transitions: readonly AlertTransition[], origin: 'edge' | 'cloud' = 'edge'): Promise<void> {
    const { items } = await this.store.query({ table: 'channel', partition: 'all' });
    const channels = items.map(({ sort }) => sort);
    await this.put(...transitions.map((transition) => ({ transition, origin, channels })));
    await this.plan();
  }

  async operator(episode: string, what: OperatorNote['what'], until?: number): Promise<void> {
    const note: OperatorNote = { id: `op${this.#numbers}`, episode, what, at: this.now, by: 'ann' };
    await this.put({ operator: until === undefined ? note : { ...note, until } });
    await this.plan();
  }

  async presence(device: string, isAway: boolean): Promise<void> {
    if (isAway) this.away.add(device);
    else this.away.delete(device);
    this.planner.heard(device);
    await this.plan();
  }

  get planning(): Planning {
    const random = (bytes: number) => Buffer.from(String(this.#numbers++).padStart(2 * bytes, '0'), 'hex');
    return new Planning({ store: this.store, now: () => this.now, random, planner: this.planner });
  }

  /** Adds one and plans. */
  async silence(matchers: string, forMs: number, startsAt = this.now) {
    const made = await this.planning.addSilence({ matchers, startsAt, endsAt: startsAt + forMs }, 'ann');
    await this.plan();
    return made;
  }

  async policy(text: string): Promise<void> {
    await this.planning.applyPolicy(text, 'ann');
    await this.plan();
  }

  get planner(): Planner {
    this.#planner ??= new Planner({
      store: killable(this.store, (changes) => this.#write(changes)),
      now: () => this.now,
      log: () => {},
      facts: async (device) => this.facts.get(device),
      isAway: (device) => this.away.has(device),
      planned: () => {},
    });
    return this.#planner;
  }

  /** The hub is started anew, with nothing but what is in the store. */
  restart(): void {
    this.#planner = undefined;
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const kill = this.killedAt(this.writes++);
    if (kill === 'before') throw new Killed();
    await this.store.write(changes);
    this.changes += changes.length;
    if (kill === 'after') throw new Killed();
  }

  /** All that there is to be planned now. @returns when something falls due */
  async plan(): Promise<number | undefined> {
    for (;;) {
      try {
        const next = await this.planner.round();
        if (next === undefined || next > this.now) return next;
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
        this.restart();
      }
    }
  }

  /** Lets time pass, and all that falls due meanwhile happen at its time. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const next = await this.plan();
      if (next === undefined || next > end) break;
      this.now = Math.max(this.now, next);
    }
    this.now = end;
    await this.plan();
  }

  /** What a channel was told so far, in order. */
  async messages(channel: string): Promise<AlertMessage[]> {
    const found: AlertMessage[] = [];
    let after: string | undefined;
    do {
      const query = { table: 'notification', partition: channel };
      const page = await this.store.query(after === undefined ? query : { ...query, after });
      found.push(...page.items.map(({ json }) => (json as Notification).message));
      after = page.next;
    } while (after !== undefined);
    return found;
  }

  /** In short: why, and what of. */
  async lines(channel: string): Promise<string[]> {
    const all = await this.messages(channel);
    return all.map(({ why, alerts, leftOut }) => {
      const listed = alerts.map(({ episode, status }) => `${episode}${status === 'resolved' ? ' over' : ''}`).sort();
      return `${why}: ${[...listed, ...(leftOut > 0 ? [`and ${leftOut}`] : [])].join(', ')}`;
    });
  }
}

export async function bench(...channels: Parameters<Bench['channel']>[]): Promise<Bench> {
  const made = new Bench();
  for (const channel of channels.length > 0 ? channels : [['a'] as const]) await made.channel(...(channel as ['a']));
  return made;
}

class Killed extends StoreError {
  constructor() {
    super('io', 'the hub was killed here');
  }
}

function killable(store: Store, write: Store['write']): Store {
  return {
    get: (key) => store.get(key),
    query: (query) => store.query(query),
    partitions: (table, options) => store.partitions(table, options),
    write,
    close: () => store.close(),
  };
}

/** Of one sensor each, unless said otherwise. */
export function firing(episode: string, at: number, over: Partial<AlertTransition> = {}): AlertTransition {
  return {
    ...{ episode, seq: 1, state: 'firing', reason: 'threshold', severity: 'warning' },
    source: { kind: 'rule', name: 'oven-hot', version: '1' },
    ...{ device: 'gw1', sensor: `s-${episode}`, metric: 'temperature', ts: at, startedAt: at, summary: episode },
    ...over,
  };
}

export function over(episode: string, at: number, more: Partial<AlertTransition> = {}): AlertTransition {
  return firing(episode, at, { seq: 2, state: 'resolved', reason: 'cleared', ...more });
}
