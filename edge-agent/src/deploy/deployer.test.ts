import { type JsonObject, SHADOW_LIMITS } from '@weir/protocols';
import { type FoldStatus, hashBundle, type Opened, openEnvelope } from '@weir/runtime';
import { releaseOfBundle } from '@weir/runtime/trust-fixture';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import type { DeployRequest } from '../functions/pipeline-ports.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { stepOf } from '../spool/spool.fixture.ts';
import { SigningHub } from '../trust/signing-hub.fixture.ts';
import { Trust } from '../trust/trust.ts';
import { Deployer } from './deployer.ts';

const LIMITS = { bundlesBytesMax: 500, diskFreeMin: 10_000 };
const PREFIX = '$aws/things/gw1/shadow/name/weir';

function ruleBundle(name: string, above: number) {
  const bytes = Buffer.from(JSON.stringify({ weir: 1, kind: 'rule', rule: { name, metric: 'm', above } }));
  return { bytes, hash: hashBundle(bytes) };
}

function startDeployer(spool = new HeldSpool()) {
  const clock = new TestClock();
  const files = new SigningHub('gw1', () => clock.now());
  files.sequence = spool.ops.trust().trust?.sequence ?? 1;
  const bundles = {
    set(hash: string, bytes: Uint8Array) {
      expect(files.add(bytes)).toBe(hash);
      return bundles;
    },
  };
  const published: { topic: string; body: JsonObject | undefined }[] = [];
  const running: string[][] = [];
  const statuses: FoldStatus[] = [];
  const damaged = new Set<string>();
  const kept = () => new Map(spool.ops.state().deployments.map((each) => [each.name, each]));
  const hub = { isConnected: true, diskFree: 1e9 };
  const now = () => clock.now();
  const trust = new Trust({ device: 'gw1', enrolment: '' }, { spool, files, now, log: () => {} });
  const deployer = new Deployer(
    'gw1',
    '1.0.0',
    {
      spool,
      clock,
      ...{ trust, files },
      deploy: async ({ targetOf, hashesNeeded }: DeployRequest) => {
        const target = targetOf(kept());
        running.push(target.map(({ name, quarantined }) => (quarantined === null ? name : `${name}!`)));
        const saves = target.filter(({ lastGood }) => lastGood !== undefined).map(({ name }) => name);
        const deployed = { running: target, saves, hashesNeeded };
        spool.ops.commitStep(stepOf(spool.ops.state().step + 1, { deployed }));
      },
      status: () => statuses,
      kept,
      candidates: () => [],
      damaged: () => damaged,
      publish: async (topic, payload) => {
        const body = payload === '' ? undefined : (JSON.parse(payload) as JsonObject);
        published.push({ topic: topic.slice(PREFIX.length + 1), body });
      },
      isConnected: () => hub.isConnected,
      machine: async () => ({ disk: { free: hub.diskFree, total: 1e9 } }),
      log: () => {},
    },
    { poll: 60_000, report: 30_000, refresh: 3_600_000, ...LIMITS },
  );
  onTestFinished(() => deployer.stop());
  const started = deployer.start(spool.ops.state());
  const say = (suffix: string, body: object) =>
    deployer.onMessage(`${PREFIX}/${suffix}`, Buffer.from(JSON.stringify(body)));
  let version = 0;
  const want = async (deployments: Record<string, { hash: string; bytes: Uint8Array }>, atVersion = ++version) => {
    const wanted = Object.fromEntries(
      Object.entries(deployments).map(([name, { hash, bytes }]) => {
        return [name, { kind: 'rule', version: '1', hash, bytes: bytes.length }];
      }),
    );
    await started;
    files.want(wanted);
    say('get/accepted', { version: atVersion, state: { desired: { deployments: wanted, statement: files.hint } } });
    await settled();
  };
  const reported = () =>
    published.filter(({ topic }) => topic === 'update').at(-1)?.body as { state: { reported: JsonObject } } | undefined;
  return { spool, clock, bundles, files, hub, published, running, statuses, damaged, deployer, say, want, reported };
}

test('the shadow is asked for after a connect, once a minute, and when a delta tells of a change', async () => {
  const { clock, deployer, published, say, hub } = startDeployer();
  const asked = () => published.filter(({ topic }) => topic === 'get').length;
  deployer.onUp();
  expect(asked()).toBe(1);
  await clock.advance(120_000);
  expect(asked()).toBe(3);
  say('update/delta', { state: {} });
  expect(asked()).toBe(4);
  hub.isConnected = false;
  await clock.advance(120_000);
  expect(asked()).toBe(4);
});

test('an answer that was overtaken by a later one is not followed', async () => {
  const { bundles, running, want } = startDeployer();
  const [old, fresh] = [ruleBundle('a', 1), ruleBundle('a', 2)];
  bundles.set(old.hash, old.bytes).set(fresh.hash, fresh.bytes);
  await want({ a: fresh }, 7);
  await want({}, 6);
  expect(running).toEqual([['a']]);
});

test('it is settled when the hub has said on this connection what is wanted, and there is nothing left to do for that', async () => {
  const { bundles, deployer, files, hub, running, want } = startDeployer();
  const a = ruleBundle('a', 1);
  bundles.set(a.hash, a.bytes);
  deployer.onUp();
  expect(deployer.isSettled).toBe(false);
  const { promise: line, resolve: goOn } = Promise.withResolvers<void>();
  const answer = files.deployment.bind(files);
  files.deployment = () => line.then(answer);
  await want({ a });
  expect(deployer.isSettled, 'the statement is on its way').toBe(false);
  goOn();
  await vi.waitFor(() => expect(deployer.isSettled).toBe(true));
  expect(running).toEqual([['a']]);
  hub.isConnected = false;
  expect(deployer.isSettled, 'nobody knows what the hub wants now').toBe(false);
});

test('a bundle of another name would take its state: it is refused, and the reason reported', async () => {
  const { bundles, running, want, reported } = startDeployer();
  const other = ruleBundle('other', 1);
  bundles.set(other.hash, other.bytes);
  await want({ a: other });
  await vi.waitFor(() =>
    expect(reported()?.state.reported).toMatchObject({
      deployments: {
        a: {
          state: 'failed',
          code: 'wrong-bundle',
          reason: expect.stringContaining('the release is of other, wanted is a'),
        },
      },
    }),
  );
  expect(running).toEqual([]);
});

test('no shadow, or a hub that lost it: what runs goes on', async () => {
  const { bundles, running, want, say, reported } = startDeployer();
  const a = ruleBundle('a', 1);
  bundles.set(a.hash, a.bytes);
  await want({ a });
  say('get/rejected', { code: 404, message: 'No shadow exists with name: weir' });
  await settled();
  expect(running).toEqual([['a']]);
  expect(reported()?.state.reported.deployments).toHaveProperty('a');
});

describe('what has failed', () => {
  const a = ruleBundle('a', 1);
  const better = ruleBundle('a', 2);

  function status(hash: string, state: FoldStatus['state']): FoldStatus {
    return { name: 'a', kind: 'rule', version: '1', hash, state, errors: 0, steps: 3, readings: 3 };
  }

  /** `a` ran, `better` was wanted and failed, `a` runs in its place. */
  async function fallen() {
    const all = startDeployer();
    all.bundles.set(a.hash, a.bytes).set(better.hash, better.bytes);
    await all.want({ a });
    const { spool, statuses } = all;
    const failed = { hash: better.hash, config: '{}', version: '2', state: 'quarantined', reason: 'it loops' } as const;
    const kept = { ...spool.ops.state().deployments[0]!, proven: true, failed };
    spool.ops.commitStep(stepOf(spool.ops.state().step + 1, { deployed: { running: [kept] } }));
    statuses.push(status(a.hash, 'running'));
    return { ...all, failed };
  }

  test('is not started or fetched again, also after a restart, and is told with what runs in its place', async () => {
    const { spool, deployer, want, running, files, reported } = await fallen();
    await want({ a: better });
    await deployer.stop();
    const second = startDeployer(spool);
    second.statuses.push(status(a.hash, 'running'));
    await second.want({ a: better });
    expect([...running, ...second.running]).toEqual([['a']]);
    expect([...files.fetched, ...second.files.fetched]).toEqual([a.hash]);
    const told = {
      hash: better.hash,
      state: 'quarantined',
      reason: 'it loops',
      running: { version: '1', hash: a.hash },
    };
    expect(reported()?.state.reported.deployments).toMatchObject({ a: told });
    await vi.waitFor(() => expect(second.reported()?.state.reported.deployments).toMatchObject({ a: told }));
  });

  test('is forgotten as soon as what runs is wanted, and may be tried again after that', async () => {
    const { spool, want, bundles, running, reported } = await fallen();
    bundles.set(better.hash, better.bytes);
    await want({ a });
    expect(spool.ops.state().deployments).toEqual([
      { name: 'a', hash: a.hash, config: '{}', quarantined: null, proven: true },
    ]);
    expect(reported()?.state.reported.deployments).toMatchObject({ a: { hash: a.hash, state: 'running' } });
    await want({ a: better });
    const [kept] = spool.ops.state().deployments;
    expect(kept).toMatchObject({ hash: better.hash, quarantined: null, lastGood: { hash: a.hash } });
    expect(running).toEqual([['a'], ['a'], ['a']]);
  });

  test('does not keep another version from being tried', async () => {
    const { spool, want, bundles } = await fallen();
    const third = ruleBundle('a', 3);
    bundles.set(third.hash, third.bytes);
    await want({ a: third });
    const [kept] = spool.ops.state().deployments;
    expect(kept).toMatchObject({ hash: third.hash, lastGood: { hash: a.hash } });
    expect(kept).not.toHaveProperty('failed');
  });
});

test('with twenty-five that failed for long reasons the report still has room in the shadow, and says that of each', async () => {
  const { bundles, want, reported } = startDeployer();
  const wanted = Object.fromEntries(Array.from({ length: 25 }, (_, at) => [`deployment-${at}`, ruleBundle('x', at)]));
  for (const { hash, bytes } of Object.values(wanted)) bundles.set(hash, bytes);
  await want(wanted);
  await vi.waitFor(() => {
    const { state } = reported()!;
    const deployments = Object.values(state.reported.deployments as JsonObject) as JsonObject[];
    expect(deployments.map((each) => each.state)).toEqual(Array(25).fill('failed'));
  });
  const entries = Object.entries(wanted).map(([name, { hash, bytes }]) => [
    name,
    { kind: 'rule', version: '1', hash, bytes: bytes.length },
  ]);
  const desired = JSON.stringify({ deployments: Object.fromEntries(entries) });
  expect(desired.length + JSON.stringify(reported()!.state.reported).length).toBeLessThan(SHADOW_LIMITS.bytesMax);
});

test('a bundle that the card has damaged is fetched again, also when nothing else is wanted', async () => {
  const { spool, bundles, files, hub, damaged, want, running } = startDeployer();
  const a = ruleBundle('a', 1);
  bundles.set(a.hash, a.bytes);
  await want({ a });
  spool.ops.stageBundle(a.hash, Buffer.from(a.bytes).fill(0, 10, 20));
  damaged.add('a');
  hub.isConnected = false;
  await want({ a });
  expect(running).toEqual([['a']]);
  hub.isConnected = true;
  await want({ a });
  expect(running).toEqual([['a'], ['a']]);
  expect(files.fetched).toEqual([a.hash, a.hash]);
  expect(Buffer.from(spool.ops.bundle(a.hash)!)).toEqual(a.bytes);
});

test('what was wanted before the power went is worked towards without a hub, as far as it is here', async () => {
  const spool = new HeldSpool();
  const first = startDeployer(spool);
  const [a, far] = [ruleBundle('a', 1), ruleBundle('far', 1)];
  await first.want({ a, far });
  await first.deployer.stop();
  const text = releaseOfBundle(a.bytes);
  const opened = openEnvelope('release', text);
  spool.ops.stageRelease(a.bytes, (opened as { value: Opened<'release'> }).value.statement, text);
  const second = startDeployer(spool);
  second.hub.isConnected = false;
  await settled();
  expect(second.running).toEqual([['a']]);
});

describe('where there is no room for a bundle', () => {
  const large = (name: string, chars: number) => {
    const rule = { name, metric: 'm', above: 1, summary: 'x'.repeat(chars) };
    const bytes = Buffer.from(JSON.stringify({ weir: 1, kind: 'rule', rule }));
    return { bytes, hash: hashBundle(bytes) };
  };
  const stateOf = (reported: unknown, name: string) =>
    (
      reported as
        | { state: { reported: { deployments: Record<string, { state: string; reason?: string }> } } }
        | undefined
    )?.state.reported.deployments?.[name];

  test('it is refused as disk-critical before it is fetched, and what runs goes on', async () => {
    const { spool, bundles, running, want, reported } = startDeployer();
    const [a, b] = [ruleBundle('a', 1), large('b', 200)];
    const third = large('c', 210);
    for (const { hash, bytes } of [a, b, third]) bundles.set(hash, bytes);
    await want({ a, b });
    await want({ a, b, c: third });
    await vi.waitFor(() => expect(stateOf(reported(), 'c')).toMatchObject({ state: 'failed' }));
    expect(stateOf(reported(), 'c')!.reason).toMatch(
      /^disk-critical: no room for a bundle of \d+ bytes: \d+ of 500 bytes/,
    );
    expect(spool.ops.bundle(third.hash)).toBeUndefined();
    expect(running).toEqual([['a', 'b']]);
    await want({ a, c: third });
    await vi.waitFor(() => expect(running.at(-1)).toEqual(['a']));
    await want({ a, c: third });
    await vi.waitFor(() => expect(running.at(-1)).toEqual(['a', 'c']));
  });

  test('on the disk it is refused as well, and taken once there is', async () => {
    const { bundles, hub, clock, running, want, reported, say } = startDeployer();
    const a = ruleBundle('a', 1);
    bundles.set(a.hash, a.bytes);
    hub.diskFree = 10_000;
    await want({ a });
    await vi.waitFor(() =>
      expect(stateOf(reported(), 'a')?.reason).toMatch(/^disk-critical: .*the disk has 10000 left/),
    );
    hub.diskFree = 1e6;
    await clock.advance(60_000);
    say('update/delta', {});
    await want({ a });
    await vi.waitFor(() => expect(running).toEqual([['a']]));
  });

  test('what was staged and is not wanted any more makes room', async () => {
    const { spool, bundles, hub, want } = startDeployer();
    const [a, b] = [large('a', 200), large('b', 200)];
    for (const { hash, bytes } of [a, b]) bundles.set(hash, bytes);
    spool.ops.stageBundle(b.hash, b.bytes);
    hub.isConnected = true;
    await want({ a });
    await vi.waitFor(() => expect(spool.ops.bundle(a.hash)).toBeDefined());
    expect(spool.ops.bundle(b.hash)).toBeUndefined();
  });
});
