/** Versions in the cloud that fail, with a real sandbox: the hub's side of what the agent's tests of this say of a device. */
import { columnsOf, type ReportedDeployment, readingsOf } from '@weir/protocols';
import {
  createFoldHost,
  createSandbox,
  GOOD_STEPS,
  hashBundle,
  parseBundle,
  type Sandbox,
  type StepOutput,
} from '@weir/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { CloudDeployed } from '../fleet/fleet.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { DeviceFolds, type DeviceFoldsPorts } from './device-folds.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

/** In a row that threw: then a version is quarantined. */
const THROWN_STEPS = 10;
const NOW = 1_800_000_000_000;

function versionOf(version: string, body: string, name = 'watch') {
  const code = `globalThis.__weirDefinition = { name: '${name}', version: '${version}', ${body} };`;
  const takes = { inputs: [{ metric: 'm' }], handlers: ['reading'], schedules: [] };
  const manifest = { name, version, api: 1, ...takes, timeoutMs: 5_000, memoryMb: 64 };
  const bytes = new TextEncoder().encode(JSON.stringify({ weir: 1, kind: 'function', manifest, code }));
  return { name, bytes, hash: hashBundle(bytes) };
}
type Version = ReturnType<typeof versionOf>;

const counting = `state: () => ({ n: 0 }), reading(r, ctx) {
  ctx.emit({ metric: 'count', value: ++ctx.state.n });
  ctx.alert({ name: 'high', active: r.value > 5 });
}`;
const good = versionOf('1', counting);
const throwing = versionOf(
  '2',
  `reading(r, ctx) {
    if (r.value > 0) throw new Error('broken by design');
    ctx.state.n = { total: 'many' };
    ctx.alert({ name: 'own', active: true });
  }`,
);
const unloadable = versionOf('3', `reading() {}, [(() => { throw new Error('not even this'); })()]: 1`);

/** One device over a store; what it does counts when it is committed. */
class Hub {
  readonly store: Store = createMemoryStore();
  readonly bundles = new Map<string, Uint8Array>();
  reported: Readonly<Record<string, ReportedDeployment>> = {};
  readonly counts: unknown[] = [];
  readonly alerts: string[] = [];
  /** Commits before the worker is killed; it comes back at once. */
  commitsLeft = Number.POSITIVE_INFINITY;
  wasKilled = false;
  #deployed: CloudDeployed[] = [];
  #revision = 0;
  #wish = 0;
  #position = 0;
  #folds = this.#start();

  get folds(): DeviceFolds {
    return this.#folds;
  }

  /** @param again the same wish as before, e.g. learned of anew */
  async want(...versions: Version[]): Promise<void> {
    this.#wish++;
    this.#revision++;
    this.#deployed = versions.map(({ name, hash, bytes }) => {
      this.bundles.set(hash, bytes);
      return { name, hash, bundle: parseBundle(bytes), config: {}, wish: this.#wish };
    });
    await this.converge();
  }

  converge(): Promise<void> {
    return this.#commit((folds) => folds.converge(NOW));
  }

  async read(...values: number[]): Promise<void> {
    for (const value of values) {
      const at = ++this.#position;
      const columns = columnsOf([{ sensor: 's', metric: 'm', value, ts: 1_700_000_000_000 + at }]);
      await this.#commit(async (folds) => {
        const outputs = await folds.converge(NOW);
        return [...outputs, (await folds.step({ position: `${at}`, receivedAt: NOW, columns }))!];
      });
    }
  }

  /** What was committed is all that is left. */
  restart(): void {
    this.#folds.dispose();
    this.#folds = this.#start();
  }

  async kept(): Promise<unknown> {
    const item = await this.store.get({ table: 'fold', partition: 'gw1', sort: 'deployed' });
    return (item?.json as unknown[] | undefined)?.[0];
  }

  #start(): DeviceFolds {
    const ports: DeviceFoldsPorts = {
      store: this.store,
      fleet: {
        cloudDeployments: async () => ({ revision: this.#revision, deployed: this.#deployed }),
        cloudStatus: async (_device, reported) => {
          this.reported = reported;
        },
        cloudBundle: async (hash) => {
          const bytes = this.bundles.get(hash);
          return bytes && parseBundle(bytes);
        },
      },
      makeHost: (device, onStatus) => createFoldHost({ device, sandbox, onStatus }),
      onError: () => {},
    };
    return new DeviceFolds('gw1', ports);
  }

  async #commit(act: (folds: DeviceFolds) => Promise<StepOutput[]>): Promise<void> {
    const outputs = await act(this.#folds);
    if (this.commitsLeft-- === 0) {
      this.wasKilled = true;
      this.restart();
      return this.#commit(act);
    }
    const changes = this.#folds.changes();
    if (changes.length > 0) await this.store.write(changes);
    this.#folds.committed();
    for (const { emitted, alerts } of outputs) {
      for (const { value } of readingsOf(emitted)) this.counts.push(value);
      for (const { episode, seq, state, reason } of alerts) this.alerts.push(`${episode}-${seq} ${state} ${reason}`);
    }
  }
}

let hub: Hub;
beforeEach(() => {
  hub = new Hub();
});
const wellFor = (steps: number) => Array<number>(steps).fill(1);
const upTo = (last: number) => Array.from({ length: last }, (_, at) => at + 1);

describe('a version that is quarantined in the cloud', () => {
  test('gives way to the last good one with its own state, and is told with its reason and what runs', async () => {
    await hub.want(good);
    await hub.read(...wellFor(GOOD_STEPS));
    await hub.want(throwing);
    await hub.read(0, ...wellFor(THROWN_STEPS), 1, 1);
    expect(hub.counts).toEqual(upTo(GOOD_STEPS + 2));
    expect(hub.reported).toEqual({
      watch: {
        kind: 'function',
        version: '2',
        hash: throwing.hash,
        state: 'quarantined',
        reason: expect.stringContaining('broken by design'),
        running: { version: '1', hash: good.hash },
      },
    });
    expect(hub.alerts.map((each) => each.slice(21))).toEqual(['1 firing function', '2 resolved quarantined']);
  });

  test('is not tried again by a worker that takes the device over, only when it is wished for again', async () => {
    await hub.want(good);
    await hub.read(...wellFor(GOOD_STEPS));
    await hub.want(throwing);
    await hub.read(...wellFor(THROWN_STEPS));
    hub.restart();
    await hub.read(1);
    expect(hub.folds.status()).toMatchObject([{ version: '1', state: 'running' }]);
    expect(hub.counts).toEqual(upTo(GOOD_STEPS + 1));
    await hub.want(throwing);
    expect(hub.folds.status()).toMatchObject([{ version: '2', state: 'running' }]);
    expect(hub.reported.watch).toMatchObject({ version: '2', state: 'running' });
    await hub.read(...wellFor(THROWN_STEPS), 1);
    expect(hub.counts).toEqual(upTo(GOOD_STEPS + 2));
  });

  test('stays stopped where nothing good was before it, until it is wished for again', async () => {
    await hub.want(throwing);
    await hub.read(0, ...wellFor(THROWN_STEPS));
    hub.restart();
    await hub.read(0, 1);
    expect(hub.folds.status()).toMatchObject([{ version: '2', state: 'quarantined', steps: 0 }]);
    expect(hub.reported.watch).not.toHaveProperty('running');
    await hub.want(throwing);
    await hub.read(...wellFor(THROWN_STEPS - 1));
    expect(hub.folds.status()).toMatchObject([{ version: '2', state: 'running', steps: THROWN_STEPS - 1 }]);
  });

  test('whenever the worker is killed meanwhile: it ends the same, and nothing is counted or told twice', async () => {
    const outcomes: unknown[] = [];
    for (let killAt = 0, isOver = false; !isOver; killAt++) {
      hub = new Hub();
      hub.commitsLeft = killAt;
      await hub.want(good);
      // Twice as many, for a restart counts them anew.
      await hub.read(...wellFor(2 * GOOD_STEPS), 9);
      await hub.want(throwing);
      await hub.read(0, ...wellFor(THROWN_STEPS), 9, 1);
      outcomes.push([hub.counts, hub.alerts, await hub.kept()]);
      isOver = !hub.wasKilled;
    }
    const last = outcomes.at(-1);
    expect(last).toMatchObject([upTo(2 * GOOD_STEPS + 3), expect.anything(), { hash: good.hash }]);
    for (const [killAt, outcome] of outcomes.entries()) expect(outcome, `killed at commit ${killAt}`).toEqual(last);
  });
});

test('a version that cannot be started in the cloud never takes over: what runs goes on, its alert too', async () => {
  await hub.want(good);
  await hub.read(9);
  await hub.want(unloadable);
  await hub.read(9, 1);
  expect(hub.counts).toEqual(upTo(3));
  expect(hub.alerts.map((each) => each.slice(21))).toEqual(['1 firing function', '2 resolved function']);
  const running = { version: '1', hash: good.hash };
  const reason = expect.stringContaining('not even this');
  expect(hub.reported.watch).toMatchObject({ version: '3', state: 'failed', reason, running });
});

test('of many that are replaced at once each commit takes as many as it has room for, and all are in the end', async () => {
  const names = Array.from({ length: 40 }, (_, at) => `f${at}`);
  await hub.want(...names.map((name) => versionOf('1', counting, name)));
  await hub.read(...wellFor(GOOD_STEPS));
  await hub.want(...names.map((name) => versionOf('2', counting, name)));
  const versions = () => new Set(hub.folds.status().map(({ version }) => version));
  expect(versions()).toEqual(new Set(['1', '2']));
  await hub.converge();
  await hub.converge();
  expect(versions()).toEqual(new Set(['2']));
  const { items } = await hub.store.query({ table: 'fold', partition: 'gw1', from: 'good/', to: 'good0' });
  expect(items.length).toBe(40);
  await hub.want();
  expect((await hub.store.query({ table: 'fold', partition: 'gw1' })).items).toEqual([]);
});
