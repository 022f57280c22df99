import type { JsonObject, Root } from '@weir/protocols';
import { KEYS, role, rootOfHub, signed, testBundle, testKey, testRoot } from '@weir/runtime/trust-fixture';
import { expect, test } from 'vitest';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { SigningHub } from './signing-hub.fixture.ts';
import { Trust, type TrustOrigin } from './trust.ts';

const T0 = Date.UTC(2026, 5, 1);
const DAY_MS = 86_400_000;
const FAR = Date.UTC(2100, 0);

function setUp(spool = new HeldSpool()) {
  const clock = { now: T0 as number | undefined };
  const hub = new SigningHub('gw1', () => clock.now ?? T0);
  const open = async (origin: Partial<TrustOrigin> = {}) => {
    const ports = { spool, files: hub, now: () => clock.now, log: () => {} };
    const trust = new Trust({ device: 'gw1', enrolment: 'first', ...origin }, ports);
    await trust.start(spool.ops.state().desired);
    return trust;
  };
  const want = ({ bytes, hash }: ReturnType<typeof testBundle>, release = 1, floor = 1, sparesLastGood = false) => {
    hub.add(bytes, release, floor, sparesLastGood);
    hub.want({ 'too-warm': { kind: 'rule', version: hash.slice(0, 12), hash, bytes: bytes.length } } as JsonObject);
  };
  const obtain = (trust: Trust, { bytes, hash }: ReturnType<typeof testBundle>, isConnected = true) =>
    trust.obtain('too-warm', { kind: 'rule', hash, bytes: bytes.length }, isConnected);
  return { spool, clock, hub, open, want, obtain };
}

const root = (change: Partial<Root>, keys = [KEYS.root]) => signed.root(testRoot({ expires: FAR, ...change }), keys);
const warm = testBundle('too-warm', 30);
const warmer = testBundle('too-warm', 31);

test('the first root file is asked for once; after that only its successors are taken, also by the next run', async () => {
  const { hub, open } = setUp();
  await (await open()).refresh();
  const stranger = testRoot({ expires: FAR, roles: { ...testRoot().roles, root: role([KEYS.secondRoot]) } });
  hub.rootFiles = [signed.root(stranger, [KEYS.secondRoot]), root({ version: 2 }, [KEYS.secondRoot])];
  const second = await open();
  await second.refresh();
  expect(second.status).toMatchObject({ root: { version: 1 }, refused: { code: 'root-unapproved' } });
});

test('a root file that came with the enrolment is the one; whoever enrols the device again says anew whom it trusts', async () => {
  const { hub, open, want, obtain } = setUp();
  const other = { ...testRoot(), roles: { ...testRoot().roles, release: role([KEYS.secondRoot]) } };
  const first = await open({ root: rootOfHub() });
  want(warm);
  await first.refresh();
  await obtain(first, warm);
  const again = await open({ enrolment: 'second', root: signed.root({ ...other, expires: FAR }) });
  expect(again.status).toMatchObject({ root: { version: 1 }, sequence: 0 });
  want(warmer, 2);
  hub.sequence = 1;
  await again.refresh();
  expect(again.status.sequence).toBe(1);
  await expect(obtain(again, warmer)).rejects.toMatchObject({ code: 'key-not-for-role' });
});

test('with no clock nothing new is taken, and with one it is', async () => {
  const { clock, open, want, obtain } = setUp();
  const trust = await open();
  await trust.refresh();
  want(warm);
  clock.now = undefined;
  await trust.refresh();
  expect(trust.status.refused?.code).toBe('clock-unknown');
  expect(trust.deployments).toEqual({});
  await expect(obtain(trust, warm)).rejects.toMatchObject({ code: 'clock-unknown' });
  clock.now = T0;
  await trust.refresh();
  expect(trust.status.refused).toBeUndefined();
  expect(await obtain(trust, warm)).toEqual(warm.bytes);
});

test('a clock that is set back makes nothing new that has ended', async () => {
  const { clock, hub, open, want } = setUp();
  const trust = await open();
  await trust.refresh();
  const old = (await hub.deployment()).statement;
  clock.now = T0 + 10 * DAY_MS;
  want(warm);
  await trust.refresh();
  clock.now = T0;
  hub.statement = old;
  await trust.refresh();
  expect(trust.status.refused?.code).toBe('statement-expired');
});

test('what is here may run without a hub, if it may run at all', async () => {
  const { hub, open, want, obtain } = setUp();
  want(warm, 1);
  const first = await open();
  await first.refresh();
  await obtain(first, warm);
  hub.releases.clear();
  expect(Buffer.from((await obtain(await open(), warm, false))!)).toEqual(warm.bytes);
  expect(await obtain(await open(), warmer, false)).toBeUndefined();
  expect(hub.fetched).toEqual([warm.hash]);
});

test('a release says how far one may go back, and that holds for whoever wants it: the hub, and the device by itself', async () => {
  const { open, want, obtain } = setUp();
  const trust = await open();
  want(warm, 1, 1);
  await trust.refresh();
  await obtain(trust, warm);
  want(warmer, 2, 1);
  await obtain(trust, warmer);
  expect([trust.mayReturnTo('too-warm', warm.hash), trust.mayReturnTo('too-warm', warmer.hash)]).toEqual([true, true]);
  const hottest = testBundle('too-warm', 40);
  want(hottest, 3, 2);
  await obtain(trust, hottest);
  const next = await open();
  for (const each of [trust, next]) {
    expect([each.mayReturnTo('too-warm', warm.hash), each.mayReturnTo('too-warm', warmer.hash)]).toEqual([false, true]);
    await expect(obtain(each, warm)).rejects.toMatchObject({ code: 'release-below-floor' });
  }
  // Where the floor is only for what others want, the device still has what ran well.
  want(hottest, 4, 4, true);
  await obtain(next, hottest);
  expect(next.mayReturnTo('too-warm', warmer.hash)).toBe(true);
  await expect(obtain(next, warmer)).rejects.toMatchObject({ code: 'release-below-floor' });
  // What ran before anything was signed can still be gone back to.
  expect(next.mayReturnTo('too-warm', 'f'.repeat(64))).toBe(true);
});

test('who had the key of the hub and counted up to the end is undone by another key', async () => {
  const { hub, open } = setUp();
  const trust = await open();
  for (let jumps = 1; jumps <= 3; jumps++) {
    hub.sequence = jumps * 100_000;
    await trust.refresh();
  }
  expect(trust.status.sequence).toBe(300_000);
  const fresh = testKey(42);
  const { keys, roles } = testRoot();
  hub.rootFiles.push(
    root({
      version: 2,
      keys: { ...keys, [fresh.keyid]: { type: 'ed25519', public: fresh.public } },
      roles: { ...roles, deployment: role([fresh]) },
    }),
  );
  hub.key = fresh;
  hub.sequence = 2;
  await trust.refresh();
  expect(trust.status).toEqual({ root: { version: 2, expires: FAR }, sequence: 2 });
});
