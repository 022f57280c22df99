/** Rules whose condition is a function: what it says is judged as any signal is, and what keeps it from saying so is no crossing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleIdentity } from '@weir/protocols';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildRuleBundle } from '../bundle/bundle.ts';
import { emitted, KeptHost, logged, sandbox, startSandbox } from './fold.fixture.ts';
import type { Deployed, StepOutput } from './fold.ts';

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-function-rule-'));
  await startSandbox();
});
afterAll(async () => {
  await sandbox.stop();
  rmSync(folder, { recursive: true });
});

/** @param body fields of the rule, as somebody writes them */
async function ruleOf(body: string): Promise<Deployed> {
  const file = join(folder, `rule${Math.abs(hash(body))}.ts`);
  const text = `import { threshold } from '@weir/runtime/author';\nexport default threshold({ name: 'hot', metric: 'temperature', ${body} });\n`;
  writeFileSync(file, text);
  const built = await buildRuleBundle(file);
  return { name: bundleIdentity(built.bundle, built.hash).name, bundle: built.bundle, hash: built.hash, config: {} };
}

function hash(text: string): number {
  return [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) | 0, 7);
}

const told = ({ alerts }: StepOutput) =>
  alerts.map(({ state, severity, sensor, device, source }) =>
    [state, severity, sensor ?? device, source.name].join(' '),
  );

test('it fires and ends by what the function says, with the semantics of the rule, and goes on after a restart', async () => {
  const host = new KeptHost();
  await host.deploy(
    await ruleOf(`sensor: 'oven*', for: '10s', when: (readings) => readings.number('temperature')! > 80`),
  );
  expect(told(await host.step([0, 90, 'oven1'], [0, 90, 'press1']))).toEqual([]);
  expect(told(await host.step([5, 91, 'oven1'], [5, 20, 'oven2']))).toEqual([]);
  await host.restart();
  expect(told(await host.step([11, 92, 'oven1'], [11, 20, 'oven2']))).toEqual(['firing warning oven1 hot']);
  await host.restart();
  expect(told(await host.step([12, 20, 'oven1']))).toEqual(['resolved warning oven1 hot']);
});

test('what its rule costs is told beside what the function does, as of any rule', async () => {
  const host = new KeptHost();
  await host.deploy(await ruleOf(`when: (readings) => readings.number('temperature')! > 70`));
  await host.step([0, 60, 'oven1'], [0, 90, 'oven2']);
  const status = host.status('hot');
  expect(status).toMatchObject({
    kind: 'function',
    rule: { evaluations: 2, subjects: 2, active: 1 },
    usage: { readings: 2 },
  });
  expect(status.rule!.stateBytes).toBeGreaterThan(0);
});

test('each severity may have its own, beside levels; what it says is a reading, and it remembers', async () => {
  const host = new KeptHost();
  await host.deploy(
    await ruleOf(`severities: {
      warning: { above: 70 },
      critical: { when: (_, context) => {
        context.memory = (context.memory ?? 0) as number + 1;
        return (context.memory as number) >= 3;
      } },
    }`),
  );
  expect(emitted(await host.step([0, 60]))).toEqual(['hot.critical false']);
  expect(told(await host.step([1, 75]))).toEqual(['firing warning s hot']);
  expect(told(await host.step([2, 75]))).toEqual(['firing critical s hot']);
});

describe('a function as a part of a condition', () => {
  const rising = `(readings, context) => {
      const value = readings.number('temperature')!;
      if (value === 1) throw new Error('broken');
      const before = (context.memory ?? value) as number;
      context.memory = value;
      return value > before;
    }`;

  test('beside levels, each of the same moment, however readings come together', async () => {
    for (const isTogether of [true, false]) {
      const host = new KeptHost();
      await host.deploy(await ruleOf(`when: { all: [{ above: 80 }, ${rising}] }`));
      const readings: [number, number][] = [
        [0, 70],
        [1, 90],
        [2, 60],
        [3, 85],
        [4, 84],
        [5, 90],
      ];
      const said: string[] = [];
      if (isTogether) said.push(...told(await host.step(...readings)));
      else for (const each of readings) said.push(...told(await host.step(each)));
      const once = ['firing warning s hot', 'resolved warning s hot'];
      expect(said).toEqual([...once, ...once, 'firing warning s hot']);
    }
  });

  test('what it does not know is unknown in its place: the other parts decide, where they can', async () => {
    const host = new KeptHost();
    await host.deploy(
      await ruleOf(`severities: {
      warning: { when: { all: [{ above: 80 }, { any: [{ above: 200 }, ${rising}] }] } },
      critical: { when: { any: [{ above: 300 }, ${rising}] }, clearWhen: { all: [{ below: 50 }, (readings) => true] } },
    }`),
    );
    expect(told(await host.step([0, 90]))).toEqual([]);
    expect(told(await host.step([1, 1]))).toEqual([]);
    expect(told(await host.step([2, 301]))).toEqual(['firing critical s hot']);
    expect(emitted(await host.step([3, 40]))).toEqual([
      'hot.warning.1 false',
      'hot.critical.1 false',
      'hot.critical.clear.1 true',
    ]);
  });

  test('a name that leaves no room for the number of a part is refused', async () => {
    await expect(ruleOf(`name: '${'n'.repeat(47)}', when: { any: [${rising}] }`)).rejects.toThrow(
      'at most 46 characters',
    );
  });
});

describe('unknown is no crossing, and ends nothing', () => {
  const failing = `when: (readings) => {
      const value = readings.number('temperature')!;
      if (value === 1) throw new Error('broken');
      if (value === 2) for (;;);
      if (value === 3) return undefined;
      if (value === 4) return 'yes' as never;
      return value > 80;
    }, timeoutMs: 100`;

  test.each([
    ['it throws', 1],
    ['it runs out of its time', 2],
    ['it does not know', 3],
    ['it says something else', 4],
  ])('when %s', async (_, value) => {
    const host = new KeptHost();
    await host.deploy(await ruleOf(failing));
    expect(told(await host.step([0, value]))).toEqual([]);
    expect(told(await host.step([1, 90]))).toEqual(['firing warning s hot']);
    const lost = await host.step([2, value]);
    expect(emitted(lost)).toEqual(['hot.warning unknown']);
    expect(told(lost)).toEqual([]);
    expect(told(await host.step([3, 20]))).toEqual(['resolved warning s hot']);
  });

  test('an error is told with its place, once for as long as it is the same', async () => {
    const host = new KeptHost();
    await host.deploy(await ruleOf(failing));
    const first = logged(await host.step([0, 1]));
    expect(first.join('\n')).toMatch(/hot\.warning of s is unknown: Error: broken\n.*rule\d+\.ts:\d+:\d+/);
    expect(logged(await host.step([1, 1]))).toEqual([]);
    await host.step([2, 50]);
    expect(logged(await host.step([3, 1]))).toHaveLength(1);
  });
});

test('other inputs bring the condition about, too: of each sensor that has it', async () => {
  const host = new KeptHost();
  await host.deploy(
    await ruleOf(`sensor: 'oven*', inputs: [{ sensor: 'door' }],
      when: (readings) => readings.number('temperature')! > 80 && readings.number('temperature', 'door')! > 0`),
  );
  expect(told(await host.step([0, 90, 'oven1'], [0, 90, 'oven2'], [0, 20, 'oven3']))).toEqual([]);
  expect(told(await host.step([1, 1, 'door']))).toEqual(['firing warning oven1 hot', 'firing warning oven2 hot']);
});

test('over a group it sees the readings of all its devices', async () => {
  const host = new KeptHost({ device: 'plant/hot' });
  await host.deploy(
    await ruleOf(
      `by: 'group', when: (readings) => [...readings].filter(({ value }) => (value as number) > 80).length >= 2`,
    ),
  );
  expect(told(await host.stepOf('gw1', [0, 90]))).toEqual([]);
  expect(told(await host.stepOf('gw2', [1, 91]))).toEqual(['firing warning plant/hot hot']);
  expect(told(await host.stepOf('gw1', [2, 10]))).toEqual(['resolved warning plant/hot hot']);
});

test('a version that cannot be loaded leaves nobody believing what the last one said; taken off, it ends', async () => {
  const host = new KeptHost();
  const rule = await ruleOf(`when: (readings) => readings.number('temperature')! > 80`);
  await host.deploy(rule);
  expect(told(await host.step([0, 90]))).toEqual(['firing warning s hot']);
  if (rule.bundle.kind !== 'function') throw new Error('no function');
  const broken = { ...rule, hash: 'broken', bundle: { ...rule.bundle, code: 'throw new Error("no")' } };
  expect(told(await host.deploy(broken))).toEqual([]);
  expect(told(await host.step([1, 10]))).toEqual([]);
  expect(told(await host.deploy())).toEqual(['resolved warning s hot']);
  expect([...host.states.keys()]).toEqual([]);
});
