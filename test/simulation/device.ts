/** One gateway: the real agent on a simulated machine, with its sensors. */
import { mkdirSync } from 'node:fs';
import { type Agent, createAgent, openSpool, type Spool, Users } from '@weir/edge-agent';
import { createFoldHost, SqliteError } from '@weir/runtime';
import { SimulatedBroker } from './broker.ts';
import { type DiskFaults, noDiskFaults, openDatabaseIn, type SimulatedDatabase } from './database.ts';
import type { Dice } from './dice.ts';
import { DatabaseFile } from './disk.ts';
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
  /** ms that its clock is wrong by. */
  clockOffsetMs = 0;
  /** Items that its limits have made it give up; known at the end. */
  dropped = 0;
  droppedAlerts = 0;
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
    this.file = new DatabaseFile(world.folder, plan.id, this.#dice.fork('file'));
    this.supervisor = new Supervisor({
      ...{ name: plan.id, timeline, trace, dice: this.#dice.fork('supervisor'), files: [this.file] },
      boot: (life, opened) => this.#boot(life, opened),
      onGone: (silently) => {
        this.agent = undefined;
        this.broker = undefined;
        network.deviceGone(this.id, silently);
      },
      clockOffset: () => this.clockOffsetMs,
    });
    this.sensors = plan.sensors.map(
      (sensor) =>
        new Sensor(plan.id, sensor, {
          ...{ timeline, ledger, dice: this.#dice.fork(sensor.name) },
          broker: () => this.broker,
        }),
    );
  }

  async #boot(life: Life, opened: SimulatedDatabase[]): Promise<Running> {
    const { timeline, network, options, log } = this.#world;
    const { id, plan, serial } = this;
    const { config } = plan;
    const dice = this.#dice.fork(life.name);
    const spool = await this.#openSpool(life, opened, dice);
    const sandbox = new SimulatedSandbox(life, dice.fork('sandbox'), this.#world.sandboxFaults);
    const { keepalive, connectTimeout } = config.uplink;
    let isFatal = false;
    const agent = await createAgent(
      {
        clock: life.agentClock(),
        random: dice.fork('agent').random,
        spool,
        createHost: (onStatus, onFault) =>
          createFoldHost({ device: id, sandbox, onStatus, onFault, wait: (ms) => waitIn(life, ms) }),
        sandbox,
        hub: {
          openLink: simulatedLink(life, network, { device: id, serial, keepalive, connectTimeout }),
          fetchBundle: (hash) =>
            life.waitFor((resolve, reject) => {
              network.fetchBundle(id, hash).then(resolve, reject);
            }),
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

  #openSpool(life: Life, opened: SimulatedDatabase[], dice: Dice): Promise<Spool> {
    const { options } = this.#world;
    const { outbox, uplink, functions } = this.plan.config;
    const words = dice.fork('words');
    return openSpool(
      'spool.db',
      {
        life: Buffer.from(words.bytes(9)).toString('base64url'),
        run: Buffer.from(words.bytes(6)).toString('base64url'),
        outbox,
        batch: { itemsMax: uplink.batchItemsMax, bytesMax: uplink.batchBytesMax },
        publishesMax: functions.publishesMax,
        deadLetters: functions.deadLetters,
        commandsMax: functions.commandsMax,
      },
      openDatabaseIn(
        () => ({
          ...{ life, file: this.file, faults: this.disk, dice: dice.fork('disk') },
          onCommitted: (calls, answers) => this.#committed(calls, answers),
          liesAboutSync: options.canary === 'disk-lies',
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
