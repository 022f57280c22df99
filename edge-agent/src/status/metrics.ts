/**
 * What the agent counts, for Prometheus: a view of the status. `docs/operations/metrics.md` lists it; a test compares.
 *
 * The names begin with `weir_agent_`, those of functions too: the hub has the sums of its fleet under `weir_function_`,
 * and whoever adds up both would count twice.
 */
import type { FoldStatus, Usage } from '@weir/runtime';
import { Counter, Gauge, Registry } from 'prom-client';
import type { LaneAccount } from '../outbox/outbox.ts';
import type { StorageStatus } from '../spool/storage.ts';
import { FORWARDING_METRICS } from './forwarding.ts';
import { NOTICE_METRICS } from './notices.ts';
import type { StatusReport } from './report.ts';
import { RULE_METRICS } from './rules.ts';

/** Of a histogram with what its name ends with. */
type Sample = [value: number, labels?: Record<string, string>, suffix?: '_bucket' | '_sum' | '_count'];

export interface AgentMetric {
  /** With its unit last, or `_total`. @see https://prometheus.io/docs/practices/naming/ */
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  labels: readonly string[];
  read(report: StatusReport, machine: MachineUsage): Sample[];
}

/** Of the agent's own process, without its sandbox. */
export interface MachineUsage {
  residentBytes: number;
  cpuSeconds: number;
}

export async function metricsText(report: StatusReport, machine: MachineUsage): Promise<string> {
  const registry = new Registry();
  let histograms = '';
  for (const each of AGENT_METRICS) {
    const { name, type, help, labels, read } = each;
    if (type === 'histogram') {
      histograms += histogramText(each, read(report, machine));
      continue;
    }
    const about = { name, help, labelNames: labels, registers: [registry] };
    const metric = type === 'counter' ? new Counter(about) : new Gauge(about);
    for (const [value, values = {}] of read(report, machine)) metric.inc(values, value);
  }
  return `${await registry.metrics()}${histograms}`;
}

/** The client's own would have to be told of each observation: it is loaded when somebody asks. */
function histogramText({ name, help }: AgentMetric, samples: readonly Sample[]): string {
  const lines = samples.map(([value, labels = {}, suffix = '']) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${text}"`);
    return `${name}${suffix}${pairs.length > 0 ? `{${pairs.join(',')}}` : ''} ${value}\n`;
  });
  return `\n# HELP ${name} ${help}\n# TYPE ${name} histogram\n${lines.join('')}`;
}

export const AGENT_METRICS: readonly AgentMetric[] = [
  of('gauge', 'weir_agent_info', 'The version of the agent.', ({ version }) => [[1, { version }]], ['version']),
  one(
    'gauge',
    'weir_agent_uplink_up',
    '1 while there is a connection to the hub.',
    ({ uplink }) => +(uplink.state === 'up'),
  ),
  one(
    'gauge',
    'weir_agent_uplink_changed_timestamp_seconds',
    'Since when the uplink is up, or is not.',
    ({ uplink }) => uplink.since / 1e3,
  ),
  of(
    'gauge',
    'weir_agent_certificate_expires_timestamp_seconds',
    "When the device's certificate ends; it is renewed a month before.",
    ({ certificate }) => (certificate === undefined ? [] : [[certificate.validTo / 1e3]]),
  ),
  of('gauge', 'weir_agent_uplink_budget_bytes', 'What a metered line may cost a day.', ({ budget }) =>
    budget === undefined ? [] : [[budget.bytesPerDay]],
  ),
  of('gauge', 'weir_agent_uplink_spent_bytes', 'What it has cost since the day began.', ({ budget }) =>
    budget === undefined ? [] : [[budget.spentBytes]],
  ),
  of(
    'gauge',
    'weir_agent_clock_state',
    '1 for what is known of the time: synchronised, assumed or unsynchronised.',
    ({ clock }) => (clock === undefined ? [] : [[1, { state: clock.certainty, source: clock.source }]]),
    ['state', 'source'],
  ),
  of(
    'gauge',
    'weir_agent_clock_machine_ahead_seconds',
    "The machine's own clock less the time the agent goes by.",
    ({ clock }) => (clock === undefined ? [] : [[clock.wallAheadMs / 1e3]]),
  ),
  of('gauge', 'weir_agent_clock_hub_ahead_seconds', "The time the agent goes by less the hub's.", ({ clock }) =>
    clock?.hubAheadMs === undefined ? [] : [[clock.hubAheadMs / 1e3]],
  ),
  one('gauge', 'weir_agent_broker_connections', 'Sensors and others at the local broker.', (r) => r.broker.connections),
  one('counter', 'weir_agent_readings_accepted_total', 'Readings acknowledged to sensors.', (r) => r.accepted),
  one(
    'counter',
    'weir_agent_readings_ahead_total',
    "Accepted readings with a time ahead of the device's clock.",
    (r) => r.futureReadings,
  ),
  of(
    'counter',
    'weir_agent_payloads_refused_total',
    'Payloads of sensors that were no readings.',
    ({ refused }) => Object.entries(refused).map(([reason, count]): Sample => [count, { reason }]),
    ['reason'],
  ),
  one('gauge', 'weir_agent_journal_bytes', 'Readings that functions have not passed yet.', (r) => r.journal.bytes),
  one(
    'gauge',
    'weir_agent_journal_lag_groups',
    'Groups of readings that wait for functions.',
    (r) => r.journal.lagRows,
  ),
  ofLane('gauge', 'weir_agent_lane_items', 'Items that wait for the hub.', ({ items }) => items),
  ofLane('gauge', 'weir_agent_lane_bytes', 'Size of the items that wait for the hub.', ({ bytes }) => bytes),
  ofLane('counter', 'weir_agent_lane_dropped_items_total', 'Items given up at a limit.', ({ dropped }) => dropped),
  ofLane('gauge', 'weir_agent_lane_oldest_timestamp_seconds', 'Since when the oldest item waits.', (l) =>
    seconds(l.oldestAt),
  ),
  ofStorage(
    'gauge',
    'weir_agent_disk_ok',
    '1 while the disk takes what is written; 0 when it is full, read-only or failing.',
    ({ state }) => +(state === 'ok'),
  ),
  ofStorage(
    'counter',
    'weir_agent_disk_commits_total',
    'Transactions that changed something, since the agent was started.',
    ({ figures }) => figures.commits,
  ),
  ofStorage(
    'counter',
    'weir_agent_disk_syncs_total',
    'Times that the log of the database was synced, since the agent was started.',
    ({ figures }) => figures.syncs,
  ),
  one(
    'gauge',
    'weir_agent_publishes_waiting',
    'Messages of functions not yet at the local broker.',
    (r) => r.publishes.waiting,
  ),
  one(
    'counter',
    'weir_agent_publishes_dropped_total',
    'Those for which there was no room.',
    (r) => r.publishes.dropped,
  ),
  one('gauge', 'weir_agent_commands_waiting', 'Commands not yet run.', (r) => r.commands.waiting),
  one(
    'counter',
    'weir_agent_commands_dropped_total',
    'Commands of functions for which there was no room.',
    (r) => r.commands.dropped,
  ),
  one(
    'gauge',
    'weir_agent_requests_waiting',
    'HTTP requests of functions without an answer yet.',
    (r) => r.requests.waiting,
  ),
  one(
    'counter',
    'weir_agent_requests_refused_total',
    'HTTP requests of functions not sent: not allowed, or too many waited.',
    (r) => r.requests.refused,
  ),
  one(
    'counter',
    'weir_agent_requests_dropped_total',
    'HTTP requests of functions neither sent nor answered.',
    (r) => r.requests.dropped,
  ),
  one(
    'counter',
    'weir_agent_requests_dead_total',
    'HTTP requests of functions given up after their last attempt.',
    (r) => r.requests.dead,
  ),
  one(
    'gauge',
    'weir_agent_requests_open_circuits',
    'Destinations of HTTP requests that are left alone for a while, for they fail.',
    (r) => r.requests.circuits.length,
  ),
  one('gauge', 'weir_agent_dead_letters_waiting', 'Dead letters: input that functions could not take.', (r) =>
    lettersOf(r),
  ),
  one(
    'counter',
    'weir_agent_dead_letters_dropped_total',
    'Those for which there was no room.',
    (r) => r.deadLetters.dropped,
  ),
  one(
    'counter',
    'weir_agent_log_lines_suppressed_total',
    'Log lines of functions over the rate.',
    (r) => r.logsSuppressed,
  ),
  one(
    'counter',
    'weir_agent_sandbox_restarts_total',
    'Sandbox processes that were replaced.',
    (r) => r.sandbox.restarts,
  ),
  ofFold(
    'gauge',
    'weir_agent_function_running',
    '1 while the function or rule runs, 0 when it failed or is quarantined.',
    ({ state }) => +(state === 'running'),
  ),
  ofFunction('counter', 'weir_agent_function_invocations_total', 'Steps of functions.', (used) => used.invocations),
  ofFunction('counter', 'weir_agent_function_readings_total', 'Readings that functions took.', (used) => used.readings),
  ofFunction(
    'counter',
    'weir_agent_function_cpu_seconds_total',
    'Processor time of functions.',
    (used) => used.cpuMs / 1e3,
  ),
  ofFunction(
    'gauge',
    'weir_agent_function_heap_peak_bytes',
    'Largest heap of the function seen.',
    (used) => used.heapBytesMax,
  ),
  ofFunction(
    'counter',
    'weir_agent_function_errors_total',
    'Steps that failed, or had to be stopped.',
    (used) => used.errors,
  ),
  ofFunction(
    'counter',
    'weir_agent_function_outputs_total',
    'Readings, alerts, publishes, requests and commands that functions put out.',
    (used) => used.outputs,
  ),
  ...NOTICE_METRICS,
  ...RULE_METRICS,
  ...FORWARDING_METRICS,
  one('gauge', 'process_start_time_seconds', 'When the agent was started.', ({ startedAt }) => startedAt / 1e3),
  one(
    'gauge',
    'process_resident_memory_bytes',
    'Memory of the agent, without its sandbox.',
    (_, machine) => machine.residentBytes,
  ),
  one(
    'counter',
    'process_cpu_seconds_total',
    'Processor time of the agent, without its sandbox.',
    (_, machine) => machine.cpuSeconds,
  ),
];

function of(
  type: AgentMetric['type'],
  name: string,
  help: string,
  read: AgentMetric['read'],
  labels: readonly string[] = [],
): AgentMetric {
  return { name, type, help, labels, read };
}

function one(
  type: AgentMetric['type'],
  name: string,
  help: string,
  pick: (report: StatusReport, machine: MachineUsage) => number,
): AgentMetric {
  return of(type, name, help, (report, machine) => [[pick(report, machine)]]);
}

/** Without a disk there is no sample. */
function ofStorage(
  type: AgentMetric['type'],
  name: string,
  help: string,
  pick: (storage: StorageStatus) => number,
): AgentMetric {
  return of(type, name, help, ({ storage }) => (storage === undefined ? [] : [[pick(storage)]]));
}

/** A lane without a number has no sample. */
function ofLane(
  type: AgentMetric['type'],
  name: string,
  help: string,
  pick: (lane: LaneAccount) => number | undefined,
): AgentMetric {
  const read = ({ lanes }: StatusReport) =>
    lanes.flatMap((account): Sample[] => {
      const value = pick(account);
      return value === undefined ? [] : [[value, { lane: account.lane }]];
    });
  return of(type, name, help, read, ['lane']);
}

function ofFold(
  type: AgentMetric['type'],
  name: string,
  help: string,
  pick: (fold: FoldStatus) => number,
): AgentMetric {
  const read = ({ functions }: StatusReport) => functions.map((fold): Sample => [pick(fold), labelsOf(fold)]);
  return of(type, name, help, read, ['function', 'version']);
}

/** Since it was started: with a new version or configuration it begins anew. */
function ofFunction(type: AgentMetric['type'], name: string, help: string, pick: (used: Usage) => number): AgentMetric {
  const read = ({ functions }: StatusReport) =>
    functions.flatMap((fold): Sample[] => (fold.usage === undefined ? [] : [[pick(fold.usage), labelsOf(fold)]]));
  return of(type, name, help, read, ['function', 'version']);
}

function labelsOf({ name, version }: FoldStatus): Record<string, string> {
  return { function: name, version };
}

function lettersOf({ deadLetters }: StatusReport): number {
  return deadLetters.waiting.reduce((sum, { count }) => sum + count, 0);
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1e3;
}
