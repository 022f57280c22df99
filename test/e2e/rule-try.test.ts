/** A rule is tried before it is trusted: on the past, on trial in production, and asked why. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const system = new System();
const receiver = new WebhookReceiver();
const folder = mkdtempSync(join(tmpdir(), 'weir-rule-try-'));

interface Listed {
  episode: string;
  state: string;
  dryRun?: boolean;
}

/** No device has the tag. */
const LEVEL = 'above: { tag: max-temp, default: 80 }';
const rule = (lines: string) => {
  const file = join(folder, 'oven-hot.yaml');
  writeFileSync(file, `name: oven-hot\nsensor: oven*\nmetric: temperature\nunit: Cel\nclear: 75\n${lines}\n`);
  return file;
};

beforeAll(async () => {
  await system.startAll();
  await system.weir('channel', 'add', 'hook', '--webhook', await receiver.listen());
});

afterAll(async () => {
  receiver.close();
  rmSync(folder, { recursive: true });
  await system.stop();
});

const publish = async (...values: number[]) => {
  for (const value of values) {
    const payload = JSON.stringify({ value, unit: 'Cel', ts: Date.now() });
    expect(await system.publish('plant/oven1/temperature', payload)).toMatchObject({ code: 0 });
  }
};
const alerts = (...args: string[]) => system.weirJson<Listed[]>('alert', 'list', ...args);
const run = (...args: string[]) => system.run('weir', '--hub-data', system.hubData, ...args);

test('a dry run is evaluated on the device and tells nobody; the report counts what it would have told', async () => {
  const file = rule(`${LEVEL}\nseverity: critical`);
  const applied = await run('rule', 'apply', file, '--group', 'plant', '--dry-run');
  expect(applied.stderr + applied.stdout).toContain('tells nobody');
  await publish(70, 85, 90, 70, 86);
  await eventually('both episodes', async () => ((await alerts('--dry-run')).length === 2 ? true : undefined));
  expect(await alerts()).toEqual([]);
  const report = await run('rule', 'report', 'oven-hot');
  expect(report.stdout).toContain('would have told');
  expect(report.stdout).toMatch(/^episodes +2 /m);
  const told = await system.weirJson<{ parts: { dryRun: boolean; summary: { episodes: number; open: number } }[] }>(
    'rule',
    'report',
    'oven-hot',
  );
  expect(told.parts).toMatchObject([{ dryRun: true, summary: { episodes: 2, open: 1 } }]);
});

test('over the history of the hub a backtest finds the same episodes, and says what a change would make', async () => {
  await eventually('all readings at the hub', async () =>
    (await system.readings('gw1', { sensor: 'oven1', metric: 'temperature' })).length === 5 ? true : undefined,
  );
  const file = rule('above: 88\nseverity: critical');
  const compared = await system.weirJson<{
    readings: number;
    summary: { episodes: number };
    comparedWith: { summary: { episodes: number } };
    comparison: { onlyOld: unknown[]; onlyNew: unknown[] };
  }>('rule', 'backtest', file, '--since', '1h', '--compare', 'deployed');
  expect(compared).toMatchObject({ readings: 5, summary: { episodes: 1 }, comparedWith: { summary: { episodes: 2 } } });
  expect([compared.comparison.onlyOld.length, compared.comparison.onlyNew.length]).toEqual([1, 0]);
  const shown = await run('rule', 'backtest', 'oven-hot', '--since', '1h');
  expect(shown.stdout).toMatch(/^episodes +2 /m);
  expect(shown.stdout).toMatch(/alert │.*█/);
});

test('promoted, it keeps its state: what is open of the trial stays silent to its end, what fires next is told', async () => {
  const applied = await run('rule', 'apply', rule(`${LEVEL}\nseverity: critical`), '--group', 'plant');
  expect(applied.stderr + applied.stdout).toContain('1 alert of its dry run is open');
  await publish(70, 91);
  await eventually('the firing', () => (receiver.deliveries.length > 0 ? true : undefined));
  await publish(60);
  await eventually('the end', () => (receiver.deliveries.length > 1 ? true : undefined));
  expect(receiver.deliveries.map(({ type }) => type)).toEqual(['alert.firing', 'alert.resolved']);
  expect(receiver.deliveries[0]!.data).toMatchObject({ value: 91 });
  expect((await alerts('--dry-run')).map(({ state }) => state)).toEqual(['resolved', 'resolved']);
});

test('an alert is explained by running its version again: the same comes of it, and who was told is said', async () => {
  const [told] = await alerts();
  const { stdout, code } = await run('alert', 'explain', told!.episode.slice(0, 10));
  expect(code).toBe(0);
  expect(stdout).toContain('critical when above max-temp, over when below 75');
  expect(stdout).toContain('Its levels from max-temp are those of now');
  expect(stdout).toMatch(/critical is true: 91 Cel \(level 80\) +quiet → firing/);
  expect(stdout).toMatch(/Run again over \d+ readings, .*: the same was told/);
  expect(stdout).toMatch(/hook: told/);
});

test('field pain 15, unexplained: a rule that does not fire says why: what it looks at, what is there, and how far it is', async () => {
  const explained = await run('rule', 'explain', 'oven-hot', '--device', 'gw1');
  expect(explained.stdout).toMatch(/✓ deployed +running on the device/);
  expect(explained.stdout).toMatch(/✓ signal +oven1\/temperature, last 60 Cel/);
  expect(explained.stdout).toMatch(/oven1\/temperature {2}quiet: 60 Cel \(level 80\), critical is not true/);
  const file = join(folder, 'typo.yaml');
  writeFileSync(file, 'name: typo\nsensor: oven*\nmetric: temperatur\nabove: 80\n');
  const typo = await run('rule', 'explain', file, '--device', 'gw1');
  expect(typo.stdout).toMatch(/✗ deployed +no: it is on no group/);
  expect(typo.stdout).toContain('is oven1/temperature meant?');
  const unknown = await run('rule', 'explain', 'nothing', '--device', 'gw1');
  expect(unknown).toMatchObject({ code: 2, stderr: expect.stringContaining('no rule nothing is deployed') });
});
