/** Where the power may fail while a version gives way to the last good one: everywhere. */
import { createSandbox, GOOD_STEPS, type Sandbox, takeOver } from '@weir/runtime';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { TestClock } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import type { SpoolOperations } from '../spool/operations.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import { append, good, NAME, portsOf, readingOf, sent, throwing, type Version } from './last-good.fixture.ts';
import { Pipeline } from './pipeline.ts';
import type { DeployRequest } from './pipeline-ports.ts';
import { NO_TRIAL } from './trial.fixture.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

test('whenever the power fails: the last good one runs in the end, counts on where it was, and no alert is told twice', {
  timeout: 60_000,
}, async () => {
  // The commits before are steps of the first version, of which nothing follows here.
  for (let failAt = GOOD_STEPS, isOver = false; !isOver; failAt++) {
    const device = new UnsteadyDevice(failAt);
    await device.want(good);
    await device.read(...Array(GOOD_STEPS).fill(1), 9);
    await device.until(() => device.kept?.proven === true, 1_000);
    await device.want(throwing);
    await device.read(0);
    while (device.kept?.failed === undefined) await device.read(9);
    await device.read(9, 1, 1);
    isOver = !device.wasOff;
    const label = `the power failed at commit ${failAt}`;
    expect(device.kept, label).toMatchObject({ hash: good.hash, failed: { hash: throwing.hash }, quarantined: null });
    const { counts, alerts } = sent(device.spool);
    expect(counts, label).toEqual(Array.from({ length: GOOD_STEPS + 4 }, (_, at) => at + 1));
    expect(alerts, label).toEqual([
      'a-1 firing function',
      'a-2 resolved function',
      'b-1 firing function',
      'b-2 resolved quarantined',
      'c-1 firing function',
      'c-2 resolved function',
    ]);
  }
});

const TURNS_MAX = 1_000_000;

/** Its power fails once, when it is about to commit for the nth time; it comes back at once, with what was committed. */
class UnsteadyDevice {
  readonly spool = new HeldSpool();
  wasOff = false;
  #commitsLeft: number;
  #isOff = false;
  #wanted: Version | undefined;
  #agent: { pipeline: Pipeline; clock: TestClock } | undefined;

  constructor(failAt: number) {
    this.#commitsLeft = failAt;
  }

  get kept() {
    return this.spool.ops.state().deployments[0];
  }

  async want(version: Version): Promise<void> {
    this.#wanted = version;
    this.spool.ops.stageBundle(version.hash, version.bytes);
    await this.#converge();
    await this.until(() => this.kept?.hash === version.hash);
  }

  /** One step for each. */
  async read(...values: number[]): Promise<void> {
    for (const value of values) {
      const { id } = append(this.spool, value);
      const columns = arrivalOf([readingOf(value, id)]).columns!;
      this.#agent!.pipeline.offer({ id, bytes: 0, columns, receivedAt: id });
      await this.until(() => this.spool.ops.state().position === id);
    }
  }

  /** @param tickMs by which the clock is moved meanwhile */
  async until(check: () => boolean, tickMs = 0): Promise<void> {
    for (let turn = 0; !check(); turn++) {
      if (turn > TURNS_MAX) expect.fail('what was waited for did not come');
      if (this.#isOff) await this.#converge();
      if (tickMs > 0) await this.#agent!.clock.advance(tickMs);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** As the deployer does, after a start too. */
  async #converge(): Promise<void> {
    if (this.#agent === undefined || this.#isOff) await this.#start();
    const { hash } = this.#wanted!;
    const targetOf: DeployRequest['targetOf'] = (kept) => {
      const before = kept.get(NAME);
      const isSettled = before?.hash === hash || before?.failed?.hash === hash;
      return [isSettled ? before! : takeOver(before, { name: NAME, hash, config: '{}' })];
    };
    void this.#agent!.pipeline.deploy({ targetOf, hashesNeeded: [hash] }).catch(() => {});
  }

  async #start(): Promise<void> {
    this.#isOff = false;
    const power = { isOn: true };
    const call = ((name: 'commitStep', ...args: Parameters<SpoolOperations['commitStep']>) => {
      if (name === 'commitStep' && this.#commitsLeft-- === 0) {
        power.isOn = false;
        this.#isOff = true;
        this.wasOff = true;
      }
      return power.isOn ? this.spool.call(name, ...args) : new Promise(() => {});
    }) as HeldSpool['call'];
    const clock = new TestClock();
    const pipeline = new Pipeline(
      { ...portsOf(sandbox, { call, close: async () => {} }, []), clock },
      { uncommittedReadingsMax: 20, handoffReadingsMax: 100, trial: NO_TRIAL },
    );
    this.#agent = { pipeline, clock };
    onTestFinished(() => void pipeline.stop());
    await pipeline.start();
  }
}
