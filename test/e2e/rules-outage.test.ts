/** Rules through an outage of the line, with real processes: the same rule on the gateway and in the hub. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

interface EpisodeRow {
  episode: string;
  source: { name: string };
  state: string;
  severity: string;
  startedAt: number;
  historical?: boolean;
  peak?: number;
}

const system = new System();
const PATIENCE_MS = 60_000;

function ruleText(name: string): string {
  return [
    `name: ${name}`,
    'sensor: oven*',
    'metric: temperature',
    'severities:',
    '  warning: { above: 70, clear: 65 }',
    '  critical: { above: 80, clear: 76 }',
    '',
  ].join('\n');
}

beforeAll(async () => {
  await system.startAll();
  await system.weir('rule', 'apply', system.file('hot-edge.yaml', ruleText('hot-edge')), '--group', 'plant');
  const cloud = system.file('hot-cloud.yaml', ruleText('hot-cloud'));
  await system.weir('rule', 'apply', cloud, '--group', 'plant', '--where', 'cloud');
  await eventually('it runs on the gateway', async () => {
    const rows = await system.weirJson<{ state: string }[]>('deploy', 'status', 'hot-edge');
    return rows.some(({ state }) => state === 'running') ? true : undefined;
  });
});

afterAll(() => system.stop());

/** `[ms before now, value]` of oven1. */
async function measure(now: number, ...samples: [number, number][]): Promise<void> {
  const readings = samples.map(([before, value]) => ({ value, ts: now - before }));
  expect(await system.publish('plant/oven1/temperature', JSON.stringify(readings))).toMatchObject({ code: 0 });
}

const minutes = (count: number) => count * 60_000;

const episodes = (name: string) =>
  eventually(
    `an episode of ${name}`,
    async () => {
      const rows = await system.weirJson<EpisodeRow[]>('alert', 'list').catch(() => []);
      const found = rows.filter(({ source, state }) => source.name === name && state === 'resolved');
      return found.length > 0 ? found : undefined;
    },
    PATIENCE_MS,
  );

test('field pain 6, late data: an episode of the outage is recorded with its true times, by gateway and hub alike', async () => {
  const now = Date.now();
  await measure(now, [minutes(30), 20], [minutes(30) - 10_000, 20], [minutes(30) - 20_000, 20]);
  await eventually('the hub has them', async () =>
    (await system.readings('gw1', { sensor: 'oven1' })).length === 3 ? true : undefined,
  );
  await system.kill('hub');
  // What is live first, and then what the sensor had kept: it must not fire now.
  await measure(now, [0, 20]);
  await measure(now, [minutes(20), 75], [minutes(18), 95], [minutes(15), 20], [10_000, 20]);
  await system.startHub();
  for (const name of ['hot-edge', 'hot-cloud']) {
    const found = await episodes(name);
    expect(found).toMatchObject([{ historical: true, severity: 'critical', startedAt: now - minutes(20), peak: 95 }]);
  }
});

test('its ladder moves up and down, and a restart in between changes nothing', async () => {
  const severity = (name: string, state: string, wanted: string) =>
    eventually(
      `${name} is ${state} ${wanted}`,
      async () => {
        const rows = await system.weirJson<EpisodeRow[]>('alert', 'list');
        return rows.find(
          (row) => row.source.name === name && row.state === state && row.severity === wanted && !row.historical,
        );
      },
      PATIENCE_MS,
    );
  const value = async (value: number, state: string, wanted: string) => {
    await system.publish('plant/oven1/temperature', `${value}`);
    for (const name of ['hot-edge', 'hot-cloud']) await severity(name, state, wanted);
  };
  await value(71, 'firing', 'warning');
  await value(90, 'firing', 'critical');
  await system.kill('agent');
  await system.kill('hub');
  await system.startHub();
  await system.startAgent();
  await value(70, 'firing', 'warning');
  await value(20, 'resolved', 'warning');
  const metrics = await system.metrics();
  expect(metrics).toMatch(/weir_rule_evaluations_total\{rule="hot-cloud"\} [1-9]/);
  expect(metrics).toMatch(/weir_rule_seconds_total\{rule="hot-cloud"\} (0\.\d*|\d(\.\d*)?e-\d+)\n/);
  expect(metrics).toContain('weir_rule_subjects{rule="hot-cloud"} 1\n');
  expect(metrics).not.toContain('weir_rule_subjects{rule="hot-edge"}');
});
