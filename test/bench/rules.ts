import { type Columns, columnsOf, type RuleInput, ruleSchema } from '@weir/protocols';
import { createFoldHost, type FoldHost, type FunctionSandbox } from '@weir/runtime';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';

const RULES = 10_000;
const BATCH = 1_000;
const ROUNDS = 5;
const START = Date.parse('2026-01-05T00:00:00Z');

/** One rule of each kind, over one series. */
const KINDS: Record<string, Omit<RuleInput, 'name'>> = {
  above: { above: 80 },
  hysteresis_for: { above: 80, clear: 75, for: '10s' },
  ladder: { severities: { warning: { above: 70, clear: 65 }, critical: { above: 80, clear: 75 } } },
  lateness: { above: 80, lateness: '5s' },
  avg_60_samples: { value: { avg: '1m' }, above: 80 },
  avg_300_samples: { value: { avg: '5m' }, above: 80 },
  avg_3600_samples: { value: { avg: '1h' }, above: 80 },
  p95_300_samples: { value: { p95: '5m' }, above: 80 },
  tumbling_avg: { value: { avg: { over: '1m', tumbling: true } }, above: 80 },
  rate: { value: { rate: '1m' }, above: 80 },
  count: { value: { count: '1m' }, below: 30 },
  change: { changesBy: { amount: 30, within: '1m' } },
  three_of_five: { above: 80, matches: { times: 3, of: 5 } },
  silent: { silentFor: '1m' },
  adaptive: { adaptive: true },
  tree_of_four: {
    by: 'device',
    severities: {
      warning: {
        when: {
          any: [
            {
              all: [
                { sensor: 's0', metric: 'temperature', above: 80 },
                { sensor: 's0', metric: 'temperature', below: 120 },
              ],
            },
            {
              all: [
                { sensor: 's0', metric: 'temperature', below: 2 },
                { sensor: 's0', metric: 'temperature', above: -20 },
              ],
            },
          ],
        },
      },
    },
  },
};

export const rules: Bench = {
  secondsDefault: 25,
  run,
  help: `
rules: what threshold rules cost the host that runs them.

  The fold host of agent and hub, in this process, with rules as they are deployed. Steps of ${BATCH} readings, one a second of
  each series, a sixtieth of them beyond the level. All that a step makes is made: transitions, and what is to be
  committed, as text. Nothing is written to a disk. Medians of ${ROUNDS} rounds.

  ten_thousand_readings_per_s    ${RULES} rules, each on a series of its own, readings over all ${RULES} series
  ten_thousand_evaluations_per_s the same: a reading is for one rule
  ten_thousand_deploy_s          until they run
  ten_thousand_rss_mb            resident memory more than before, once each has had readings
  ten_thousand_vs_one_ratio      time of a reading by that of a reading with one rule alone: 1 is to cost nothing for others
  star_readings_per_s            one rule for \`*\`, over ${RULES} series
  star_vs_one_ratio              time of a reading by that with one series
  none_readings_per_s            ${RULES} rules, readings that none of them takes
  KIND_ns                        of one reading with one rule of this kind over one series; the rule is kept once for the
                                 whole step, as with any batch
  KIND_state_bytes               what is written for it with a step
`,
};

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const roundMs = (seconds * 1_000) / (ROUNDS * (Object.keys(KINDS).length + 4));
  const metrics: Metrics = {};
  const one = await measured({ one: KINDS.hysteresis_for! }, batches(1), roundMs);
  const many = Object.fromEntries(
    Array.from({ length: RULES }, (_, at) => [`r${at}`, { sensor: `s${at}`, ...KINDS.hysteresis_for! }]),
  );
  const before = rssMb();
  const ten = await measured(many, batches(RULES), roundMs);
  metrics.ten_thousand_readings_per_s = Math.round(1e9 / ten.ns);
  metrics.ten_thousand_evaluations_per_s = Math.round(1e9 / ten.ns);
  metrics.ten_thousand_deploy_s = rounded(ten.deployMs / 1_000);
  metrics.ten_thousand_rss_mb = Math.round(ten.rssMb - before);
  metrics.ten_thousand_vs_one_ratio = rounded(ten.ns / one.ns);
  say(
    `10,000 rules over 10,000 series: ${metrics.ten_thousand_readings_per_s} readings/s; one rule: ${Math.round(1e9 / one.ns)}`,
  );
  const star = await measured({ star: KINDS.hysteresis_for! }, batches(RULES), roundMs);
  metrics.star_readings_per_s = Math.round(1e9 / star.ns);
  metrics.star_vs_one_ratio = rounded(star.ns / one.ns);
  const none = await measured(many, batches(RULES, 'other'), roundMs);
  metrics.none_readings_per_s = Math.round(1e9 / none.ns);
  say(`one rule for *: ${metrics.star_readings_per_s} readings/s; none taken: ${metrics.none_readings_per_s}`);
  for (const [kind, rule] of Object.entries(KINDS)) {
    const { ns, bytes } = await measured({ [kind]: { sensor: 's0', ...rule } }, batches(1), roundMs);
    metrics[`${kind}_ns`] = Math.round(ns);
    metrics[`${kind}_state_bytes`] = bytes;
    say(`${kind}: ${Math.round(ns)} ns, ${bytes} bytes`);
  }
  return metrics;
}

interface Measured {
  /** Of one reading. */
  ns: number;
  deployMs: number;
  rssMb: number;
  /** Written with the last step. */
  bytes: number;
}

async function measured(written: Record<string, object>, next: () => Columns, roundMs: number): Promise<Measured> {
  const host = createFoldHost({ device: 'gw1', sandbox: NO_SANDBOX });
  const began = performance.now();
  await host.deploy(Object.entries(written).map(deployed), new Map(), '0', START);
  const deployMs = performance.now() - began;
  const from = { at: 0, bytes: 0 };
  // Each series is known, each window full, and the code is warm.
  for (let at = 0; at < (Object.keys(written).length > 1 ? 2 * (RULES / BATCH) : 5); at++)
    await step(host, next(), from);
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await roundOf(host, next, from, roundMs));
  const result = { ns: median(rounds), deployMs, rssMb: rssMb(), bytes: from.bytes };
  host.dispose();
  return result;
}

/** @returns ns for each reading */
async function roundOf(
  host: FoldHost,
  next: () => Columns,
  from: { at: number; bytes: number },
  ms: number,
): Promise<number> {
  let spentMs = 0;
  let readings = 0;
  do {
    const columns = next();
    const began = performance.now();
    await step(host, columns, from);
    spentMs += performance.now() - began;
    readings += columns.index.length;
  } while (spentMs < ms);
  return (spentMs * 1e6) / readings;
}

async function step(host: FoldHost, columns: Columns, from: { at: number; bytes: number }): Promise<void> {
  const receivedAt = columns.ts.at(-1)!;
  const { states } = await host.step({ position: `${++from.at}`, receivedAt, columns });
  from.bytes = states.reduce((sum, { json }) => sum + (json?.length ?? 0), 0);
}

/** Each series once a second, in turn. */
function batches(series: number, prefix = 's'): () => Columns {
  let at = 0;
  return () => {
    const readings = Array.from({ length: BATCH }, () => {
      const ts = START + Math.floor(at / series) * 1_000 + (series === 1 ? 0 : at % 1_000);
      const value = at % 60 === 7 ? 90 : 60 + ((at * 7) % 10);
      const sensor = `${prefix}${at % series}`;
      at++;
      return { sensor, metric: 'temperature', value, ts };
    });
    return columnsOf(readings.sort((a, b) => a.ts - b.ts));
  };
}

function deployed([name, written]: [string, object]) {
  const rule = ruleSchema.parse({ name, metric: 'temperature', ...written });
  return { name, bundle: { weir: 1, kind: 'rule', rule } as const, hash: name, config: {} };
}

function rssMb(): number {
  globalThis.gc?.();
  return process.memoryUsage.rss() / 1_048_576;
}

function rounded(value: number): number {
  return Number(value.toFixed(2));
}

/** There are no functions here. */
const NO_SANDBOX: FunctionSandbox = {
  load: () => Promise.reject(new Error('no functions')),
  step: () => Promise.reject(new Error('no functions')),
  drop: () => {},
};
