import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { buildForwardingBundle, buildRuleBundle, dryRunOf, parseBundle } from './bundle.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'weir-written-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe('a duration without a unit', () => {
  const head = 'name: r\nmetric: t\nabove: 80\n';

  test('is taken where it is none at all', async () => {
    const { bundle } = await buildRuleBundle(file('zero.yaml', `${head}for: 0\nlateness: 0\n`));
    expect(bundle).toMatchObject({ rule: { for: 0, lateness: 0 } });
  });

  test('is a number of readings, or of something else, where no duration belongs', async () => {
    const rule = 'matches: { times: 3, of: 5 }\nlimit: 10\nvalue: { avg: 10 samples }\nlabels: { for: "30" }\n';
    const { bundle } = await buildRuleBundle(file('counts.yaml', `${head}${rule}`));
    expect(bundle).toMatchObject({ rule: { matches: { times: 3, of: 5 }, limit: 10, labels: { for: '30' } } });
  });

  test('is milliseconds in a bundle, which comes back as it was', async () => {
    const { bundle, bytes } = await buildRuleBundle(file('kept.yaml', `${head}for: 30s\nvalue: { avg: 5m }\n`));
    expect(parseBundle(bytes)).toEqual(bundle);
    expect(bundle).toMatchObject({ rule: { for: 30_000, value: { avg: 300_000 } } });
  });

  test('is refused in TypeScript as well', async () => {
    const source = `import { threshold } from '@weir/runtime/author';
export default threshold({ name: 'r', metric: 't', above: 80, for: 30 });`;
    await expect(buildRuleBundle(file('bare.ts', source))).rejects.toThrow(
      'bare.ts:2:63: for: 30 has no unit: write 30s',
    );
  });

  test('is refused in a forwarding policy', async () => {
    const source = 'name: p\nforward:\n  - { metric: t, every: 60s, late: 5 }\n';
    await expect(buildForwardingBundle(file('p.yaml', source))).rejects.toThrow(
      'p.yaml:3:30: forward.0.late: 5 has no unit: write 5s, or 5ms',
    );
  });
});

describe('a field in a text that there is not', () => {
  const check = (texts: string, ...notes: string[]) =>
    test(texts, async () => {
      const built = await buildRuleBundle(file('r.yaml', `name: r\nmetric: t\nabove: 80\n${texts}\n`));
      expect(built.notes).toEqual(notes);
      expect(dryRunOf(built).notes).toEqual(notes);
    });
  const told = 'and it is told as it stands there';

  check(
    'summary: "{sensr} of {device}: {value} {unit}, {level}, {severity}, {metric}, {sensor}"',
    `summary: there is no field {sensr}, ${told}; did you mean {sensor}?`,
  );
  check(
    'description: "{zzz} {zzz}"',
    `description: there is no field {zzz}, ${told}; there are {device}, {sensor}, {metric}, {unit}, {value}, {level}, {severity}`,
  );
  check(
    'runbook: "https://wiki/{sensor}/{metrc}"',
    `runbook: there is no field {metrc}, ${told}; did you mean {metric}?`,
  );
  check('summary: "{sensor} { a } {}"');
});
