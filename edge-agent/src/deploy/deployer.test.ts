import type { JsonObject } from '@weir/protocols';
import { type FoldStatus, hashBundle } from '@weir/runtime';
import { expect, onTestFinished, test, vi } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import type { DeployRequest } from '../functions/pipeline.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { stepOf } from '../spool/spool.fixture.ts';
import { Deployer } from './deployer.ts';

const PREFIX = '$aws/things/gw1/shadow/name/weir';

function ruleBundle(name: string, above: number) {
  const bytes = Buffer.from(JSON.stringify({ weir: 1, kind: 'rule', rule: { name, metric: 'm', above } }));
  return { bytes, hash: hashBundle(bytes) };
}

function startDeployer(spool = new HeldSpool()) {
  const clock = new TestClock();
  const bundles = new Map<string, Uint8Array>();
  const published: { topic: string; body: JsonObject | undefined }[] = [];
  const running: string[][] = [];
  const statuses: FoldStatus[] = [];
  const damaged = new Set<string>();
  const hub = { isConnected: true, fetched: [] as string[] };
  const deployer = new Deployer(
    'gw1',
    '1.0.0',
    {
      spool,
      clock,
      fetchBundle: async (hash) => {
        hub.fetched.push(hash);
        const bytes = bundles.get(hash);
        if (bytes === undefined) throw new Error('the hub answered 404 for the bundle');
        return bytes;
      },
      deploy: async ({ wanted, kept, hashesNeeded }: DeployRequest) => {
        running.push(wanted.map(({ name, quarantined }) => (quarantined === undefined ? name : `${name}!`)));
        spool.ops.commitStep(stepOf(spool.ops.state().step + 1, { deployed: { running: kept, hashesNeeded } }));
      },
      status: () => statuses,
      damaged: () => damaged,
      publish: async (topic, payload) => {
        const body = payload === '' ? undefined : (JSON.parse(payload) as JsonObject);
        published.push({ topic: topic.slice(PREFIX.length + 1), body });
      },
      isConnected: () => hub.isConnected,
      log: () => {},
    },
    { poll: 60_000, report: 30_000 },
  );
  onTestFinished(() => deployer.stop());
  deployer.start(spool.ops.state());
  const say = (suffix: string, body: object) =>
    deployer.onMessage(`${PREFIX}/${suffix}`, Buffer.from(JSON.stringify(body)));
  let version = 0;
  const want = async (deployments: Record<string, { hash: string }>, atVersion = ++version) => {
    const wanted = Object.fromEntries(
      Object.entries(deployments).map(([name, { hash }]) => [name, { kind: 'rule', version: '1', hash, bytes: 1_000 }]),
    );
    say('get/accepted', { version: atVersion, state: { desired: { deployments: wanted } } });
    await settled();
  };
  const reported = () =>
    published.filter(({ topic }) => topic === 'update').at(-1)?.body as { state: { reported: JsonObject } } | undefined;
  return { spool, clock, bundles, hub, published, running, statuses, damaged, deployer, say, want, reported };
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

test('a bundle of another name would take its state: it is refused, and the reason reported', async () => {
  const { bundles, running, want, reported } = startDeployer();
  const other = ruleBundle('other', 1);
  bundles.set(other.hash, other.bytes);
  await want({ a: other });
  await vi.waitFor(() =>
    expect(reported()?.state.reported).toMatchObject({
      deployments: { a: { state: 'failed', reason: 'the bundle is the rule other, wanted is the rule a' } },
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

test('a quarantine is kept, so that a restart does not start what misbehaved', async () => {
  const { spool, bundles, want, deployer, running } = startDeployer();
  const [a, better] = [ruleBundle('a', 1), ruleBundle('a', 2)];
  bundles.set(a.hash, a.bytes).set(better.hash, better.bytes);
  await want({ a });
  const status: FoldStatus = {
    name: 'a',
    kind: 'rule',
    version: '1',
    hash: a.hash,
    state: 'quarantined',
    reason: 'timed-out: it looped',
    errors: 3,
    steps: 3,
    readings: 3,
  };
  deployer.onStatus([status]);
  await settled();
  expect(spool.ops.state().deployments).toMatchObject([{ name: 'a', quarantined: 'timed-out: it looped' }]);
  await deployer.stop();
  const second = startDeployer(spool);
  second.bundles.set(better.hash, better.bytes);
  await second.want({ a });
  expect(second.running).toEqual([]);
  await second.want({ a: better });
  expect(second.running).toEqual([['a']]);
  expect(spool.ops.state().deployments).toMatchObject([{ hash: better.hash, quarantined: null }]);
  expect(running).toEqual([['a']]);
});

test('a bundle that the card has damaged is fetched again, also when nothing else is wanted', async () => {
  const { spool, bundles, hub, damaged, want, running } = startDeployer();
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
  expect(hub.fetched).toEqual([a.hash, a.hash]);
  expect(Buffer.from(spool.ops.bundle(a.hash)!)).toEqual(a.bytes);
});

test('what was wanted before the power went is worked towards without a hub, as far as it is here', async () => {
  const spool = new HeldSpool();
  const first = startDeployer(spool);
  const [a, far] = [ruleBundle('a', 1), ruleBundle('far', 1)];
  await first.want({ a, far });
  await first.deployer.stop();
  spool.ops.stageBundle(a.hash, a.bytes);
  const second = startDeployer(spool);
  second.hub.isConnected = false;
  await settled();
  expect(second.running).toEqual([['a']]);
});
