/**
 * Commands to devices: kept until the device has reported what became of them, or their time is over.
 *
 *     operator, functions --> store --> delivery --> downlink --> device
 *                               ^        (again and again)           |
 *                               +------ report `command-done` <------+
 */
import { createHash } from 'node:crypto';
import { CommandError, type CommandMessage, encodeCommand, type Json, type Report } from '@weir/protocols';
import { type DeviceCommand, UsageError } from '@weir/runtime';

import type { DeviceRecord, Fleet } from '../fleet/fleet.ts';
import { unknownDevice } from '../fleet/unknown-device.ts';

import type { Change } from '../store/store.ts';
import type { ReportHandler } from '../workers/reports.ts';
import { type CommandRecord, commandKey, commandsOf, recordOf, type StoredCommand } from './command.ts';
import { CommandDelivery, type DeliveryCounts, type DeliveryPorts } from './delivery.ts';

export interface CommandRequest {
  name: string;
  payload: Json;
  /** Undefined: every function on the device that handles commands. */
  function?: string;
  expiryMs: number;
  /** Of one that may be asked for again: it is made once. */
  id?: string;
}

export interface Commands {
  /** @throws {UsageError} `device-unknown`, `device-revoked`, `command-too-large`, `limit-exceeded` */
  make(device: string, request: CommandRequest): Promise<CommandRecord>;
  /**
   * What is to be committed with a step of a function in the cloud for its commands.
   * @param source the device that the function ran for
   */
  admit(source: string, commands: readonly DeviceCommand[]): Promise<Admitted>;
  /** Those that wait, and those that ended last; in the order in which they were made. */
  list(device: string): Promise<CommandRecord[]>;
  /** With its payload. @throws {UsageError} `command-unknown` */
  get(device: string, id: string): Promise<CommandRecord & { payload: Json }>;
  /** Of a device that is removed: those that wait are not sent any more, and none is remembered. */
  forget(device: string): Promise<void>;
  /** What a device says became of its commands. */
  readonly reported: ReportHandler<Extract<Report, { type: 'command-done' }>>;
  /** The device has subscribed to its commands. */
  listening(device: string): void;
  gone(device: string): void;
  counts(): Readonly<DeliveryCounts>;
  /** To be called before the front listens. */
  start(): Promise<void>;
  /** Idempotent. */
  stop(): Promise<void>;
}

export interface Admitted {
  changes: Change[];
  /** To be called when they are committed. */
  committed: () => void;
  /** Why commands are not among them, one for each. */
  dropped: string[];
}

export interface CommandPorts extends DeliveryPorts {
  fleet: Pick<Fleet, 'device'>;
}

/** That wait for one device: what is more will not be wanted any more when it comes back. */
export const WAITING_MAX = 100;
/** Unless the operator says otherwise. */
export const EXPIRY_MS = 3_600_000;
/** Of one step of a function: its commit has room for so many, and more is a mistake. */
const PER_STEP_MAX = 20;
const ID_BYTES = 8;
const ID_CHARS_MAX = 256;

export function createCommands(ports: CommandPorts): Commands {
  return new StoredCommands(ports);
}

class StoredCommands implements Commands {
  readonly #ports: CommandPorts;
  readonly #delivery: CommandDelivery;
  #lastOrder = 0;

  constructor(ports: CommandPorts) {
    this.#ports = ports;
    this.#delivery = new CommandDelivery(ports);
  }

  async make(device: string, { expiryMs, id: given, ...request }: CommandRequest): Promise<CommandRecord> {
    const { fleet, store, clock, random } = this.#ports;
    requireReachable(await fleet.device(device), device);
    const made = given && ((await store.get(commandKey(device, given)))?.json as StoredCommand | undefined);
    if (given !== undefined && made) return recordOf(device, given, made, clock.now());
    const waiting = this.#delivery.waiting(device);
    if (waiting >= WAITING_MAX) {
      throw new UsageError(
        'limit-exceeded',
        `${waiting} commands wait for ${device}, which is the limit`,
        `see what they are: weir device commands ${device}; they end when the device comes back, or expire`,
      );
    }
    const now = clock.now();
    const id = given ?? `op-${Buffer.from(random(ID_BYTES)).toString('hex')}`;
    verifySendable({ id, ...request, expiresIn: expiryMs });
    const command: StoredCommand = {
      ...request,
      createdAt: now,
      order: this.#nextOrder(now),
      expiresAt: now + expiryMs,
      state: 'waiting',
    };
    await store.write([{ put: commandKey(device, id), json: command, ifVersion: 0 }]);
    this.#delivery.made(device, [{ id, expiresAt: command.expiresAt }]);
    return recordOf(device, id, command, now);
  }

  async admit(source: string, commands: readonly DeviceCommand[]): Promise<Admitted> {
    const now = this.#ports.clock.now();
    const expiresAt = now + EXPIRY_MS;
    const changes: Change[] = [];
    const dropped: string[] = [];
    const made = new Map<string, { id: string; expiresAt: number }[]>();
    for (const { device = source, id: ownId, name, payload, function: fn } of commands) {
      const before = made.get(device) ?? [];
      const why =
        changes.length >= PER_STEP_MAX
          ? `over ${PER_STEP_MAX} in one step`
          : await this.#refusal(source, device, before.length);
      if (why !== undefined) {
        dropped.push(why);
        continue;
      }
      const id = idFor(source, device, ownId);
      const order = this.#nextOrder(now);
      const json: StoredCommand = { name, payload, createdAt: now, order, expiresAt, state: 'waiting' };
      if (fn !== undefined) json.function = fn;
      changes.push({ put: commandKey(device, id), json });
      made.set(device, [...before, { id, expiresAt }]);
    }
    const committed = () => {
      for (const [device, each] of made) this.#delivery.made(device, each);
    };
    return { changes, committed, dropped };
  }

  async list(device: string): Promise<CommandRecord[]> {
    const { fleet, store, clock } = this.#ports;
    if ((await fleet.device(device)) === undefined) throw unknownDevice(device);
    const now = clock.now();
    return (await commandsOf(store, device)).map(({ item, command }) => recordOf(device, item.sort, command, now));
  }

  async get(device: string, id: string): Promise<CommandRecord & { payload: Json }> {
    const { store, clock } = this.#ports;
    const command = (await store.get(commandKey(device, id)))?.json as StoredCommand | undefined;
    if (command !== undefined) {
      return { ...recordOf(device, id, command, clock.now()), payload: command.payload };
    }
    throw new UsageError(
      'command-unknown',
      `${device} has no command "${id}"`,
      `see which there are: weir device commands ${device}`,
    );
  }

  async forget(device: string): Promise<void> {
    const { store } = this.#ports;
    for (const { item } of await commandsOf(store, device)) {
      await store.write([{ remove: commandKey(device, item.sort) }]);
      this.#delivery.ended(device, item.sort);
    }
  }

  readonly reported: Commands['reported'] = async (reports, { device, store, now }) => {
    const changes = new Map<string, Change>();
    for (const { id, outcome, detail } of reports) {
      const command = (await store.get(commandKey(device, id)))?.json as StoredCommand | undefined;
      // One that was held to be expired may have been run in time, and told late.
      const isOpen = command?.state === 'waiting' || command?.state === 'expired';
      if (!isOpen || changes.has(id)) continue;
      const json: StoredCommand = { ...command, state: outcome, endedAt: now };
      if (detail !== undefined) json.detail = detail;
      changes.set(id, { put: commandKey(device, id), json });
    }
    const committed = () => {
      for (const { id } of reports) this.#delivery.ended(device, id);
    };
    return { changes: [...changes.values()], committed };
  };

  listening(device: string): void {
    this.#delivery.listening(device);
  }

  gone(device: string): void {
    this.#delivery.gone(device);
  }

  counts(): Readonly<DeliveryCounts> {
    return this.#delivery.counts();
  }

  start(): Promise<void> {
    return this.#delivery.start();
  }

  stop(): Promise<void> {
    return this.#delivery.stop();
  }

  /** @param more commands for the device that are not committed yet */
  async #refusal(source: string, device: string, more: number): Promise<string | undefined> {
    if (this.#delivery.waiting(device) + more >= WAITING_MAX) return `over ${WAITING_MAX} wait for ${device}`;
    const isThere = device === source || (await this.#ports.fleet.device(device)) !== undefined;
    return isThere ? undefined : `there is no device "${device}"`;
  }

  /** Commands of one millisecond are in order too, and none gets in front of those before a restart. */
  #nextOrder(now: number): number {
    this.#lastOrder = Math.max(now * 1_000, this.#lastOrder + 1);
    return this.#lastOrder;
  }
}

/** @throws {UsageError} `device-unknown`, `device-revoked` */
function requireReachable(record: DeviceRecord | undefined, device: string): void {
  if (record === undefined) throw unknownDevice(device);
  if (record.revokedAt === undefined) return;
  throw new UsageError(
    'device-revoked',
    `the device "${device}" was revoked: nothing is sent to it`,
    `let it join again first: weir token create --group ${record.groups[0] ?? 'GROUP'} --replace`,
  );
}

/** Functions that run for several devices may give commands for one of them the same id. */
function idFor(source: string, device: string, id: string): string {
  const unique = source === device ? id : `${source}/${id}`;
  return unique.length <= ID_CHARS_MAX ? unique : createHash('sha256').update(unique).digest('hex');
}

/** @throws {UsageError} `command-too-large` */
function verifySendable(message: CommandMessage): void {
  try {
    encodeCommand(message);
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    throw new UsageError(
      'command-too-large',
      `the command is too large: ${error.message}`,
      'give it a smaller payload',
    );
  }
}
