/**
 * Attacks on a device, a list in one file, by whoever is on the way to it, or has the hub's disk, or a key. They are written to
 * `protocols/golden/attacks.json`, where everybody can read them: what is signed is there in clear, too.
 */
import type { DeploymentStatement, JsonObject, RefusalCode, Release, Role, Root } from '@weir/protocols';
import {
  addSignature,
  hashBundle,
  releaseFields,
  type SigningKey,
  type Statements,
  signStatement,
} from '@weir/runtime';
import { KEYS, NOW, role, testBundle, testKey, testRoot } from '@weir/runtime/trust-fixture';

export const DEVICE = 'gw1';
const DAY_MS = 86_400_000;
const RELEASE = NOW - DAY_MS;
const FLOOR = RELEASE - DAY_MS;

/** Something signed as it travels, and what it says. */
interface Signed {
  says?: object;
  signedBy?: string[];
  envelope: string;
  /** The envelope is followed by so many spaces. */
  spaces?: number;
}

export interface Attack {
  attack: string;
  /** As The Update Framework has it, and what this stands for here. */
  threat: string;
  expect: RefusalCode | 'accepted';
  /** In place of what the device trusts otherwise; null: nobody. */
  trusts?: Signed | null;
  /** In place of the device's clock, ms since epoch; null: nobody knows what time it is. */
  now?: number | null;
  /** Root files that the hub hands out after the one that the device has. */
  roots?: Signed[];
  statement?: Signed;
  release?: Signed;
  /** Text; `spaces` more follow. */
  bundle?: { text: string; spaces?: number };
}

export interface Attacks {
  device: string;
  now: number;
  /** What the device has taken before. */
  known: { sequence: number; deployments: JsonObject; floors: Record<string, number> };
  keys: Record<string, string>;
  /** What a hub without ill will sends; an attack changes a part of it. */
  good: { trusts: Signed; statement: Signed; release: Signed; bundle: { text: string } };
  attacks: Attack[];
}

const secondAuthor = testKey(5);
const newHub = testKey(6);
const NAMES = new Map<SigningKey, string>([
  [KEYS.root, 'root'],
  [KEYS.secondRoot, 'second root'],
  [KEYS.release, 'author'],
  [secondAuthor, 'second author'],
  [KEYS.hub, 'hub'],
  [newHub, 'new hub'],
  [KEYS.stranger, 'stranger'],
]);

function sign<K extends keyof Statements>(
  kind: K,
  statement: Omit<Statements[K], 'type'>,
  keys: readonly SigningKey[],
): Signed {
  const signedBy = keys.map((key) => NAMES.get(key)!);
  return { says: { type: `weir-${kind}`, ...statement }, signedBy, envelope: signStatement(kind, statement, keys) };
}

const { bundle, bytes, hash } = testBundle('too-warm');
const TEXT = bytes.toString('utf8');
const wantedOf = (of: string, size: number) => ({
  'too-warm': { kind: 'rule', version: hash.slice(0, 12), hash: of, bytes: size },
});

const ROOT = testRoot();
const KEY_OF_SECOND = { [secondAuthor.keyid]: { type: 'ed25519' as const, public: secondAuthor.public } };
const KEY_OF_NEW_HUB = { [newHub.keyid]: { type: 'ed25519' as const, public: newHub.public } };
const root = (change: Partial<Root> = {}, keys = [KEYS.root]) => sign('root', testRoot(change), keys);
const roles = (change: Partial<Record<keyof Root['roles'], Role>>) => ({ ...ROOT.roles, ...change });
const revoking = { keys: { ...ROOT.keys, ...KEY_OF_SECOND }, roles: roles({ release: role([secondAuthor]) }) };
const bothAuthors = { keys: revoking.keys, roles: roles({ release: role([KEYS.release, secondAuthor], 2) }) };

const STATEMENT = {
  device: DEVICE,
  sequence: 6,
  issuedAt: NOW,
  expires: NOW + 3 * DAY_MS,
  deployments: wantedOf(hash, bytes.length) as JsonObject,
};
const statement = (change: Partial<DeploymentStatement> = {}, keys = [KEYS.hub]) =>
  sign('deployment', { ...STATEMENT, ...change }, keys);
const release = (change: Partial<Release> = {}, keys = [KEYS.release]) =>
  sign(
    'release',
    { ...releaseFields(bytes, bundle), release: RELEASE, floor: FLOOR, createdAt: RELEASE, ...change },
    keys,
  );

function altered(signed: Signed, change: (envelope: Record<string, unknown>) => object): Signed {
  const envelope = JSON.parse(signed.envelope) as Record<string, unknown>;
  return { ...signed, envelope: JSON.stringify({ ...envelope, ...change(envelope) }) };
}

const withPayload = (signed: Signed, change: object) =>
  altered(signed, ({ payload }) => {
    const body = { ...JSON.parse(Buffer.from(payload as string, 'base64').toString('utf8')), ...change };
    return { payload: Buffer.from(JSON.stringify(body)).toString('base64') };
  });
const unsigned = (signed: Signed) => altered({ ...signed, signedBy: [] }, () => ({ signatures: [] }));
const otherSignature = (signed: Signed) =>
  altered(signed, ({ signatures }) => ({
    signatures: (signatures as { sig: string }[]).map((each) => ({ ...each, sig: `${'A'.repeat(86)}==` })),
  }));

/** A bundle in the place of the good one, released as it is but for `change`. */
function another(text: string, change: Partial<Release> = {}): Pick<Attack, 'statement' | 'release' | 'bundle'> {
  const other = Buffer.from(text);
  const fields = { ...releaseFields(other, JSON.parse(text)), ...change };
  return {
    statement: statement({ deployments: wantedOf(hashBundle(other), other.length) as JsonObject }),
    release: release(fields),
    bundle: { text },
  };
}

const asking = JSON.stringify({
  weir: 1,
  kind: 'function',
  manifest: {
    ...{ name: 'too-warm', version: '2', api: 1, inputs: [], outputs: [], handlers: ['reading'], schedules: [] },
    ...{ key: 'device', onError: 'skip', requests: ['https://elsewhere.example/*'], timeoutMs: 250, memoryMb: 64 },
  },
  code: 'globalThis.__weirDefinition = {};',
});
const functionWanted = {
  'too-warm': { kind: 'function', version: '2', hash: hashBundle(Buffer.from(asking)), bytes: asking.length },
} as JsonObject;
const otherRule = testBundle('too-cold', 5);
const older = testBundle('too-warm', 29);

const onStatements: Attack[] = [
  {
    attack: 'nobody has signed the statement',
    threat: 'arbitrary installation',
    expect: 'unsigned',
    statement: unsigned(statement()),
  },
  {
    attack: 'a statement whose payload was changed after it was signed',
    threat: 'arbitrary installation',
    expect: 'signature-invalid',
    statement: withPayload(statement(), { sequence: 7 }),
  },
  {
    attack: 'a statement with another signature',
    threat: 'arbitrary installation',
    expect: 'signature-invalid',
    statement: otherSignature(statement()),
  },
  {
    attack: 'a statement by a key that nobody knows',
    threat: 'arbitrary installation',
    expect: 'key-unknown',
    statement: statement({}, [KEYS.stranger]),
  },
  {
    attack: 'an author tells devices what to run, which is for the hub',
    threat: 'arbitrary installation',
    expect: 'key-not-for-role',
    statement: statement({}, [KEYS.release]),
  },
  {
    attack: 'an older statement is sent again',
    threat: 'rollback',
    expect: 'statement-older',
    statement: statement({ sequence: 4 }),
  },
  {
    attack: 'a number that is known, with something else in it',
    threat: 'mix and match',
    expect: 'statement-reused',
    statement: statement({ sequence: 5 }),
  },
  {
    attack: 'the statement of another device',
    threat: 'wrong software installation',
    expect: 'wrong-device',
    statement: statement({ device: 'gw2' }),
  },
  {
    attack: 'a statement that was held back until it ended',
    threat: 'indefinite freeze',
    expect: 'statement-expired',
    statement: statement({ issuedAt: NOW - 4 * DAY_MS, expires: NOW - DAY_MS }),
  },
  {
    attack: 'a number so high that none could follow',
    threat: 'fast-forward',
    expect: 'sequence-jump',
    statement: statement({ sequence: Number.MAX_SAFE_INTEGER }),
  },
  {
    attack: 'a device whose clock has lost the time, so that an old statement looks new',
    threat: 'indefinite freeze',
    expect: 'clock-unknown',
    now: null,
  },
  {
    attack: 'an envelope of another system',
    threat: 'wrong software installation',
    expect: 'foreign-type',
    statement: altered(statement(), () => ({ payloadType: 'application/vnd.in-toto+json' })),
  },
  {
    attack: 'a release in the place of a statement',
    threat: 'wrong software installation',
    expect: 'wrong-kind',
    statement: altered(release(), () => ({ payloadType: 'application/vnd.weir.deployment+json' })),
  },
  {
    attack: 'a statement that does not end',
    threat: 'endless data',
    expect: 'too-long',
    statement: { ...statement(), spaces: 100_000 },
  },
  {
    attack: 'no envelope at all',
    threat: 'arbitrary installation',
    expect: 'malformed',
    statement: { envelope: '[]' },
  },
];

const onReleases: Attack[] = [
  {
    attack: 'a bundle that nobody has released',
    threat: 'arbitrary installation',
    expect: 'unsigned',
    release: unsigned(release()),
  },
  {
    attack: 'a release that was changed after it was signed',
    threat: 'arbitrary installation',
    expect: 'signature-invalid',
    release: withPayload(release(), { floor: 1 }),
  },
  {
    attack: 'a release by a key that nobody knows',
    threat: 'arbitrary installation',
    expect: 'key-unknown',
    release: release({}, [KEYS.stranger]),
  },
  {
    attack: 'the hub, whose key is at hand for whoever breaks in, releases something by itself',
    threat: 'key compromise',
    expect: 'key-not-for-role',
    release: release({}, [KEYS.hub]),
  },
  {
    attack: 'a release by a key that was stolen, and is revoked',
    threat: 'key compromise',
    expect: 'key-revoked',
    trusts: root({ version: 2, ...revoking, revoked: [KEYS.release.keyid] }),
  },
  {
    attack: 'one signature where two are needed',
    threat: 'key compromise',
    expect: 'threshold-unmet',
    trusts: root({ version: 2, ...bothAuthors }),
  },
  {
    attack: 'the release of an older version beside the hash of this one',
    threat: 'mix and match',
    expect: 'hash-mismatch',
    release: release(releaseFields(older.bytes, older.bundle)),
  },
  {
    attack: 'the release of something with another name',
    threat: 'mix and match',
    expect: 'wrong-bundle',
    release: release({ name: 'too-cold' }),
  },
  {
    attack: 'a bundle that calls itself something else than its release does, and would take the state of that',
    threat: 'wrong software installation',
    expect: 'wrong-bundle',
    ...another(otherRule.bytes.toString('utf8'), { name: 'too-warm' }),
  },
  {
    attack: 'a release of another kind',
    threat: 'mix and match',
    expect: 'wrong-kind',
    release: release({ kind: 'forwarding' }),
  },
  {
    attack: 'a version that a newer release says is not to run any more',
    threat: 'rollback',
    expect: 'release-below-floor',
    release: release({ release: FLOOR - 1, floor: FLOOR - 1 }),
  },
  {
    attack: 'a release of the year 2286, below which nobody could release anything more',
    threat: 'fast-forward',
    expect: 'release-ahead',
    release: release({ release: 10_000_000_000_000, floor: 10_000_000_000_000 }),
  },
  {
    attack: 'a bundle for a newer host',
    threat: 'wrong software installation',
    expect: 'api-unsupported',
    release: release({ api: 2 }),
  },
  {
    attack: 'a bundle that asks for more than was released',
    threat: 'arbitrary installation',
    expect: 'permissions-exceeded',
    ...another(asking, { permissions: { requests: [] } }),
    statement: statement({ deployments: functionWanted }),
  },
  {
    attack: 'other bytes of the same length',
    threat: 'arbitrary installation',
    expect: 'hash-mismatch',
    bundle: { text: TEXT.replace('30', '99') },
  },
  {
    attack: 'a bundle that does not end',
    threat: 'endless data',
    expect: 'too-long',
    bundle: { text: TEXT, spaces: 2_000_000 },
  },
];

const onRoots: Attack[] = [
  {
    attack: 'a root file is left out',
    threat: 'key compromise',
    expect: 'root-skipped',
    roots: [root({ version: 3 })],
  },
  {
    attack: 'the root file of before is passed off as news',
    threat: 'rollback',
    expect: 'root-older',
    roots: [root({ version: 1 })],
  },
  {
    attack: 'a root file that only its own new keys have signed',
    threat: 'key compromise',
    expect: 'root-unapproved',
    roots: [root({ version: 2, roles: roles({ root: role([KEYS.secondRoot]) }) }, [KEYS.secondRoot])],
  },
  {
    attack: 'a root file whose new keys nobody is seen to have',
    threat: 'key compromise',
    expect: 'root-unproven',
    roots: [root({ version: 2, roles: roles({ root: role([KEYS.secondRoot]) }) }, [KEYS.root])],
  },
  {
    attack: 'a root file that was changed after it was signed',
    threat: 'key compromise',
    expect: 'signature-invalid',
    roots: [withPayload(root({ version: 2 }), { expires: NOW * 2 })],
  },
  {
    attack: 'a root file that gives a key the name of another',
    threat: 'key compromise',
    expect: 'malformed',
    roots: [
      root({
        version: 2,
        keys: { ...ROOT.keys, [KEYS.hub.keyid]: { type: 'ed25519', public: KEYS.stranger.public } },
      }),
    ],
  },
  {
    attack: 'the newest root file has ended: its successor is held back',
    threat: 'indefinite freeze',
    expect: 'root-expired',
    roots: [root({ version: 2, expires: NOW - 1 })],
  },
  {
    attack: 'a device without a root file is given a later one than the first',
    threat: 'key compromise',
    expect: 'root-skipped',
    trusts: null,
    roots: [root({ version: 2 })],
  },
  { attack: 'a hub that has no root file', threat: 'arbitrary installation', expect: 'no-root', trusts: null },
  {
    attack: 'the key of a hub that was given up',
    threat: 'key compromise',
    expect: 'key-not-for-role',
    roots: [
      root({ version: 2, keys: { ...ROOT.keys, ...KEY_OF_NEW_HUB }, roles: roles({ deployment: role([newHub]) }) }),
    ],
  },
];

const moved = root({ version: 2, roles: roles({ root: role([KEYS.secondRoot]) }) });
const good: Attack[] = [
  { attack: 'none: a new statement, a released bundle', threat: 'none', expect: 'accepted' },
  {
    attack: 'none: two root files in a row, the first of which has ended meanwhile',
    threat: 'none',
    expect: 'accepted',
    roots: [
      root({ version: 2, expires: NOW - 1 }),
      root({ version: 3, roles: roles({ release: role([KEYS.release, KEYS.secondRoot]) }) }),
    ],
  },
  {
    attack: 'none: other root keys, by the old and the new ones',
    threat: 'none',
    expect: 'accepted',
    roots: [{ ...moved, signedBy: ['root', 'second root'], envelope: addSignature(moved.envelope, KEYS.secondRoot) }],
  },
  {
    attack: 'none: the key of a new hub, whose numbers begin anew',
    threat: 'none',
    expect: 'accepted',
    roots: [
      root({ version: 2, keys: { ...ROOT.keys, ...KEY_OF_NEW_HUB }, roles: roles({ deployment: role([newHub]) }) }),
    ],
    statement: statement({ sequence: 1 }, [newHub]),
  },
  { attack: 'none: the first root file', threat: 'none', expect: 'accepted', trusts: null, roots: [root()] },
  {
    attack: 'none: both of two authors have signed',
    threat: 'none',
    expect: 'accepted',
    trusts: root({ version: 2, ...bothAuthors }),
    release: release({}, [KEYS.release, secondAuthor]),
  },
  {
    attack: 'none: one version back, not below the floor',
    threat: 'none',
    expect: 'accepted',
    release: release({ release: FLOOR, floor: FLOOR }),
  },
];

export function attacks(): Attacks {
  return {
    device: DEVICE,
    now: NOW,
    known: { sequence: 5, deployments: {}, floors: { 'too-warm': FLOOR } },
    keys: Object.fromEntries([...NAMES].map(([{ keyid }, name]) => [keyid, name])),
    good: { trusts: root(), statement: statement(), release: release(), bundle: { text: TEXT } },
    attacks: [...good, ...onStatements, ...onReleases, ...onRoots],
  };
}
