/** One gateway: the real agent on a simulated machine, with its sensors. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  type Agent,
  AgentClock,
  createAgent,
  type HubFiles,
  metered,
  openSpool,
  SPOOL_FILE,
  type StatusReport,
  Storage,
  spoolOptions,
  syncEveryMs,
  Users,
} from '@weir/edge-agent';
import { parseUplinkTopic } from '@weir/protocols';
import { createFoldHost, type SqliteError } from '@weir/runtime';
import { type BallastFile, simulatedBallast } from './ballast.ts';
import { SimulatedBroker } from './broker.ts';
import { DeviceClocks } from './clocks.ts';
import { type DiskFaults, noDiskFaults, openDatabaseIn, type SimulatedDatabase } from './database.ts';
import type { Dice } from './dice.ts';
import { DatabaseFile, type Image } from './disk.ts';
import type { Sent } from './ledger.ts';
import type { Life } from './life.ts';
import { simulatedLink } from './link.ts';
import type { Observed } from './observed.ts';
import { numbersIn, type PutBack } from './old-image.ts';
import type { DevicePlan } from './options.ts';
import { SimulatedSandbox } from './sandbox.ts';
import { Sensor } from './sensor.ts';
import { type Running, Supervisor } from './supervisor.ts';
import type { World } from './world.ts';

type Salvaged = NonNullable<NonNullable<StatusReport['storage']>['restored']>;

interface Carried {
  /** With what is around messages. */
  bytes: number;
  /** Of one message. */
  largest: number;
}

/** Around a payload, as docs/operations/buffering.md has it. */
const MESSAGE_BYTES = 250;
/** A supervisor allows five seconds. */
const STOP_MS = 4_500;

export class Device {
  readonly id: string;
  readonly plan: DevicePlan;
  readonly serial: string;
  readonly sensors: Sensor[];
  readonly disk: DiskFaults = noDiskFaults();
  readonly file: DatabaseFile;
  readonly #ballast: BallastFile = { bytes: 0 };
  /** What the run before has found wrong with the database. */
  #damage: string | undefined;
  #isAnew = false;
  /** Words of its runs so far. */
  readonly #runs: string[] = [];
  readonly supervisor: Supervisor;
  readonly observed: Observed;
  readonly clocks: DeviceClocks;
  /** Items that its limits have made it give up; known at the end. */
  dropped = 0;
  droppedAlerts = 0;
  /** ms since epoch. */
  readonly powerCuts: { at: number; failingSince: number | undefined }[] = [];
  /** Undefined: its disk is its own. */
  putBack: PutBack | undefined;
  /** When its database was damaged, ms since epoch; and what it says that it lost by that. */
  damagedAt: number | undefined;
  readonly salvaged: Salvaged[] = [];
  /** Until when what it deployed did not run whole, because that was damaged, ms since epoch. */
  brokenUntil: number | undefined;
  /** Of a metered line: what it carried of readings, by day. */
  readonly carried = new Map<string, Carried>();
  /** What readings may cost a day, at first; undefined: it is not metered. */
  readonly readingsBytesMax: number | undefined;
  agent: Agent | undefined;
  broker: SimulatedBroker | undefined;
  readonly #world: World;
  readonly #dice: Dice;

  constructor(plan: DevicePlan, world: World, observed: Observed) {
    this.id = plan.id;
    this.plan = plan;
    this.#world = world;
    this.observed = observed;
    const { budget } = plan.config.uplink;
    this.readingsBytesMax = budget && Math.floor(budget.bytesPerDay * (1 - budget.reserved));
    this.#dice = world.dice.fork(plan.id);
    this.serial = `00${plan.id}`;
    mkdirSync(world.folder, { recursive: true });
    const { timeline, trace, network, ledger } = world;
    this.clocks = new DeviceClocks(timeline, plan.clock, this.#dice.fork('clocks'));
    this.file = new DatabaseFile(world.folder, plan.id, SPOOL_FILE, this.#dice.fork('file'));
    this.supervisor = new Supervisor({
      ...{ name: plan.id, timeline, trace, dice: this.#dice.fork('supervisor'), files: [this.file] },
      boot: (life, opened) =>
        this.#boot(life, opened).catch((error: SqliteError) => {
          if (error.code === 'corrupt') this.#damage = error.message;
          throw error;
        }),
      onGone: (silently) => {
        // Without a word: the power was gone, and with it the machine.
        this.disk.isAtRisk = false;
        if (silently) {
          this.clocks.startMachine();
          this.powerCuts.push({ at: timeline.now, failingSince: this.file.failingSince });
        }
        this.agent = undefined;
        this.broker = undefined;
        network.deviceGone(this.id, silently);
      },
    });
    this.sensors = plan.sensors.map(
      (sensor) =>
        new Sensor(plan.id, sensor, {
          ...{ timeline, ledger, dice: this.#dice.fork(sensor.name) },
          broker: () => this.broker,
        }),
    );
  }

  /** As it is now, to be put back later. @returns a function that does so; undefined: there is nothing yet */
  copyDisk(): (() => void) | undefined {
    const { timeline, trace, folder } = this.#world;
    const image = clone(this.file.copy());
    if (image === undefined) return undefined;
    const numbers = (of: Image) => numbersIn(of, join(folder, `${this.id}-copy.db`));
    const copiedAt = timeline.now;
    const copied = numbers(image);
    trace.add(timeline.now, `disk of ${this.id} is copied, ${copied.unnumbered} readings have no number`);
    return () => {
      trace.add(timeline.now, `disk of ${this.id} is put back to what it was`);
      this.supervisor.crash('power', 0);
      const replaced = numbers(clone(this.file.copy())!);
      this.putBack = { copiedAt, at: timeline.now, copied, replaced, runs: new Set(this.#runs) };
      this.file.putBack(image);
    };
  }

  damage(): void {
    const { timeline, trace } = this.#world;
    if (this.file.copy() === undefined) return;
    this.damagedAt = timeline.now;
    trace.add(timeline.now, `disk of ${this.id} damages ${this.file.damage()}`);
  }

  /** Whether it was acknowledged so shortly before a power cut that the durability that was chosen may lose it. */
  mayLose({ acknowledgedAt }: Sent): boolean {
    const { putBack } = this;
    if (putBack !== undefined && acknowledgedAt! > putBack.copiedAt && acknowledgedAt! <= putBack.at) return true;
    const everyMs = syncEveryMs(this.plan.config);
    if (everyMs === undefined || acknowledgedAt === undefined) return false;
    // While syncs fail, what came before the first of them is not on the disk either.
    return this.powerCuts.some(
      ({ at, failingSince = at }) => acknowledgedAt > failingSince - everyMs && acknowledgedAt <= at,
    );
  }

  /** Whether what it had committed may have been undone: by a power cut, an old image, or damage. */
  get mayForget(): boolean {
    if (this.putBack !== undefined || this.damagedAt !== undefined) return true;
    return syncEveryMs(this.plan.config) !== undefined && this.powerCuts.length > 0;
  }

  async #boot(life: Life, opened: SimulatedDatabase[]): Promise<Running> {
    const { timeline, network, options, log } = this.#world;
    const { id, plan, serial } = this;
    const config = metered(plan.config);
    const dice = this.#dice.fork(life.name);
    const spool = this.#storage(life, opened, dice);
    await spool.open(this.#damage);
    this.#damage = undefined;
    const { restored } = await spool.status();
    if (restored !== undefined && restored.at !== this.salvaged.at(-1)?.at) this.salvaged.push(restored);
    const time = new AgentClock(this.clocks, life.agentClock(), await spool.call('keptTime'), config.clock);
    const sandbox = new SimulatedSandbox(life, dice.fork('sandbox'), this.#world.sandboxFaults);
    const { keepalive, connectTimeout } = config.uplink;
    let fatal: Error | undefined;
    let agent: Agent | undefined;
    const onFatal = (error: Error) => {
      if (fatal !== undefined) return;
      fatal = error;
      timeline.after(0, () => void this.#giveUp(life, error, agent));
    };
    spool.onDamage(onFatal);
    agent = await createAgent(
      {
        ...{ clock: time, time },
        random: dice.fork('agent').random,
        spool,
        storage: spool,
        createHost: (onStatus, onFault, witness) =>
          createFoldHost({
            ...{ device: id, sandbox, onStatus, onFault, wait: (ms) => waitIn(life, ms) },
            ...(witness && { witness }),
          }),
        sandbox,
        trials: sandbox,
        hub: {
          openLink: simulatedLink(life, network, {
            ...{ device: id, serial, keepalive, connectTimeout },
            onPublish: (topic, payload) => this.#count(topic, payload.length),
          }),
          files: this.#files(life),
        },
        sendHttp: () => Promise.reject(new Error('no function asks for anything here')),
        users: new Users([]),
        openBroker: (ports, limits) => {
          this.broker = new SimulatedBroker(life, ports, limits, {
            acknowledgesEarly: options.canary === 'broker-acknowledges-early',
            onLocal: () => {},
          });
          return this.broker;
        },
        log: log(id, (line) => this.#hear(line)),
        onFatal,
      },
      { device: id, version: '0.0.0', config },
    );
    await agent.start();
    if (fatal !== undefined) throw fatal;
    this.agent = agent;
    const running = agent;
    return { stop: () => running.stop() };
  }

  #hear(line: string): void {
    if (/^warn (the bundle of |tables .*(deployment|bundle))/.test(line)) this.brokenUntil = Number.POSITIVE_INFINITY;
    if (line.startsWith('info deployed: ') && this.brokenUntil !== undefined)
      this.brokenUntil = this.#world.timeline.now;
  }

  #files(life: Life): HubFiles {
    const ask = <T>(what: (hub: HubFiles) => Promise<T>) =>
      life.waitFor<T>((resolve, reject) => {
        this.#world.network.request(this.id, what).then(resolve, reject);
      });
    return {
      deployment: (known) => ask((hub) => hub.deployment(known)),
      roots: (after) => ask((hub) => hub.roots(after)),
      release: (hash) => ask((hub) => hub.release(hash)),
      bundle: (hash, bytes) => ask((hub) => hub.bundle(hash, bytes)),
    };
  }

  /** As `weir-agent run` does: it ends, and starts again with what is wrong with the database. */
  async #giveUp(life: Life, error: Error, agent: Agent | undefined): Promise<void> {
    if (!life.isAlive) return;
    if ((error as SqliteError).code === 'corrupt') this.#damage = error.message;
    life.later(STOP_MS, () => life.end());
    await agent?.stop();
    life.end();
  }

  #storage(life: Life, opened: SimulatedDatabase[], dice: Dice): Storage {
    const { options, log } = this.#world;
    const { storage } = this.plan.config;
    const random = dice.fork('words');
    const drawn = {
      life: Buffer.from(random.bytes(9)).toString('base64url'),
      run: Buffer.from(random.bytes(6)).toString('base64url'),
    };
    const words = options.canary === 'run-goes-on' ? { ...drawn, run: this.#runs[0] ?? drawn.run } : drawn;
    this.#runs.push(words.run);
    const folder = this.file.next();
    if (options.canary === 'damage-begins-anew' && this.damagedAt !== undefined && !this.#isAnew) {
      this.#isAnew = true;
      for (const suffix of ['', '-wal']) rmSync(this.file.path + suffix, { force: true });
    }
    const open = openDatabaseIn(
      () => ({
        ...{ life, file: this.file, faults: this.disk, dice: dice.fork('disk') },
        onCommitted: (calls, answers) => this.#committed(calls, answers),
        canary: options.canary,
        checkpointPages: options.checkpointPages,
      }),
      opened,
    );
    return new Storage(
      folder,
      {
        ...{ clock: life.agentClock(), words, ended: new Promise(() => {}) },
        open: (file) => openSpool(file, spoolOptions(this.plan.config, words), open),
        ballast: simulatedBallast(
          { life, faults: this.disk, file: this.#ballast, dice: dice.fork('ballast') },
          storage.ballast,
        ),
        log: (level, message) => log(this.id, (line) => this.#hear(line))[level](message),
      },
      {
        ballastBytes: storage.ballast,
        quarantine: { filesMax: storage.quarantineFilesMax, bytesMax: storage.quarantineBytesMax },
      },
    );
  }

  #count(topic: string, bytes: number): void {
    const lane = parseUplinkTopic(topic)?.lane;
    if (lane !== 'live' && lane !== 'backfill') return;
    const day = new Date(this.#world.timeline.now).toISOString().slice(0, 10);
    const carried = this.carried.get(day) ?? { bytes: 0, largest: 0 };
    const cost = bytes + MESSAGE_BYTES;
    this.carried.set(day, { bytes: carried.bytes + cost, largest: Math.max(carried.largest, cost) });
  }

  #committed(...[calls, answers]: Parameters<Observed['committed']>): void {
    this.#world.trace.add(this.#world.timeline.now, `${this.id} commits ${calls.map(({ name }) => name).join(' ')}`);
    this.observed.committed(calls, answers);
  }
}

function clone(image: Image | undefined): Image | undefined {
  return image && { db: Buffer.from(image.db), wal: Buffer.from(image.wal) };
}

function waitIn(life: Life, ms: number): Promise<void> {
  return life.waitFor((resolve) => life.later(ms, () => resolve(undefined)));
}
