/** A rule with a baseline of its own: on a gateway, with readings of the last hours; and over a recorded trace, without a hub. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { columnsOf, encodeBatch } from '@weir/protocols';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';

const HOUR_MS = 3_600_000;
const EVERY_MS = 10_000;
const LABELS = JSON.parse(readFileSync(traceFile('anomaly_windows.json'), 'utf8')) as Record<
  string,
  [string, string][]
>;

const system = new System();
const receiver = new WebhookReceiver();

function traceFile(name: string): string {
  return fileURLToPath(new URL(`../../devices/traces/${name}`, import.meta.url));
}

beforeAll(async () => {
  await system.startAll();
  await system.weir('channel', 'add', 'hook', '--webhook', await receiver.listen());
});

afterAll(async () => {
  receiver.close();
  await system.stop();
});

/** One a few seconds, until now. */
async function publish(fromMs: number, value: (at: number) => number): Promise<void> {
  const now = Date.now();
  const readings = [];
  for (let ts = now - fromMs; ts < now; ts += EVERY_MS)
    readings.push({ sensor: 'press1', metric: 'force', value: value(ts), ts });
  const batch = { kind: 'readings', epoch: '-', seq: 0, count: readings.length, columns: columnsOf(readings) } as const;
  expect(await system.publish('plant/press1', encodeBatch(batch))).toMatchObject({ code: 0 });
}

test('a gateway learns what is usual, and tells of what is not with the bound that was crossed; a restart forgets nothing', async () => {
  const rule = {
    name: 'press-odd',
    sensor: 'press1',
    metric: 'force',
    adaptive: { learn: '1h', seasons: [] },
    severity: 'critical',
  };
  await system.weir('rule', 'apply', system.file('press-odd.yaml', JSON.stringify(rule)), '--group', 'plant');
  const usual = (at: number) => 50 + Math.sin(at) + Math.sin(at / 7_919);
  await publish(6 * HOUR_MS, usual);
  await eventually(
    'all of it in the store',
    async () => (await system.readings('gw1', { sensor: 'press1' })).length >= 2_160 || undefined,
  );
  expect(receiver.deliveries).toEqual([]);
  await system.kill('agent', 'SIGKILL');
  await system.startAgent();
  for (const value of ['90', '91', '90.5'])
    expect(await system.publish('plant/press1/force', value)).toMatchObject({ code: 0 });
  const { data } = await eventually('the firing', () => receiver.deliveries[0]);
  expect(data).toMatchObject({ state: 'firing', severity: 'critical', sensor: 'press1' });
  expect(data.level!).toBeGreaterThan(52);
  expect(data.level!).toBeLessThan(90);
});

test('a recorded trace is gone through as a device would have: its failure is found, and little else', async () => {
  const rule = system.file('odd.yaml', JSON.stringify({ name: 'odd', metric: 'temperature', adaptive: true }));
  const about = ['--sensor', 'machine', '--metric', 'temperature'];
  type Told = { episodes: { startedAt: number | string }[] };
  const told = await system.weirJson<Told>(
    'rule',
    'backtest',
    rule,
    '--csv',
    traceFile('machine_temperature.csv'),
    ...about,
  );
  const at = (text: string) => Date.parse(`${text.slice(0, 19).replace(' ', 'T')}Z`);
  const within = ({ startedAt }: Told['episodes'][number]) =>
    LABELS['machine_temperature.csv']!.some(
      ([from, to]) => new Date(startedAt).getTime() >= at(from) && new Date(startedAt).getTime() <= at(to),
    );
  expect(told.episodes.filter(within).length).toBeGreaterThan(1);
  expect(told.episodes.filter((each) => !within(each)).length).toBeLessThan(8);
});
