import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { describe, expect, onTestFinished, test } from 'vitest';
import { AGENT_METRICS, metricsText } from './metrics.ts';
import { METRICS_TYPE, serveMetrics } from './metrics-server.ts';
import type { StatusReport } from './report.ts';

const usage = { invocations: 3, readings: 30, cpuMs: 1_500, heapBytesMax: 4_096, errors: 1, outputs: 29 };
const fold = { version: '1.0.0', hash: 'h', errors: 1, steps: 3, readings: 30 };
const lane = { nextSeq: 9, acked: 2, items: 7, bytes: 800, dropped: 0 };
const report: StatusReport = {
  device: 'gw1',
  version: '0.1.0',
  startedAt: 1_700_000_000_000,
  now: 1_700_000_100_000,
  uplink: { state: 'up', since: 1_700_000_000_500 },
  broker: { host: '127.0.0.1', port: 1883, connections: 4 },
  accepted: 30,
  futureReadings: 2,
  refused: { empty: 5, 'not-finite': 1 },
  lastRefused: [],
  journal: { bytes: 100, lagRows: 1 },
  lanes: [
    { ...lane, lane: 'live', oldestAt: 1_700_000_050_000 },
    { ...lane, lane: 'report', items: 0, dropped: 3, oldestAt: undefined },
  ],
  droppedRanges: [],
  ...{ deployments: {}, trials: [] },
  functions: [
    { ...fold, name: 'mean', kind: 'function', state: 'running', usage },
    { ...fold, name: 'hot', kind: 'rule', state: 'failed' },
    {
      ...fold,
      name: 'thin',
      kind: 'forwarding',
      state: 'running',
      forwarding: { entries: [{ entry: 't: none', taken: 7, forwarded: 0 }], series: 3, windows: 2 },
    },
  ],
  ruleLatency: {
    buckets: [
      { atMostMs: 5, count: 2 },
      { atMostMs: 1_000, count: 3 },
    ],
    sumMs: 4_250,
    count: 4,
  },
  logs: [],
  logsSuppressed: 0,
  notices: {
    channels: [{ name: 'lan', kind: 'webhook', where: 'http://192.168.1.2/…', waiting: 2, delivered: 7 }],
    dropped: 1,
  },
  publishes: { waiting: 0, dropped: 0 },
  commands: { waiting: 1, dropped: 0 },
  requests: { waiting: 0, refused: 0, dropped: 0, dead: 0, circuits: [] },
  sandbox: { restarts: 2 },
  deadLetters: { waiting: [{ function: 'mean', count: 2, bytes: 10 }], dropped: 0 },
};
const text = () => metricsText(report, { residentBytes: 5e7, cpuSeconds: 1.25 });

test('the status is told as metrics, in base units, and by what an operator would ask for', async () => {
  const lines = (await text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  expect(lines).toEqual(
    expect.arrayContaining([
      'weir_agent_info{version="0.1.0"} 1',
      'weir_agent_uplink_up 1',
      'weir_agent_uplink_changed_timestamp_seconds 1700000000.5',
      'weir_agent_readings_accepted_total 30',
      'weir_agent_payloads_refused_total{reason="not-finite"} 1',
      'weir_agent_lane_items{lane="live"} 7',
      'weir_agent_lane_dropped_items_total{lane="report"} 3',
      'weir_agent_lane_oldest_timestamp_seconds{lane="live"} 1700000050',
      'weir_agent_function_running{function="mean",version="1.0.0"} 1',
      'weir_agent_function_running{function="hot",version="1.0.0"} 0',
      'weir_agent_function_cpu_seconds_total{function="mean",version="1.0.0"} 1.5',
      'weir_agent_function_heap_peak_bytes{function="mean",version="1.0.0"} 4096',
      'weir_agent_dead_letters_waiting 2',
      'weir_agent_forwarding_taken_readings_total{policy="thin",entry="t: none"} 7',
      'weir_agent_forwarding_sent_readings_total{policy="thin",entry="t: none"} 0',
      'weir_agent_forwarding_series{policy="thin"} 3',
      'weir_agent_forwarding_open_windows{policy="thin"} 2',
      'weir_agent_sandbox_restarts_total 2',
      'process_cpu_seconds_total 1.25',
    ]),
  );
  // An empty lane has no oldest item, and a rule no sandbox.
  expect(lines.filter((line) => /oldest.*report|(readings|errors)_total.*hot/.test(line))).toEqual([]);
  expect(lines.join('\n')).not.toContain('gw1');
});

test('the latency of rules is a histogram', async () => {
  const name = 'weir_agent_rule_latency_seconds';
  expect((await text()).split('\n').filter((line) => line.includes(name))).toEqual([
    expect.stringContaining(`# HELP ${name} From the arrival`),
    `# TYPE ${name} histogram`,
    `${name}_bucket{le="0.005"} 2`,
    `${name}_bucket{le="1"} 3`,
    `${name}_bucket{le="+Inf"} 4`,
    `${name}_sum 4.25`,
    `${name}_count 4`,
  ]);
});

test('docs/operations/metrics.md lists what there is, as it is', () => {
  const document = readFileSync(new URL('../../../docs/operations/metrics.md', import.meta.url), 'utf8');
  const section = document.split('\n## The agent\n')[1]!.split('\n## ')[0]!;
  const rows = section.split('\n').filter((line) => line.startsWith('| `'));
  expect(rows).toEqual(
    AGENT_METRICS.map(({ name, type, labels, help }) => {
      return `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`;
    }),
  );
});

describe('the port for Prometheus', () => {
  async function ask(path: string, headers: Record<string, string> = {}) {
    const server = await serveMetrics({ host: '127.0.0.1', port: 0 }, text);
    onTestFinished(() => server.stop());
    return new Promise<{ status: number | undefined; type: string | undefined; body: string }>((resolve, reject) => {
      get({ host: '127.0.0.1', port: server.port, path, headers }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk) => (body += chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode, type: response.headers['content-type'], body }),
        );
      }).on('error', reject);
    });
  }

  test('serves them in its format', async () => {
    const { status, type, body } = await ask('/metrics');
    expect([status, type]).toEqual([200, METRICS_TYPE]);
    expect(body).toContain('# TYPE weir_agent_readings_accepted_total counter');
  });

  test.each([
    ['another path', '/', {}, 404],
    ['a page that points its own name at this machine', '/metrics', { host: 'evil.example.com:9464' }, 421],
  ])('answers nothing to %s', async (_what, path, headers, status) => {
    expect(await ask(path, headers as Record<string, string>)).toMatchObject({ status, body: '' });
  });

  test('says which port is taken, and where it is set', async () => {
    const first = await serveMetrics({ host: '127.0.0.1', port: 0 }, text);
    onTestFinished(() => first.stop());
    await expect(serveMetrics({ host: '127.0.0.1', port: first.port }, text)).rejects.toMatchObject({
      code: 'port-taken',
      remedy: expect.stringContaining('metrics.port'),
    });
  });
});
