/** Everything that one simulation consists of. */
import { addRoot } from '@weir/cloud';
import type { AgentPorts } from '@weir/edge-agent';
import { KEYS, releaseOfBundle, rootOfHub } from '@weir/runtime/trust-fixture';
import type { Bundles } from './bundles.ts';
import { Device } from './device.ts';
import type { Dice } from './dice.ts';
import { HubMachine } from './hub.ts';
import type { HubFaults } from './hub-network.ts';
import { Ledger } from './ledger.ts';
import { Network } from './network.ts';
import { Observed } from './observed.ts';
import type { SimulationOptions } from './options.ts';
import { quietLog } from './quiet-log.ts';
import { Receiver } from './receiver.ts';
import type { SandboxFaults } from './sandbox.ts';
import { Timeline } from './timeline.ts';
import { Trace } from './trace.ts';

export interface WorldOptions {
  dice: Dice;
  options: SimulationOptions;
  bundles: Bundles;
  /** For the files of databases; empty. */
  folder: string;
  /** Gets each line of the trace and of the logs; absent: nobody reads along. */
  show?: (line: string) => void;
}

/** 1 October 2026, some time after midnight. */
const START = Date.UTC(2026, 9, 1, 0, 17, 3);
/** What a metered line has for the day is spent, and told are alerts alone, before the next day begins. */
const DAY_END = Date.UTC(2026, 9, 2);
const BEFORE_DAY_END_MS = 3_000_000;
const GROUP = 'plant';
const LOOK_MS = 1_000;

export class World {
  readonly dice: Dice;
  readonly options: SimulationOptions;
  readonly folder: string;
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly network: Network;
  readonly receiver: Receiver;
  readonly ledger = new Ledger();
  readonly hubFaults: HubFaults = { downlinkShare: 0 };
  readonly sandboxFaults: SandboxFaults = { restartShare: 0 };
  /** What an operator has told devices to do, as far as he knows. */
  readonly commanded: { device: string; n: number }[] = [];
  readonly hub: HubMachine;
  readonly devices: Device[];
  readonly #bundles: Bundles;
  readonly #show: ((line: string) => void) | undefined;

  constructor({ dice, options, bundles, folder, show }: WorldOptions) {
    this.dice = dice;
    this.options = options;
    const isMetered = options.devices.some(({ config }) => config.uplink.budget !== undefined);
    this.timeline = new Timeline(isMetered ? DAY_END - options.chaosMs - BEFORE_DAY_END_MS : START);
    this.folder = folder;
    this.#bundles = bundles;
    this.#show = show;
    this.trace = new Trace(show);
    this.network = new Network(this.timeline, this.trace, dice.fork('network'));
    this.receiver = new Receiver(this.timeline, dice.fork('receiver'));
    this.devices = options.devices.map((plan) => new Device(plan, this, new Observed()));
    this.hub = new HubMachine(this);
  }

  readonly log = (name: string, hear?: (line: string) => void): AgentPorts['log'] => {
    const show = this.#show;
    if (show === undefined) return quietLog(hear);
    return quietLog((line) => {
      show(`${this.timeline.now.toFixed(3)}   ${name}: ${line}`);
      hear?.(line);
    });
  };

  /** Lets time pass until it has come about. @throws when it does not within `limitMs` */
  async drive<T>(what: string, work: Promise<T>, limitMs = 600_000): Promise<T> {
    let outcome: { value: T } | { error: Error } | undefined;
    work.then(
      (value) => {
        outcome = { value };
      },
      (error: Error) => {
        outcome = { error };
      },
    );
    await this.timeline.runUntil(this.timeline.now + limitMs, () => outcome !== undefined);
    if (outcome === undefined) throw new Error(`${what}: not within ${limitMs / 1_000} s`);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  /** Lets time pass until nothing is in the way any more. */
  async until(what: string, obstacle: () => Promise<string | undefined>, limitMs = 600_000): Promise<void> {
    const end = this.timeline.now + limitMs;
    for (;;) {
      const unanswered = this.timeline.sleep(60_000).then(() => 'no answer');
      const found = await this.drive(what, Promise.race([obstacle(), unanswered]));
      if (found === undefined) return;
      if (this.timeline.now > end) throw new Error(`${what}: not within ${limitMs / 1_000} s: ${found}`);
      await this.timeline.runUntil(this.timeline.now + LOOK_MS);
    }
  }

  /** When the day ends that it begins in, where a line is metered; ms since epoch. */
  get dayEnd(): number {
    return DAY_END;
  }

  /** A hub with its devices, and on them what was drawn, up and in order. */
  async begin(): Promise<void> {
    this.hub.supervisor.start();
    await this.until('the hub comes up', async () => (this.hub.supervisor.isRunning ? undefined : 'it is down'));
    await this.drive('the fleet is set up', this.#setUp());
    for (const { supervisor } of this.devices) supervisor.start();
    await this.until('everything runs that is wanted', () => this.#undeployed());
    for (const { sensors } of this.devices) for (const sensor of sensors) sensor.start();
  }

  async #setUp(): Promise<void> {
    const { fleet, notifier, store } = this.hub.operators!;
    await notifier.admin.add('people', {
      ...{ kind: 'webhook' as const, url: 'http://receiver.invalid/', signed: false },
      // What is told is compared with what happened; that no more is told than people want has tests of its own.
      policy: { rate: '1000/1s' },
    });
    await fleet.createGroup(GROUP);
    await addRoot(store, rootOfHub(), KEYS.hub.keyid, Math.floor(this.timeline.now));
    for (const { id, serial } of this.devices) {
      const { secret } = await fleet.createToken({ groups: [GROUP], ttlMs: 3_600_000, uses: 1 });
      await fleet.enrol({ secret, device: id, certificateSerial: serial, now: Math.floor(this.timeline.now) });
    }
    for (const { name, where } of this.options.deployments) {
      const isOther = name === 'thin' && this.options.canary === 'other-policy';
      const { bytes } = this.#bundles[isOther ? 'thinner' : name];
      const { hash } = await fleet.putBundle(bytes, releaseOfBundle(bytes));
      await fleet.deploy({ group: GROUP, hash, where, config: {} });
    }
  }

  async #undeployed(): Promise<string | undefined> {
    const wanted = this.options.deployments.filter(({ where }) => where === 'edge').map(({ name }) => name);
    for (const { id, agent } of this.devices) {
      const functions = (await agent?.status())?.functions ?? [];
      const running = functions.filter(({ state }) => state === 'running').map(({ name }) => name as string);
      const missing = wanted.find((name) => !running.includes(name));
      if (missing !== undefined) return `${missing} on ${id}`;
    }
    return undefined;
  }
}
