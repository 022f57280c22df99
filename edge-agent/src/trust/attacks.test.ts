/** Every attack of `protocols/golden/attacks.json`, on the trust of a real device over a real spool. */
import { readFileSync } from 'node:fs';
import { type JsonObject, REFUSAL_CODES, type WantedDeployment } from '@weir/protocols';
import { expect, test } from 'vitest';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { type Attack, type Attacks, attacks, DEVICE } from './attacks.fixture.ts';
import { RefusedError } from './refused-error.ts';
import { type HubFiles, Trust } from './trust.ts';

const FILE = new URL('../../../protocols/golden/attacks.json', import.meta.url);
const golden = JSON.parse(readFileSync(FILE, 'utf8')) as Attacks;

test('the file is what was made of the attacks', () => {
  expect(golden).toEqual(JSON.parse(JSON.stringify(attacks())));
});

test('each reason to refuse has an attack', () => {
  const expected = new Set(golden.attacks.map((each) => each.expect));
  expect(REFUSAL_CODES.filter((code) => !expected.has(code))).toEqual([]);
});

test.each(golden.attacks.map((each) => [each.attack, each.expect, each] as const))(
  '%s: %s',
  async (_, code, attack) => {
    const { trust, spool, tables } = await device(attack);
    const before = tables();
    const outcome = await outcomeOf(trust);
    expect(outcome).toBe(code);
    const after = tables();
    if (code === 'accepted') {
      expect(after.bundles).toBe(1);
      expect(spool.ops.releaseOf(wantedIn(trust.deployments!).hash)).toBeDefined();
      expect((await restarted(spool)).deployments).toEqual(trust.deployments);
    } else {
      expect({ bundles: after.bundles, floors: after.floors }).toEqual({ bundles: 0, floors: before.floors });
    }
  },
);

/** As the deployer does it. @returns the code, or that the bundle is at hand */
async function outcomeOf(trust: Trust): Promise<string> {
  await trust.refresh();
  if (trust.status.refused !== undefined) return trust.status.refused.code;
  try {
    const bytes = await trust.obtain('too-warm', wantedIn(trust.deployments!), true);
    return bytes === undefined ? 'not at hand' : 'accepted';
  } catch (error) {
    if (error instanceof RefusedError) return error.code;
    throw error;
  }
}

async function device(attack: Attack) {
  const spool = new HeldSpool();
  const { good, known, now } = golden;
  const trusts = attack.trusts === undefined ? good.trusts : (attack.trusts ?? undefined);
  const root = trusts?.envelope;
  const kept = { enrolment: '', root, sequence: known.sequence, time: 0 };
  const desired = JSON.stringify({ deployments: known.deployments });
  if (trusts !== undefined) spool.ops.keepStatement(kept, desired);
  for (const [name, floor] of Object.entries(known.floors)) {
    spool.db.prepare('INSERT INTO floor VALUES (?, ?, ?)').run(name, floor, floor);
  }
  const trust = trustOver(spool, attack.now === null ? undefined : now, filesOf(attack));
  await trust.start(desired);
  const tables = () => ({
    bundles: spool.db.prepare('SELECT count(*) AS n FROM bundle').get()!.n,
    floors: spool.db.prepare('SELECT * FROM floor').all(),
  });
  return { trust, spool, tables };
}

async function restarted(spool: HeldSpool): Promise<Trust> {
  const trust = trustOver(spool, golden.now, filesOf({ attack: '', threat: '', expect: 'accepted' }));
  await trust.start(spool.ops.state().desired);
  return trust;
}

function trustOver(spool: HeldSpool, now: number | undefined, files: HubFiles): Trust {
  return new Trust({ device: DEVICE, enrolment: '' }, { spool, files, now: () => now, log: () => {} });
}

/** A hub, or who is in its place. */
function filesOf({ trusts, roots = [], statement, release, bundle }: Attack): HubFiles {
  const { good } = golden;
  const padded = (text: string, spaces = 0) => text + ' '.repeat(spaces);
  const first = trusts === null ? 0 : versionIn((trusts ?? good.trusts).says!);
  const served = statement ?? good.statement;
  return {
    async deployment() {
      const root = roots.length === 0 ? first : Math.max(first + 1, versionIn(roots.at(-1)!.says!));
      if (root === 0) throw new RefusedError({ code: 'no-root', reason: 'the hub has no root file yet' });
      return { root, statement: padded(served.envelope, served.spaces) };
    },
    roots: async (after) => (after === first ? roots.map(({ envelope }) => envelope) : []),
    release: async () => (release ?? good.release).envelope,
    async bundle() {
      const { text, spaces } = (bundle ?? good.bundle) as NonNullable<Attack['bundle']>;
      return Buffer.from(padded(text, spaces));
    },
  };
}

function versionIn(says: object): number {
  return (says as { version: number }).version;
}

function wantedIn(deployments: JsonObject): WantedDeployment {
  return deployments['too-warm'] as unknown as WantedDeployment;
}
