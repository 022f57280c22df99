/** Where the power may fail while a new version comes, is tried, takes over and is proven: everywhere. */
import { type JsonObject, sameJson } from '@weir/protocols';
import { createFoldHost, createSandbox, GOOD_STEPS, type Sandbox } from '@weir/runtime';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import {
  append,
  good,
  NAME,
  portsOf,
  readingOf,
  sent,
  type Version,
  versionOf,
} from '../functions/last-good.fixture.ts';
import { Pipeline } from '../functions/pipeline.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import { SigningHub } from '../trust/signing-hub.fixture.ts';
import { type HubFiles, Trust } from '../trust/trust.ts';
import { Deployer } from './deployer.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

/** Goes on counting from where the one before it was. */
const better = versionOf('2', `reading(r, ctx) { ctx.emit({ metric: 'count', value: ++ctx.state.n }); }`);
const CONFIGURED = { limit: 80 };

const changes: [title: string, version: Version, config: object][] = [
  ['another version', better, {}],
  ['another configuration of the same', good, CONFIGURED],
];

test.each(changes)(
  '%s, and power that fails at any step of the way: the old or the new one runs, never none; no step is lost or done twice',
  {
    timeout: 120_000,
  },
  async (_title, version, config) => {
    for (const when of ['before it is done', 'after it is done, untold'] as const) {
      for (let failAt = 0, isOver = false; !isOver; failAt++) {
        const device = new Device(when);
        await device.converge(good, {});
        await device.read(GOOD_STEPS);
        await device.until(() => device.kept?.proven === true, 1_000);
        device.failAt(failAt);
        await device.converge(version, config, 1);
        await device.read(GOOD_STEPS);
        await device.until(() => device.kept?.proven === true, 1_000);
        await device.read(1);
        isOver = !device.wasOff;
        const label = `the power failed ${when}: call ${failAt}, ${device.failedAt}`;
        expect(device.kept, label).toMatchObject({
          hash: version.hash,
          config: JSON.stringify(config),
          quarantined: null,
        });
        expect(sent(device.spool).counts, label).toEqual(Array.from({ length: device.readings }, (_, at) => at + 1));
        if (isOver) expect(failAt, 'steps at which it can fail').toBeGreaterThan(10);
      }
    }
  },
);

const PREFIX = '$aws/things/gw1/shadow/name/weir';
const TURNS_MAX = 1_000_000;

/** Its power fails once, at the nth call of the database or of the hub; it comes back at once. */
class Device {
  readonly spool = new HeldSpool();
  readonly #hub = new SigningHub('gw1', () => this.#agent?.clock.now() ?? new TestClock().now());
  readings = 0;
  wasOff = false;
  failedAt = '';
  #when: 'before it is done' | 'after it is done, untold';
  #callsLeft = Number.POSITIVE_INFINITY;
  #isOff = true;
  #wanted: { version: Version; config: object } | undefined;
  #agent: { pipeline: Pipeline; deployer: Deployer; clock: TestClock } | undefined;

  constructor(when: 'before it is done' | 'after it is done, untold') {
    this.#when = when;
  }

  get kept() {
    return this.spool.ops.state().deployments[0];
  }

  failAt(call: number): void {
    this.#callsLeft = call;
  }

  /** Until it runs; meanwhile so many readings come. */
  async converge(version: Version, config: object, readings = 0): Promise<void> {
    this.#wanted = { version, config };
    if (this.#isOff) await this.#start();
    else this.#agent!.deployer.onMessage(`${PREFIX}/update/delta`, Buffer.from('{}'));
    await this.read(readings);
    const isThere = () => this.kept?.hash === version.hash && this.kept.config === JSON.stringify(config);
    await this.until(isThere, 1_000);
  }

  /** One step for each. */
  async read(count: number): Promise<void> {
    for (let n = 0; n < count; n++) {
      this.readings++;
      const { id } = append(this.spool, 1);
      const columns = arrivalOf([readingOf(1, id)]).columns!;
      if (!this.#isOff) this.#agent!.pipeline.offer({ id, bytes: 0, columns, receivedAt: id });
      await this.until(() => this.spool.ops.state().position === id);
    }
  }

  /** @param tickMs by which the clock is moved meanwhile */
  async until(check: () => boolean, tickMs = 0): Promise<void> {
    for (let turn = 0; !check(); turn++) {
      if (turn > TURNS_MAX) expect.fail(`what was waited for did not come; the power failed at ${this.failedAt}`);
      if (this.#isOff) await this.#start();
      if (tickMs > 0) await this.#agent!.clock.advance(tickMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  async #start(): Promise<void> {
    this.#isOff = false;
    const power = { isOn: true };
    const fails = (what: string): boolean => {
      if (this.#callsLeft-- !== 0) return false;
      power.isOn = false;
      this.#isOff = true;
      this.wasOff = true;
      this.failedAt = what;
      return true;
    };
    const dead = () => new Promise<never>(() => {});
    const through = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      if (!power.isOn) return dead();
      if (!fails(what)) {
        const done = await work();
        return power.isOn ? done : dead();
      }
      if (this.#when === 'after it is done, untold') await work();
      return dead();
    };
    const call = ((name: 'foldStates', ...args: [string]) => {
      const work = () => this.spool.call(name, ...args);
      // What is read to be reported changes nothing.
      return (name as string) === 'counts' ? work() : through(name, work);
    }) as unknown as HeldSpool['call'];
    const spool = { call, close: async () => {} };
    const clock = new TestClock();
    const beside = () => createFoldHost({ device: 'gw1', sandbox });
    const trial = { readingsMax: 5, spanMax: 60_000, endsMax: 3 };
    const pipeline = new Pipeline(
      { ...portsOf(sandbox, spool, []), clock, createTrialHost: beside },
      { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial },
    );
    const hub = this.#hub;
    const files: HubFiles = {
      deployment: () => through('fetch the statement', () => hub.deployment()),
      roots: (after) => through('fetch the root files', () => hub.roots(after)),
      release: (hash) => through('fetch the release', () => hub.release(hash)),
      bundle: (hash) => through('fetch the bundle', () => hub.bundle(hash)),
    };
    const now = () => clock.now();
    const trust = new Trust({ device: 'gw1', enrolment: '' }, { spool, files, now, log: () => {} });
    const deployer = new Deployer(
      'gw1',
      '1.0.0',
      {
        ...{ spool, clock, isConnected: () => power.isOn, log: () => {} },
        ...{ trust, files },
        deploy: (request) => pipeline.deploy(request),
        status: () => pipeline.status(),
        kept: () => pipeline.kept,
        candidates: () => pipeline.candidates,
        damaged: () => pipeline.damaged,
        publish: async (topic) => {
          if (topic === `${PREFIX}/get` && power.isOn) queueMicrotask(() => deployer.onMessage(...this.#shadow()));
        },
      },
      { poll: 60_000, report: 30_000, refresh: 3_600_000, bundlesBytesMax: 1e6, diskFreeMin: 0 },
    );
    this.#agent = { pipeline, deployer, clock };
    onTestFinished(() => void pipeline.stop());
    // Each cut is another boot; none of these is the version's fault.
    this.spool.ops.beginRun(String(Math.random()));
    const before = this.kept;
    let isStarted = false;
    void pipeline.start().then(() => {
      isStarted = true;
    });
    while (!isStarted && power.isOn) await new Promise((resolve) => setImmediate(resolve));
    if (!power.isOn) return;
    if (before?.proven) expect(pipeline.status(), this.failedAt).toMatchObject([{ name: NAME, state: 'running' }]);
    let isReady = false;
    void deployer.start(this.spool.ops.state()).then(() => {
      isReady = true;
    });
    while (!isReady && power.isOn) await new Promise((resolve) => setImmediate(resolve));
    if (power.isOn) deployer.onUp();
  }

  #shadow(): [topic: string, payload: Uint8Array] {
    const { version, config } = this.#wanted!;
    const manifest = JSON.parse(version.bytes.toString()).manifest as { version: string };
    const wanted = { kind: 'function', version: manifest.version, hash: version.hash, bytes: version.bytes.length };
    const deployments: JsonObject = { [NAME]: { ...wanted, config: config as JsonObject } };
    if (!sameJson(this.#hub.deployments, deployments)) {
      this.#hub.add(version.bytes);
      this.#hub.want(deployments);
    }
    const desired = { deployments, statement: this.#hub.hint };
    return [`${PREFIX}/get/accepted`, Buffer.from(JSON.stringify({ version: 1, state: { desired } }))];
  }
}
