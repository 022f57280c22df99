/** What operators do with channels. Each change is in the store before it resolves, and the delivery of the channel begins anew with it. */
import { UsageError } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import { carryAll } from './carriers/carriers.ts';
import { CHANNELS_MAX, type ChannelStored, channelKey, removalOf, storedChannels } from './channels.ts';
import { checkTemplate, composed } from './compose.ts';
import { type ChannelLetter, listLetters, type Replayed, replayLetters } from './dead-letters.ts';
import { type ChannelDelivery, type CircuitState, insideOf } from './delivery.ts';
import type { Outcome } from './kinds/kind.ts';
import { KINDS, type KindName } from './kinds/kinds.ts';
import { rotated, type WebhookSettings } from './kinds/webhook.ts';
import type { NotifierPorts } from './notify.ts';
import { type ChannelPolicyInput, channelPolicySchema } from './plan/channel-policy.ts';
import { type Preview, withoutSecrets } from './preview.ts';
import { sampleMessages } from './samples.ts';
import {
  checkSettings,
  type OpenChannel,
  openChannel,
  requireSettings,
  type Settings,
  sealSettings,
} from './settings.ts';
import { parseTemplate } from './template.ts';

/** With the settings of its kind beside. */
export interface ChannelTarget {
  kind: KindName;
  policy?: ChannelPolicyInput | undefined;
  template?: string | undefined;
  [setting: string]: unknown;
}

/** What is not named stays; null: as if it had never been given. */
export interface ChannelChange {
  settings?: Record<string, unknown> | undefined;
  policy?: Record<string, unknown> | undefined;
  template?: string | null | undefined;
  /** A new signing secret beside those there are, or only the newest of them. */
  rotate?: 'begin' | 'end' | undefined;
}

/**
 * `failing`: the last attempt failed, it is tried again; `disabled`: the receiver answered 410 Gone, or an operator has turned it off;
 * `damaged`: its secrets cannot be opened with the key of this hub.
 */
export type ChannelState = 'idle' | 'ok' | 'failing' | 'disabled' | 'damaged';

export interface ChannelRecord {
  name: string;
  kind: KindName;
  /** Where it goes, without what may be a secret. */
  url?: string;
  signed: boolean;
  createdAt: number;
  state: ChannelState;
  circuit: CircuitState;
  /** Without what is secret: of that the names alone. */
  settings: Settings;
  secrets: string[];
  policy?: ChannelPolicyInput;
  template?: string;
  /** Notifications that wait. */
  waiting: number;
  delivered: number;
  /** Given up for good. */
  dropped: number;
  /** Given up, and kept to be sent again. */
  deadLetters: number;
  lastDeliveredAt?: number;
  /** What went wrong last, while `failing` or `disabled`. */
  lastError?: string;
  nextAttemptAt?: number;
}

export interface TestResult {
  /** Of the sample that fires, and of that which ends it. */
  results: { status: 'firing' | 'resolved'; delivered: boolean; detail: string }[];
  delivered: boolean;
  detail: string;
}

export interface ChannelAdmin {
  /** @returns the signing secret, for this once. @throws {UsageError} */
  add(name: string, target: ChannelTarget): Promise<{ secret?: string }>;
  change(name: string, change: ChannelChange): Promise<{ secret?: string }>;
  /**
   * @param options.force though the ends of what it was told to fire will be told to nobody then
   * @throws {UsageError} `channel-told` when there are such
   */
  remove(name: string, options?: { force?: boolean | undefined }): Promise<void>;
  list(): Promise<ChannelRecord[]>;
  get(name: string): Promise<ChannelRecord>;
  /** What waits is sent, and what is new. */
  enable(name: string): Promise<void>;
  /** Nothing new is told to it; the ends of what was told wait. */
  disable(name: string): Promise<void>;
  /** Sends samples now; ones that arrive enable a channel again whose receiver was gone. */
  test(name: string): Promise<TestResult>;
  preview(name: string): Promise<Preview[]>;
  letters(name: string, page: { limit: number; after?: string }): Promise<{ items: ChannelLetter[]; next?: string }>;
  /** @throws {UsageError} `channel-turned-off`, `dead-letter-unknown` */
  replay(name: string, ids: readonly string[] | undefined): Promise<Replayed>;
}

/** What runs for the channels. */
export interface Deliveries {
  delivery(name: string): ChannelDelivery | undefined;
  open(name: string, channel: ChannelStored): void;
  close(name: string): Promise<void>;
  forget(id: string): Promise<void>;
  /** How many alerts it was told to fire whose end it was not told. @param id of a channel */
  openAt(id: string): number;
}

const NO_ABORT = new AbortController().signal;

export class StoredChannels implements ChannelAdmin {
  readonly #ports: NotifierPorts;
  readonly #deliveries: Deliveries;

  constructor(ports: NotifierPorts, deliveries: Deliveries) {
    this.#ports = ports;
    this.#deliveries = deliveries;
  }

  async add(name: string, { kind, policy, template, ...given }: ChannelTarget): Promise<{ secret?: string }> {
    const known = await storedChannels(this.#ports.store);
    if (known.has(name)) {
      throw new UsageError(
        'channel-exists',
        `there is a channel "${name}" already`,
        'choose another name, or remove it',
      );
    }
    if (known.size >= CHANNELS_MAX) {
      throw new UsageError(
        'limit-exceeded',
        `there are ${known.size} channels, which is the limit`,
        'remove one first',
      );
    }
    const { random, now, atRest, store } = this.#ports;
    const checked = checkSettings(kind, given);
    const { settings, shownOnce } = KINDS[kind].complete?.(checked, random) ?? { settings: checked };
    const id = Buffer.from(random(8)).toString('hex');
    const channel: ChannelStored = {
      ...{ id, kind, createdAt: now(), delivered: 0, dropped: 0 },
      ...sealSettings({ id, kind }, settings as Settings, atRest),
      ...policyFor(kind, policy),
      ...(template !== undefined && { template }),
    };
    if (template !== undefined) this.#checkTemplate(name, channel);
    await store.write([{ put: channelKey(name), json: channel, ifVersion: 0 }]);
    this.#deliveries.open(name, channel);
    return shownOnce === undefined ? {} : { secret: shownOnce };
  }

  async change(
    name: string,
    { settings: given, policy, template, rotate }: ChannelChange,
  ): Promise<{ secret?: string }> {
    let secret: string | undefined;
    await this.#write(name, (channel) => {
      const { id, kind } = channel;
      let settings = requireSettings(this.#opened(name, channel));
      if (given !== undefined) settings = checkSettings(kind, merged(settings, given));
      if (rotate !== undefined) {
        const made = this.#rotated(kind, settings, rotate);
        settings = made.settings as unknown as Settings;
        secret = made.shownOnce;
      }
      const { sealed: _, url: _url, secret: _secret, template: before, policy: policyBefore, ...kept } = channel;
      const nextPolicy = policy === undefined ? policyBefore : checkPolicy(merged(policyBefore ?? {}, policy));
      const nextTemplate = template === undefined ? before : (template ?? undefined);
      const next: ChannelStored = {
        ...kept,
        ...sealSettings({ id, kind }, settings, this.#ports.atRest),
        ...(nextPolicy !== undefined && { policy: nextPolicy }),
        ...(nextTemplate !== undefined && { template: nextTemplate }),
      };
      if (nextTemplate !== undefined) this.#checkTemplate(name, next);
      return next;
    });
    return secret === undefined ? {} : { secret };
  }

  async remove(name: string, { force = false }: { force?: boolean | undefined } = {}): Promise<void> {
    const channel = await this.#stored(name);
    // An Alertmanager takes for over what it is not told again.
    const open = KINDS[channel.kind].refresh === undefined ? this.#deliveries.openAt(channel.id) : 0;
    if (open > 0 && !force) throw toldRefusal(name, open);
    await this.#deliveries.close(name);
    const { store, now } = this.#ports;
    await store.write(await removalOf(store, name, channel.id, now()));
    await this.#deliveries.forget(channel.id);
  }

  async list(): Promise<ChannelRecord[]> {
    const known = await storedChannels(this.#ports.store);
    return Promise.all([...known].map(([name, channel]) => this.#describe(name, channel)));
  }

  async get(name: string): Promise<ChannelRecord> {
    return this.#describe(name, await this.#stored(name));
  }

  enable(name: string): Promise<void> {
    return this.#write(name, ({ disabled: _, ...channel }) => channel);
  }

  disable(name: string): Promise<void> {
    const disabled = { at: this.#ports.now(), detail: 'turned off by an operator', by: 'operator' as const };
    return this.#write(name, (channel) => ({ ...channel, disabled }));
  }

  async test(name: string): Promise<TestResult> {
    const channel = await this.#stored(name);
    const opened = this.#opened(name, channel);
    const results: TestResult['results'] = [];
    for (const message of this.#samples(opened)) {
      const { now, carriers } = this.#ports;
      const { parcels } = composed(opened, message, now());
      const inside = insideOf(this.#ports, name, message);
      const outcome = await carryAll(parcels, { carriers, inside, now, signal: NO_ABORT });
      results.push({ status: message.status, delivered: outcome.kind === 'delivered', detail: detailOf(outcome) });
      if (outcome.kind !== 'delivered') break;
    }
    const delivered = results.every((each) => each.delivered);
    const isGone = channel.disabled !== undefined && channel.disabled.by !== 'operator';
    if (delivered && isGone) await this.enable(name);
    return { results, delivered, detail: results.at(-1)!.detail };
  }

  async preview(name: string): Promise<Preview[]> {
    const opened = this.#opened(name, await this.#stored(name));
    return this.#samples(opened).map((message) => {
      const { parcels, fault } = composed(opened, message, this.#ports.now());
      const shown = parcels.map((parcel) => withoutSecrets(parcel, opened));
      return { status: message.status, parcels: shown, ...(fault !== undefined && { fault }) };
    });
  }

  async letters(name: string, page: { limit: number; after?: string }) {
    return listLetters(this.#ports.store, (await this.#stored(name)).id, page);
  }

  async replay(name: string, ids: readonly string[] | undefined): Promise<Replayed> {
    let replayed: Replayed = { replayed: 0, over: 0 };
    const { store, now } = this.#ports;
    const record = (channel: ChannelStored) => ({ put: channelKey(name), json: channel });
    await this.#apart(name, async (channel) => {
      replayed = await replayLetters(store, channel, now(), { name, ids, record });
      return channel;
    });
    return replayed;
  }

  #write(name: string, next: (channel: ChannelStored) => ChannelStored): Promise<void> {
    return this.#apart(name, async (channel) => {
      const written = next(channel);
      await this.#ports.store.write([{ put: channelKey(name), json: written }]);
      return written;
    });
  }

  /** While nothing is delivered: who delivers writes the same item. */
  async #apart(name: string, run: (channel: ChannelStored) => Promise<ChannelStored>): Promise<void> {
    await this.#stored(name);
    await this.#deliveries.close(name);
    let channel = await this.#stored(name);
    try {
      channel = await run(channel);
    } finally {
      this.#deliveries.open(name, channel);
    }
  }

  #opened(name: string, channel: ChannelStored): OpenChannel {
    return openChannel(name, channel, this.#ports.atRest);
  }

  #samples({ name, stored: { id } }: OpenChannel) {
    const { random, now } = this.#ports;
    return sampleMessages({ id, name }, Buffer.from(random(8)).toString('hex'), now());
  }

  #checkTemplate(name: string, channel: ChannelStored): void {
    parseTemplate(channel.template!);
    const opened = this.#opened(name, channel);
    checkTemplate(opened, channel.template!, this.#samples(opened));
  }

  #rotated(kind: KindName, settings: Settings, rotate: 'begin' | 'end') {
    if (kind !== 'webhook') {
      throw new UsageError('channel-not-signed', `a channel of kind ${kind} does not sign`, 'only webhooks do');
    }
    const webhook = settings as unknown as WebhookSettings;
    if (rotate === 'begin') return rotated(webhook, this.#ports.random);
    return { settings: { ...webhook, signingSecrets: webhook.signingSecrets.slice(0, 1) }, shownOnce: undefined };
  }

  async #stored(name: string): Promise<ChannelStored> {
    const channel = (await storedChannels(this.#ports.store)).get(name);
    if (channel !== undefined) return channel;
    throw new UsageError('channel-unknown', `there is no channel "${name}"`, 'see which there are: weir channel list');
  }

  async #describe(name: string, channel: ChannelStored): Promise<ChannelRecord> {
    const delivery = this.#deliveries.delivery(name);
    const opened = this.#opened(name, channel);
    const { kind, settings } = opened;
    const signing = settings?.signingSecrets;
    const record: ChannelRecord = {
      name,
      kind: channel.kind,
      signed: Array.isArray(signing) && signing.length > 0,
      createdAt: channel.createdAt,
      state: stateOf(opened, delivery),
      circuit: delivery?.circuit ?? 'closed',
      settings: Object.fromEntries(Object.entries(settings ?? {}).filter(([key]) => !kind.secrets.includes(key))),
      secrets: kind.secrets.filter((key) => isGiven(settings?.[key])),
      waiting: await countOf(this.#ports.store, channel.id),
      delivered: channel.delivered,
      dropped: channel.dropped,
      deadLetters: channel.deadLetters ?? 0,
    };
    if (channel.policy !== undefined) record.policy = channel.policy;
    if (channel.template !== undefined) record.template = channel.template;
    const where = settings === undefined ? '' : kind.where(settings);
    if (where !== '') record.url = where;
    if (channel.lastDeliveredAt !== undefined) record.lastDeliveredAt = channel.lastDeliveredAt;
    const lastError = channel.disabled?.detail ?? delivery?.lastError;
    if (lastError !== undefined) record.lastError = lastError;
    if (delivery?.nextAttemptAt !== undefined) record.nextAttemptAt = delivery.nextAttemptAt;
    return record;
  }
}

/** As given, with the rate of the kind. */
function policyFor(kind: KindName, given: ChannelPolicyInput | undefined): { policy?: ChannelPolicyInput } {
  const { rate } = KINDS[kind];
  if (given === undefined && rate === undefined) return {};
  return { policy: checkPolicy({ ...(rate !== undefined && { rate }), ...given }) };
}

/** @throws {UsageError} `channel-policy-invalid` */
function checkPolicy(given: object): ChannelPolicyInput {
  const result = channelPolicySchema.safeParse(given);
  if (result.success) return given as ChannelPolicyInput;
  const wrong = result.error.issues.slice(0, 3).map(({ path, message }) => `${path.join('.') || 'policy'}: ${message}`);
  throw new UsageError(
    'channel-policy-invalid',
    `the policy of the channel cannot be like this: ${wrong.join('; ')}`,
    'see weir channel add --help',
  );
}

function merged(before: object, given: Record<string, unknown>): Record<string, unknown> {
  const all = { ...before, ...given };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null && value !== undefined));
}

function toldRefusal(name: string, open: number): UsageError {
  const what = open === 1 ? 'an alert that is' : `${open} alerts that are`;
  return new UsageError(
    'channel-told',
    `channel "${name}" was told of ${what} not over; removed now, it would never be told the end`,
    'to change it: weir channel set; to tell it nothing new: weir channel disable; to remove it all the same: --force',
  );
}

function isGiven(value: unknown): boolean {
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return value !== undefined;
}

function detailOf(outcome: Outcome): string {
  return outcome.kind === 'stopped' ? 'the hub stops' : outcome.detail;
}

function stateOf({ stored, settings }: OpenChannel, delivery: ChannelDelivery | undefined): ChannelState {
  if (stored.disabled !== undefined) return 'disabled';
  if (settings === undefined) return 'damaged';
  if (delivery?.lastError !== undefined) return 'failing';
  return stored.lastDeliveredAt === undefined ? 'idle' : 'ok';
}

async function countOf(store: Store, id: string): Promise<number> {
  let count = 0;
  let after: string | undefined;
  do {
    const query = { table: 'notification', partition: id, limit: 500 };
    const page = await store.query(after === undefined ? query : { ...query, after });
    count += page.items.length;
    after = page.next;
  } while (after !== undefined);
  return count;
}
