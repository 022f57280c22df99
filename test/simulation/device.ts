/** One gateway: the real agent on a simulated machine, with its sensors. */
import { mkdirSync } from 'node:fs';
import {
  type Agent,
  AgentClock,
  createAgent,
  type HubFiles,
  openSpool,
  spoolOptions,
  syncEveryMs,
  Users,
} from '@weir/edge-agent';
import { createFoldHost, SqliteError } from '@weir/runtime';
import { SimulatedBroker } from './broker.ts';
import { DeviceClocks } from './clocks.ts';
import { type DiskFaults, noDiskFaults, openDatabaseIn, type SimulatedDatabase } from './database.ts';
import type { Dice } from './dice.ts';
import { DatabaseFile } from './disk.ts';
import type { Sent } from './ledger.ts';
import type { Life } from './life.ts';
import { simulatedLink } from './link.ts';
import type { Observed } from './observed.ts';
import type { DevicePlan } from './options.ts';
import { SimulatedSandbox } from './sandbox.ts';
import { Sensor } from './sensor.ts';
import { type Running, Supervisor } from './supervisor.ts';
import type { World } from './world.ts';

export class Device {
  readonly id: string;
  readonly plan: DevicePlan;
  readonly serial: string;
  readonly sensors: Sensor[];
  readonly disk: DiskFaults = noDiskFaults();
  readonly file: DatabaseFile;
  readonly supervisor: Supervisor;
  readonly observed: Observed;
  readonly clocks: DeviceClocks;
  /** Items that its limits have made it give up; known at the end. */
  dropped = 0;
  droppedAlerts = 0;
  /** ms since epoch. */
  readonly powerCuts: number[] = [];
  agent: Agent | undefined;
  broker: SimulatedBroker | undefined;
  readonly #world: World;
  readonly #dice: Dice;

  constructor(plan: DevicePlan, world: World, observed: Observed) {
    this.id = plan.id;
    this.plan = plan;
    this.#world = world;
    this.observed = observed;
    this.#dice = world.dice.fork(plan.id);
    this.serial = `00${plan.id}`;
    mkdirSync(world.folder, { recursive: true });
    const { timeline, trace, network, ledger } = world;
    this.clocks = new DeviceClocks(timeline, plan.clock, this.#dice.fork('clocks'));
    this.file = new DatabaseFile(world.folder, plan.id, this.#dice.fork('file'));
    this.supervisor = new Supervisor({
      ...{ name: plan.id, timeline, trace, dice: this.#dice.fork('supervisor'), files: [this.file] },
      boot: (life, opened) => this.#boot(life, opened),
      onGone: (silently) => {
        // Without a word: the power was gone, and with it the machine.
        this.disk.isAtRisk = false;
        if (silently) {
          this.clocks.startMachine();
          this.powerCuts.push(timeline.now);
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

  /** Whether it was acknowledged so shortly before a power cut that the durability that was chosen may lose it. */
  mayLose({ acknowledgedAt }: Sent): boolean {
    const everyMs = syncEveryMs(this.plan.config);
    if (everyMs === undefined || acknowledgedAt === undefined) return false;
    return this.powerCuts.some((at) => acknowledgedAt > at - everyMs && acknowledgedAt <= at);
  }

  /** Whether what it had committed may have been undone by a power cut. */
  get mayForget(): boolean {
    return syncEveryMs(this.plan.config) !== undefined && this.powerCuts.length > 0;
  }

  async #boot(life: Life, opened: SimulatedDatabase[]): Promise<Running> {
    const { timeline, network, options, log } = this.#world;
    const { id, plan, serial } = this;
    const { config } = plan;
    const dice = this.#dice.fork(life.name);
    const spool = await this.#openSpool(life, opened, dice);
    const time = new AgentClock(this.clocks, life.agentClock(), await spool.call('keptTime'), config.clock);
    const sandbox = new SimulatedSandbox(life, dice.fork('sandbox'), this.#world.sandboxFaults);
    const { keepalive, connectTimeout } = config.uplink;
    let isFatal = false;
    const agent = await createAgent(
      {
        ...{ clock: time, time },
        random: dice.fork('agent').random,
        spool,
        createHost: (onStatus, onFault, witness) =>
          createFoldHost({
            ...{ device: id, sandbox, onStatus, onFault, wait: (ms) => waitIn(life, ms) },
            ...(witness && { witness }),
          }),
        sandbox,
        trials: sandbox,
        hub: {
          openLink: simulatedLink(life, network, { device: id, serial, keepalive, connectTimeout }),
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
        log: log(id),
        onFatal: () => {
          isFatal = true;
          timeline.after(0, () => life.end());
        },
      },
      { device: id, version: '0.0.0', config },
    );
    await agent.start();
    if (isFatal) throw new SqliteError('closed', 'the agent cannot go on');
    this.agent = agent;
    return { stop: () => agent.stop() };
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

  #openSpool(life: Life, opened: SimulatedDatabase[], dice: Dice) {
    const { options } = this.#world;
    const words = dice.fork('words');
    return openSpool(
      'spool.db',
      spoolOptions(this.plan.config, {
        life: Buffer.from(words.bytes(9)).toString('base64url'),
        run: Buffer.from(words.bytes(6)).toString('base64url'),
      }),
      openDatabaseIn(
        () => ({
          ...{ life, file: this.file, faults: this.disk, dice: dice.fork('disk') },
          onCommitted: (calls, answers) => this.#committed(calls, answers),
          liesAboutSync: options.canary === 'disk-lies',
          checkpointPages: options.checkpointPages,
        }),
        opened,
      ),
    );
  }

  #committed(...[calls, answers]: Parameters<Observed['committed']>): void {
    this.#world.trace.add(this.#world.timeline.now, `${this.id} commits ${calls.map(({ name }) => name).join(' ')}`);
    this.observed.committed(calls, answers);
  }
}

function waitIn(life: Life, ms: number): Promise<void> {
  return life.waitFor((resolve) => life.later(ms, () => resolve(undefined)));
}
