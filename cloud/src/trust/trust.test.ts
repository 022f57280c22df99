/** What the hub takes once there is a root file, what it says to devices, and what it notices when its store was changed. */
import { bundleIdentity, RELEASE_HEADER } from '@weir/protocols';
import { addSignature, parseBundle, signingKeyOf, signStatement, verifyDeployment, verifyRoot } from '@weir/runtime';
import {
  KEYS,
  releaseOfBundle,
  role,
  rootOfHub,
  signed,
  testBundle,
  testRelease,
  testRoot,
} from '@weir/runtime/trust-fixture';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice } from '../api/control.fixture.ts';
import { Statements } from './statements.ts';

const FAR = Date.UTC(2100, 0);
const bundle = testBundle('too-warm');
let control: Control;

beforeEach(async () => {
  control = await createControl({ unsigned: true });
  await control.fleet.createGroup('plant');
  await enrolDevice(control.fleet, 'gw1', ['plant']);
});
afterEach(() => control.close());

async function ask(method: 'GET' | 'POST', path: string, body?: object, headers: Record<string, string> = {}) {
  const authorization = `Bearer ${control.apiKey}`;
  const answer = await control.app.inject({
    ...{ method, url: `/api/v1${path}`, headers: { host: 'localhost', authorization, ...headers } },
    ...(body !== undefined && { payload: body }),
  });
  return { status: answer.statusCode, json: answer.json() };
}

async function give(envelope: string) {
  const { status, json } = await ask('POST', '/roots', JSON.parse(envelope));
  return status === 201 ? json.version : `${json.error.code}: ${json.error.message}`;
}

const put = (release?: string, { bytes } = bundle) => control.fleet.putBundle(bytes, release);
const deploy = (where: 'edge' | 'cloud' = 'edge', { hash } = bundle) =>
  control.fleet.deploy({ group: 'plant', hash, where, config: {} });
const statements = () => new Statements({ store: control.store, key: KEYS.hub, now: Date.now }, 3_600_000);

describe('the root file', () => {
  test('the first one is version 1 and names the key of the hub; then each follows on the one before', async () => {
    const [first, second] = [rootOfHub(), signed.root(testRoot({ version: 2, expires: FAR }))];
    expect((await ask('GET', '/root')).json).toMatchObject({ hubKey: { keyid: KEYS.hub.keyid }, version: null });
    expect(await give(signed.root(testRoot({ version: 2, expires: FAR })))).toContain('root-skipped');
    const foreign = testRoot({ expires: FAR, roles: { ...testRoot().roles, deployment: role([KEYS.release]) } });
    expect(await give(signed.root(foreign))).toContain('key-not-for-role');
    expect(await give(first)).toBe(1);
    expect(await give(first)).toBe(1);
    expect(await give(signed.root(testRoot({ version: 3, expires: FAR })))).toContain('root-skipped');
    expect(await give(signed.root(testRoot({ version: 2, expires: FAR }), [KEYS.stranger]))).toContain(
      'root-unapproved',
    );
    expect(await give(second)).toBe(2);
    const { items } = (await ask('GET', '/roots?after=0')).json;
    expect(items).toEqual([JSON.parse(first), JSON.parse(second)]);
    expect(verifyRoot(undefined, JSON.stringify(items[0]), Date.now()).ok).toBe(true);
  });

  test('devices hear of it', async () => {
    await give(rootOfHub());
    await expect
      .poll(async () => (await control.downlink.getShadow('gw1', 'weir'))?.state)
      .toMatchObject({ desired: { statement: { sequence: 1, root: 1 } } });
  });
});

describe('releases', () => {
  test('without a root file the cloud runs what it was given, and devices nothing; with one, nothing that is not released', async () => {
    await put();
    await deploy('cloud');
    await expect(deploy('edge')).rejects.toMatchObject({ code: 'release-missing' });
    await give(rootOfHub());
    const code = (code: string) => ({
      code: code.split(':')[0],
      message: expect.stringContaining(code.split(':')[1] ?? ''),
    });
    await expect(put()).rejects.toMatchObject(code('release-missing'));
    await expect(deploy()).rejects.toMatchObject(code('release-missing'));
    const by = (key: (typeof KEYS)[keyof typeof KEYS]) =>
      signed.release({ ...testRelease(), release: 5, floor: 1 }, [key]);
    await expect(put(by(KEYS.stranger))).rejects.toMatchObject(code('release-refused: key-unknown'));
    await expect(put(by(KEYS.hub))).rejects.toMatchObject(code('release-refused: key-not-for-role'));
    await expect(put(by(KEYS.release), testBundle('other'))).rejects.toMatchObject(
      code('release-refused: wrong-bundle'),
    );
    await put(by(KEYS.release));
    expect(await deploy()).toMatchObject({ name: 'too-warm' });
  });

  test('come in the header of the upload, and can be asked for by name', async () => {
    await give(rootOfHub());
    const release = Buffer.from(releaseOfBundle(bundle.bytes, 7, 3)).toString('base64');
    const headers = { 'content-type': 'application/octet-stream', [RELEASE_HEADER]: release };
    expect((await ask('POST', '/bundles', bundle.bytes, headers)).status).toBe(201);
    const { name } = bundleIdentity(parseBundle(bundle.bytes), bundle.hash);
    const asked = async () => (await ask('GET', `/functions/${name}/releases`)).json;
    expect(await asked()).toMatchObject({
      highest: 7,
      floor: 3,
      oldestWanted: null,
      items: [{ release: 7, floor: 3 }],
    });
    await deploy();
    const next = testBundle('too-warm', 31);
    await put(releaseOfBundle(next.bytes, 8, 3), next);
    await deploy('edge', next);
    expect(await asked()).toMatchObject({ highest: 8, oldestWanted: 7 });
  });

  test('nobody goes back behind the floor of a newer release, and no further than it says', async () => {
    await give(rootOfHub());
    const [a, b, c] = [1, 2, 3].map((above) => testBundle('too-warm', above)) as [
      typeof bundle,
      typeof bundle,
      typeof bundle,
    ];
    await put(releaseOfBundle(a.bytes, 1, 1), a);
    await put(releaseOfBundle(b.bytes, 2, 1), b);
    await put(releaseOfBundle(c.bytes, 3, 2), c);
    await deploy('edge', b);
    await deploy('edge', c);
    expect((await control.fleet.rollback('plant', 'too-warm')).hash).toBe(b.hash);
    await expect(deploy('edge', a)).rejects.toMatchObject({ message: expect.stringContaining('release-below-floor') });
  });
});

describe('what devices are told', () => {
  const root = testRoot({ expires: FAR });
  const told = async (known = 0) => {
    const { statement } = (await statements().make('gw1', known))!;
    const verdict = verifyDeployment(statement, { root, now: Date.now(), device: 'gw1', known: undefined });
    if (!verdict.ok) throw new Error(verdict.reason);
    return verdict.value;
  };

  test('is signed by the hub, and has a new number when something else is wanted, and only then', async () => {
    await give(rootOfHub());
    await put(releaseOfBundle(bundle.bytes));
    const [empty, again] = [await told(), await told()];
    expect([empty.sequence, again.sequence, empty.deployments]).toEqual([1, 1, {}]);
    await deploy();
    const full = await told();
    expect(full).toMatchObject({ sequence: 2, deployments: { 'too-warm': { hash: bundle.hash } } });
    expect(full.expires - full.issuedAt).toBe(3_600_000);
    await control.fleet.undeploy('plant', 'too-warm');
    expect((await told()).sequence).toBe(3);
  });

  test('a hub that goes on from an old copy of its store catches up with what the device has taken', async () => {
    await give(rootOfHub());
    expect((await told(41)).sequence).toBe(42);
    expect((await told(42)).sequence).toBe(42);
    // Whoever names any number does not move the device out of reach.
    expect((await told(Number.MAX_SAFE_INTEGER)).sequence).toBe(42);
  });

  test('nothing without a root file, and nothing of a device that is not there', async () => {
    expect(await statements().make('gw1', 0)).toBeUndefined();
    await give(rootOfHub());
    expect(await statements().make('gw9', 0)).toBeUndefined();
  });
});

describe('what runs in the cloud', () => {
  beforeEach(async () => {
    await give(rootOfHub());
    await put(releaseOfBundle(bundle.bytes));
    await deploy('cloud');
  });
  const running = async () => (await control.fleet.cloudDeployments('gw1')).deployed.map(({ name }) => name);
  const problem = async () => (await control.fleet.status({ device: 'gw1' })).items[0]?.problem;

  test('is what its author has released', async () => {
    expect(await running()).toEqual(['too-warm']);
    expect(await problem()).toBeUndefined();
  });

  test.each([
    ['its bytes', { sort: 'part/0', bytes: testBundle('too-warm', 99).bytes }, 'hash-mismatch'],
    [
      'its release',
      { sort: 'release', json: { envelope: signed.release(testRelease(), [KEYS.stranger]), root: 1, takenAt: 1 } },
      'key-unknown',
    ],
  ] as const)('who changes %s in the store has nothing run', async (_what, { sort, ...body }, code) => {
    await control.store.write([{ put: { table: 'bundle', partition: bundle.hash, sort }, ...body }]);
    expect(await running()).toEqual([]);
    expect(await problem()).toContain(`the hub does not run it: ${code}`);
  });

  test('goes on when its key is revoked; what comes anew by that key is refused', async () => {
    const fresh = signingKeyOf(new Uint8Array(32).fill(77));
    const { keys, roles } = testRoot();
    const next = testRoot({
      version: 2,
      expires: FAR,
      keys: { ...keys, [fresh.keyid]: { type: 'ed25519', public: fresh.public } },
      roles: { ...roles, release: role([fresh]) },
      revoked: [KEYS.release.keyid],
    });
    expect(await give(addSignature(signStatement('root', next, []), KEYS.root))).toBe(2);
    expect(await running()).toEqual(['too-warm']);
    await expect(deploy('cloud')).rejects.toMatchObject({ message: expect.stringContaining('key-revoked') });
    await expect(put(releaseOfBundle(bundle.bytes, 2))).rejects.toMatchObject({
      message: expect.stringContaining('key-revoked'),
    });
  });
});
