/** The real hub on a simulated machine, and what an operator does with it. */
import {
  createHub,
  type HubPorts,
  type OperatorServerPorts,
  openSqliteLog,
  openSqliteStore,
  parseHubConfig,
} from '@weir/cloud';
import { KEYS } from '@weir/runtime/trust-fixture';
import { type DiskFaults, noDiskFaults, openDatabaseIn, type SimulatedDatabase } from './database.ts';
import type { Dice } from './dice.ts';
import { DatabaseFile } from './disk.ts';
import { simulatedHubNetwork } from './hub-network.ts';
import type { Life } from './life.ts';
import { SimulatedSandbox } from './sandbox.ts';
import { type Running, Supervisor } from './supervisor.ts';
import type { World } from './world.ts';

export type Operators = OperatorServerPorts['operators'];

export class HubMachine {
  readonly disk: DiskFaults = noDiskFaults();
  readonly supervisor: Supervisor;
  operators: Operators | undefined;
  readonly #world: World;
  readonly #dice: Dice;
  readonly #log: DatabaseFile;
  readonly #store: DatabaseFile;

  constructor(world: World) {
    this.#world = world;
    this.#dice = world.dice.fork('hub');
    const { timeline, trace, network } = world;
    this.#log = new DatabaseFile(world.folder, 'hub-log', 'log.db', this.#dice.fork('log'));
    this.#store = new DatabaseFile(world.folder, 'hub-store', 'store.db', this.#dice.fork('store'));
    this.supervisor = new Supervisor({
      ...{ name: 'hub', timeline, trace, dice: this.#dice.fork('supervisor'), files: [this.#log, this.#store] },
      boot: (life, opened) => this.#boot(life, opened),
      onGone: (silently) => {
        this.operators = undefined;
        network.hubGone(silently);
      },
    });
  }

  /** Records that its workers have not taken yet; undefined while it is down. */
  async lag(): Promise<number | undefined> {
    const metric = this.operators?.metrics?.find(({ name }) => name === 'weir_log_lag_records');
    if (metric === undefined) return undefined;
    for (const [lag] of await metric.read()) return lag;
    return undefined;
  }

  async #boot(life: Life, opened: SimulatedDatabase[]): Promise<Running> {
    const { network, receiver, hubFaults, sandboxFaults, options, log: logOf } = this.#world;
    const dice = this.#dice.fork(life.name);
    const clock = life.hubClock();
    const random = dice.fork('words');
    const open = openDatabaseIn(
      (file) => ({
        ...{ life, faults: this.disk, dice: dice.fork(file), canary: undefined },
        checkpointPages: options.checkpointPages,
        file: file === 'log.db' ? this.#log : this.#store,
        onCommitted: (calls) => {
          this.#world.trace.add(this.#world.timeline.now, `hub ${file} commits ${calls.length}`);
        },
      }),
      opened,
    );
    for (const file of [this.#store, this.#log]) file.next();
    const store = await openSqliteStore({ file: 'store.db', open });
    const log = await openSqliteLog({ file: 'log.db', open, clock, partitions: options.logPartitions });
    const hub = createHub(
      {
        ...{ log, store, clock, logger: logOf('hub'), random: (bytes) => random.bytes(bytes) },
        ...{ access: nobody, audit: unwritten, signingKey: KEYS.hub },
        identity: {
          ...{ ca: '', caSha256: '', server: () => ({ key: '', cert: '' }), renew: async () => false },
          signDevice: () => Promise.reject(new Error('nobody joins here')),
        },
        sandbox: new SimulatedSandbox(life, dice.fork('sandbox'), sandboxFaults),
        sendHttp: () => Promise.reject(new Error('no function asks for anything here')),
        network: simulatedHubNetwork({
          ...{ life, network, receiver, faults: hubFaults, dice: dice.fork('network') },
          acknowledgesEarly: options.canary === 'hub-acknowledges-early',
          onOperators: (operators) => {
            this.operators = operators;
          },
        }),
      },
      {
        config: parseHubConfig('connectivity: { alertAfter: off }', 'simulation'),
        secretsKey: new Uint8Array(32),
      },
    );
    await hub.start();
    return {
      stop: async () => {
        await hub.stop();
        await log.close();
        await store.close();
      },
    };
  }
}

const unwritten: HubPorts['audit'] = {
  begin: async () => '',
  end: async () => {},
  message: async () => {},
  denied() {},
  list: async () => ({ items: [] }),
  deniedCounts: () => new Map(),
  stop: async () => {},
};

/** Operators are in the same process here, and show no key. */
const nobody: HubPorts['access'] = {
  own: { accessKeyId: 'A'.repeat(16), secretAccessKey: 'x'.repeat(40) },
  authenticate: () => 'api-key-wrong',
  credentialsOf: () => undefined,
  create: () => Promise.reject(new Error('nobody has a key here')),
  list: () => [],
  revoke: () => Promise.reject(new Error('nobody has a key here')),
  used() {},
  onEnd: () => () => {},
};
