/** Tells of alerts, as committed: one loop for each channel, so that one that is dead delays no other. */
import { transitionBody, transitionKey } from '@weir/protocols';
import { parseRetryAfter, RequestFailure, type SendHttp, webhookHeaders } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import type { LocalPublish } from '../intake/broker.ts';
import type { Spool } from '../spool/spool.ts';
import { noticeChannels } from './config.ts';
import { type Notice, type NoticeChannel, topicFor, topicPayload } from './notices.ts';

export interface TellerPorts {
  spool: Spool;
  clock: Clock;
  /** 0 to 1 */
  random: () => number;
  send: SendHttp;
  /** To local subscribers. */
  publish: (message: LocalPublish) => Promise<void>;
  onFailure: (what: string, error: Error) => void;
}

/** What webhooks need of the machine. */
export interface NoticePorts {
  /** Reaches what the configuration allows, and nothing else. */
  send: SendHttp;
  /** Signing secrets by channel; of one that does not sign, none. */
  secrets: ReadonlyMap<string, string>;
}

interface TellerOptions {
  channels: readonly NoticeChannel[];
  secrets: ReadonlyMap<string, string>;
  /** ms */
  timeout: number;
  giveUp: number;
}

/** @param machine undefined: nothing beyond the local broker is reached */
export function noticeTeller(
  ports: Omit<TellerPorts, 'send'>,
  alerts: Config['alerts'],
  machine: NoticePorts | undefined,
): Teller {
  const { timeout, giveUp } = alerts;
  const send = machine?.send ?? (() => Promise.reject(new RequestFailure('there is no network here', false)));
  const secrets = machine?.secrets ?? new Map<string, string>();
  return new Teller({ ...ports, send }, { channels: noticeChannels(alerts), secrets, timeout, giveUp });
}

export interface NoticesStatus {
  channels: ChannelStatus[];
  /** Given up at a bound, since the data folder was made. */
  dropped: number;
}

export interface ChannelStatus {
  name: string;
  kind: NoticeChannel['kind'];
  /** Where it goes, without what may be a secret. */
  where: string;
  waiting: number;
  /** Since the agent was started. */
  delivered: number;
  lastDeliveredAt?: number;
  /** What went wrong last, until something arrives. */
  lastError?: string;
  nextAttemptAt?: number;
}

/** Read in one go. */
const ROUND_MAX = 20;
/** Full jitter: anywhere up to these, then up to the last again. */
const BOUNDS_MS = [2_000, 10_000, 30_000, 60_000, 300_000];
/** Of a receiver that fails at once. */
const LEAST_MS = 100;
const RETRY_AFTER_MS_MAX = 3_600_000;
const SPOOL_RETRY_MS = 5_000;

interface Failed {
  kind: 'refused' | 'unavailable';
  detail: string;
  retryAfterMs?: number;
}
type Outcome = { kind: 'delivered' } | Failed;

export class Teller {
  readonly #ports: TellerPorts;
  readonly #loops: ChannelLoop[];

  constructor(ports: TellerPorts, options: TellerOptions) {
    this.#ports = ports;
    this.#loops = options.channels.map((channel) => new ChannelLoop(channel, ports, options));
  }

  /** What the broker forgot when the agent ended is said again. */
  async start(): Promise<void> {
    if (this.#loops.length === 0) return;
    const { spool, publish, onFailure } = this.#ports;
    for (const { topic, payload } of await spool.call('noticeTopics')) {
      await publish({ topic, payload, qos: 1, retain: true }).catch((error) =>
        onFailure(`the state on ${topic} was refused by the local broker`, error as Error),
      );
    }
    this.wake();
  }

  /** To be called after a commit that made something to tell; cheap. */
  wake(): void {
    for (const loop of this.#loops) loop.wake();
  }

  async stop(): Promise<void> {
    await Promise.all(this.#loops.map((loop) => loop.stop()));
  }

  async status(): Promise<NoticesStatus> {
    if (this.#loops.length === 0) return { channels: [], dropped: 0 };
    const { waiting, dropped } = await this.#ports.spool.call('noticeCounts');
    return { channels: this.#loops.map((loop) => loop.status(waiting[loop.name] ?? 0)), dropped };
  }
}

class ChannelLoop {
  readonly #channel: NoticeChannel;
  readonly #ports: TellerPorts;
  readonly #options: TellerOptions;
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #again = false;
  #cancel = () => {};
  /** In a row. */
  #failures = 0;
  /** Of single notices, refused while others pass: when they may be tried again. */
  readonly #refused = new Map<number, { times: number; until: number }>();
  #pausedUntil = 0;
  #delivered = 0;
  #lastDeliveredAt: number | undefined;
  #lastError: string | undefined;

  constructor(channel: NoticeChannel, ports: TellerPorts, options: TellerOptions) {
    this.#channel = channel;
    this.#ports = ports;
    this.#options = options;
  }

  get name(): string {
    return this.#channel.name;
  }

  wake(): void {
    if (this.#stopping.signal.aborted) return;
    this.#again = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#again) this.wake();
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancel();
    await this.#running;
  }

  status(waiting: number): ChannelStatus {
    const { name, kind } = this.#channel;
    const isPaused = this.#lastError !== undefined && this.#pausedUntil > this.#monotonic;
    return {
      ...{ name, kind, where: whereOf(this.#channel), waiting, delivered: this.#delivered },
      ...(this.#lastDeliveredAt !== undefined && { lastDeliveredAt: this.#lastDeliveredAt }),
      ...(this.#lastError !== undefined && { lastError: this.#lastError }),
      ...(isPaused && { nextAttemptAt: Math.round(this.#ports.clock.now() + this.#pausedUntil - this.#monotonic) }),
    };
  }

  /** Spans go by this: nobody waits longer because somebody set the clock. */
  get #monotonic(): number {
    return this.#ports.clock.monotonic();
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopping.signal.aborted) {
      this.#again = false;
      this.#cancel();
      try {
        const waitMs = await this.#round();
        if (waitMs !== undefined) this.#wakeIn(waitMs);
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        this.#ports.onFailure('what is to be told of alerts cannot be read', error as Error);
        this.#wakeIn(SPOOL_RETRY_MS);
      }
    }
  }

  #wakeIn(ms: number): void {
    if (!this.#stopping.signal.aborted) this.#cancel = this.#ports.clock.after(ms, () => this.wake());
  }

  /** @returns when something is to be done next, in ms; undefined: when there is something new */
  async #round(): Promise<number | undefined> {
    if (this.#pausedUntil > this.#monotonic) return this.#pausedUntil - this.#monotonic;
    const { spool, clock } = this.#ports;
    const now = clock.now();
    const { notices, nextAt } = await spool.call('notices', this.name, now, ROUND_MAX + this.#refused.size);
    const there = new Set(notices.map(({ id }) => id));
    for (const id of this.#refused.keys()) if (!there.has(id)) this.#refused.delete(id);
    const due = notices.filter(({ id }) => (this.#refused.get(id)?.until ?? 0) <= this.#monotonic);
    for (const notice of due.slice(0, ROUND_MAX)) {
      if (this.#stopping.signal.aborted) return undefined;
      const outcome = await this.#attempt(notice);
      if (outcome === undefined) return undefined;
      if (outcome.kind === 'delivered') await this.#arrived(notice);
      else if (await this.#failed(notice, outcome)) return this.#pausedUntil - this.#monotonic;
    }
    if (due.length > 0) {
      this.#again = true;
      return undefined;
    }
    const waits = [...this.#refused.values()].map(({ until }) => until - this.#monotonic);
    if (nextAt !== undefined) waits.push(nextAt - now);
    return waits.length === 0 ? undefined : Math.max(LEAST_MS, Math.min(...waits));
  }

  async #arrived({ id }: Notice): Promise<void> {
    await this.#ports.spool.call('noticesDone', [id], this.#ports.clock.now());
    this.#refused.delete(id);
    this.#failures = 0;
    this.#delivered += 1;
    this.#lastDeliveredAt = this.#ports.clock.now();
    // As long as anything is refused, that is what there is to be seen.
    if (this.#refused.size === 0) this.#lastError = undefined;
  }

  /** @returns whether the receiver is to be left alone for a while */
  async #failed({ id, createdAt }: Notice, outcome: Failed): Promise<boolean> {
    const { clock, random, spool } = this.#ports;
    this.#lastError = outcome.detail;
    if (clock.now() - createdAt > this.#options.giveUp) {
      this.#refused.delete(id);
      await spool.call('noticesGivenUp', [id]);
    }
    const isRefused = outcome.kind === 'refused';
    const times = isRefused ? (this.#refused.get(id)?.times ?? 0) + 1 : ++this.#failures;
    const bound = BOUNDS_MS[Math.min(times, BOUNDS_MS.length) - 1]!;
    const asked = Math.min(outcome.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX);
    const until = this.#monotonic + asked + Math.max(LEAST_MS, Math.round(bound * random()));
    if (!isRefused) {
      this.#pausedUntil = until;
      return true;
    }
    if (clock.now() - createdAt <= this.#options.giveUp) this.#refused.set(id, { times, until });
    return false;
  }

  /** @returns undefined when the agent stops */
  async #attempt({ transition }: Notice): Promise<Outcome | undefined> {
    const channel = this.#channel;
    const { clock, publish } = this.#ports;
    try {
      if (channel.kind === 'mqtt') {
        const topic = topicFor(channel.topic, transition);
        await publish({ topic, payload: topicPayload(transition), qos: 1, retain: true });
        return { kind: 'delivered' };
      }
      const body = transitionBody(transition, { origin: 'edge' });
      const secret = this.#options.secrets.get(channel.name);
      const own = webhookHeaders(transitionKey(transition), body, secret === undefined ? [] : [secret], clock.now());
      return await this.#post(channel.url, { ...channel.headers, ...own }, body);
    } catch (error) {
      if (this.#stopping.signal.aborted) return undefined;
      return { kind: 'unavailable', detail: (error as Error).message };
    }
  }

  async #post(url: string, headers: Record<string, string>, body: string): Promise<Outcome> {
    const { clock, send } = this.#ports;
    const timeout = new AbortController();
    const cancel = clock.after(this.#options.timeout, () => timeout.abort());
    try {
      const signal = AbortSignal.any([timeout.signal, this.#stopping.signal]);
      const call = { method: 'POST' as const, url: new URL(url), headers, body, mayBePrivate: false };
      const { status, headers: answer } = await send(call, signal);
      if (status >= 200 && status < 300) return { kind: 'delivered' };
      const ownFault = status >= 400 && status < 500 && status !== 408 && status !== 425 && status !== 429;
      const { 'retry-after': asked } = answer;
      const retryAfterMs = parseRetryAfter(typeof asked === 'string' ? asked : undefined, clock.now());
      const outcome = { kind: ownFault ? ('refused' as const) : ('unavailable' as const), detail: `HTTP ${status}` };
      return retryAfterMs === undefined ? outcome : { ...outcome, retryAfterMs };
    } catch (error) {
      if (timeout.signal.aborted) throw new RequestFailure(`no answer within ${this.#options.timeout / 1000} s`, true);
      throw error;
    } finally {
      cancel();
    }
  }
}

function whereOf(channel: NoticeChannel): string {
  return channel.kind === 'mqtt' ? channel.topic : `${new URL(channel.url).origin}/…`;
}
