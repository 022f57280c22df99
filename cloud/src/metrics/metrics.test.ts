import { readFileSync } from 'node:fs';
import { NO_USAGE } from '@weir/runtime';
import { expect, test } from 'vitest';
import { createHubEvents } from '../api/events.ts';
import { NotifyCounts } from '../notify/counts.ts';
import { PlanCounts } from '../notify/plan/counts.ts';
import { createMemoryStore } from '../store/memory.ts';
import { UsageCounts } from '../usage/counts.ts';
import { noCounts } from '../workers/limits.ts';
import { RuleCosts } from '../workers/rule-costs.ts';
import { controlMetrics } from './control-metrics.ts';
import { type HubMetricsPorts, hubMetrics } from './hub-metrics.ts';
import { registryOf } from './metric.ts';

const usage = new UsageCounts();
const ports: HubMetricsPorts = {
  watch: {
    counts: () => ({ connected: 0, silent: 0, offline: 0, returning: 0, 'never-connected': 0, revoked: 0 }),
    openAlerts: () => ({ alone: 0, outages: 0 }),
  },
  front: { connected: () => 3, counts: () => ({ kept: 7 }) as never },
  workers: { lag: async () => 5, openCircuits: () => 1, counts: () => ({ ...noCounts(), readings: 11, keptAside: 2 }) },
  commands: { counts: () => ({ sent: 1, expired: 0, refused: 0 }) },
  usage,
  ruleCosts: new RuleCosts(),
  missing: async () => [{ lane: 'live', dropped: 7, open: 2, ended: 0 }],
  sandbox: { restarts: 4 },
  retention: { forgotten: [{ what: 'readings', reason: 'age', count: 9 }], failures: 0 },
  store: { bytes: async () => 4096 },
  audit: { deniedCounts: () => new Map([['api-key-wrong', 6]]) },
};

test('docs/operations/metrics.md lists what there is, as it is', () => {
  const document = readFileSync(new URL('../../../docs/operations/metrics.md', import.meta.url), 'utf8');
  const section = document.split('\n## The hub\n')[1]!.split('\n## ')[0]!;
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  const control = controlMetrics({
    events: createHubEvents(),
    store: createMemoryStore(),
    notifier: { channels: async () => [], counts: () => new NotifyCounts(), planCounts: () => new PlanCounts() },
  });
  expect(rows).toEqual(
    [...hubMetrics(ports), ...control.metrics].map(({ name, type, labels, help }) => {
      return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
    }),
  );
});

test('what functions used is told in base units, for the fleet and not for each device', async () => {
  const used = { ...NO_USAGE, invocations: 2, readings: 20, cpuMs: 250, heapBytesMax: 9 };
  const entry = { function: 'mean', version: '1.0.0', memoryMb: 64, from: 0, to: 0, ...used };
  usage.add('edge', [entry]);
  usage.add('edge', [{ ...entry, heapBytesMax: 5 }]);
  usage.add('cloud', [entry]);
  const text = await registryOf(hubMetrics(ports)).metrics();
  expect(text).toContain('weir_function_readings_total{function="mean",version="1.0.0",where="edge"} 40');
  expect(text).toContain('weir_function_readings_total{function="mean",version="1.0.0",where="cloud"} 20');
  expect(text).toContain('weir_function_cpu_seconds_total{function="mean",version="1.0.0",where="edge"} 0.5');
  expect(text).toContain('weir_function_heap_peak_bytes{function="mean",version="1.0.0",where="edge"} 9');
  expect(text).toContain('weir_worker_readings_total 11');
  expect(text).toContain('weir_worker_kept_aside_total 2');
  expect(text).toContain('weir_front_messages_total{kind="kept"} 7');
  expect(text).toContain('weir_missing_items{lane="live",state="dropped"} 7');
  expect(text).toContain('weir_sandbox_restarts_total 4');
  expect(text).toContain('weir_store_bytes 4096');
  expect(text).toContain('weir_api_denied_total{code="api-key-wrong"} 6');
  expect(text).toContain('weir_retention_forgotten_total{what="readings",reason="age"} 9');
});

test('asked twice, a counter has not grown by being asked', async () => {
  const registry = registryOf(hubMetrics(ports));
  await registry.metrics();
  expect(await registry.metrics()).toContain('weir_worker_readings_total 11');
});
