/** What front, log, workers, functions and commands count. */
import type { Sandbox } from '@weir/runtime';
import type { Audit } from '../audit/audit.ts';
import type { Commands } from '../commands/commands.ts';
import type { DeliveryCounts } from '../commands/delivery.ts';
import type { ConnectivityWatch } from '../condition/connectivity-watch.ts';
import type { Front } from '../front/front.ts';
import { type LaneMissing, MISSING_STATES } from '../gaps/totals.ts';
import type { Retention } from '../retention/retention.ts';
import type { Store } from '../store/store.ts';
import type { FunctionCount, UsageCounts } from '../usage/counts.ts';
import type { WorkerCounts } from '../workers/limits.ts';
import type { RuleCosts } from '../workers/rule-costs.ts';
import type { Workers } from '../workers/workers.ts';
import { countersOf, type Metric, metric, type Sample } from './metric.ts';
import { ruleMetrics } from './rule-metrics.ts';

export interface HubMetricsPorts {
  front: Pick<Front, 'connected' | 'counts'>;
  workers: Pick<Workers, 'lag' | 'counts' | 'openCircuits'>;
  commands: Pick<Commands, 'counts'>;
  usage: Pick<UsageCounts, 'all'>;
  ruleCosts: Pick<RuleCosts, 'all'>;
  /** Over the whole fleet, by lane. */
  missing(): Promise<readonly LaneMissing[]>;
  sandbox: Pick<Sandbox, 'restarts'>;
  retention: Pick<Retention, 'forgotten' | 'failures'>;
  store: Pick<Store, 'bytes'>;
  audit: Pick<Audit, 'deniedCounts'>;
  watch: Pick<ConnectivityWatch, 'counts' | 'openAlerts'>;
}

const WORKER_HELP: Record<keyof WorkerCounts, string> = {
  records: 'Batches that workers have taken from the log.',
  readings: 'Readings stored.',
  alerts: 'Alert transitions recorded.',
  reports: 'Reports of agents taken.',
  duplicates: 'Items that had been received before and were left out.',
  itemsGivenUp: 'Items that devices told they gave up at a limit.',
  devicesRestored: 'Times a device went on from an old copy of its disk.',
  newLives: 'Times a device that was known began anew, set up again or with another disk.',
  keptAside: 'Batches that failed again and again and were kept aside.',
  gathered: 'Inputs of devices that functions which gather have taken.',
  publishesDropped: 'Messages of functions in the hub to devices, for which there was no room.',
  commandsDropped: 'Commands of functions in the hub that were not kept: too many wait, or there is no such device.',
  requestsAnswered: 'HTTP requests of functions in the hub that were answered, with an error or without.',
  requestsRefused: 'HTTP requests of functions in the hub that were not sent: not allowed, or too many waited.',
  requestsDropped: 'HTTP requests of functions in the hub that were neither sent nor answered.',
  requestsDead: 'HTTP requests of functions in the hub given up after their last attempt.',
  deadLetters: 'Steps, or parts of them, that functions in the hub could not take.',
  deadLettersDropped: 'Dead letters of functions in the hub that were not kept: too large, or too many of one step.',
  conflicts: 'Commits that another worker was ahead of.',
  failures: 'Failures of workers, each tried again.',
};

const COMMAND_HELP: Record<keyof DeliveryCounts, string> = {
  sent: 'Commands handed to the downlink, each time.',
  expired: 'Commands whose time was over before the device answered.',
  refused: 'Commands that the downlink does not take.',
};

export function hubMetrics(ports: HubMetricsPorts): Metric[] {
  const { front, workers, commands, usage, missing, sandbox, watch } = ports;
  return [
    metric('gauge', 'weir_front_connections', 'Devices that are connected now.', () => front.connected()),
    {
      name: 'weir_devices',
      type: 'gauge',
      help: 'Devices by state: connected, silent, offline, returning, never-connected, revoked.',
      labels: ['state'],
      read: () => Object.entries(watch.counts()).map(([state, count]): Sample => [count, { state }]),
    },
    {
      name: 'weir_connectivity_alerts_open',
      type: 'gauge',
      help: 'Alerts about devices that are away: of one device (alone), of many together (outages).',
      labels: ['kind'],
      read: () => Object.entries(watch.openAlerts()).map(([kind, count]): Sample => [count, { kind }]),
    },
    {
      name: 'weir_front_messages_total',
      type: 'counter',
      help: 'Messages and connections of devices by what became of them.',
      labels: ['kind'],
      read: () => Object.entries(front.counts()).map(([kind, count]): Sample => [count, { kind }]),
    },
    metric('gauge', 'weir_log_lag_records', 'Batches in the log that workers have not taken yet.', () => workers.lag()),
    ...countersOf('weir_worker', WORKER_HELP, () => workers.counts()),
    metric(
      'gauge',
      'weir_requests_open_circuits',
      'Destinations of requests of functions in the hub that are left alone for a while, for they fail.',
      () => workers.openCircuits(),
    ),
    {
      name: 'weir_missing_items',
      type: 'gauge',
      help: 'Items of devices that the hub does not have: given up by the device (dropped), on their way or lost (open), the same of devices set up anew since (ended).',
      labels: ['lane', 'state'],
      read: async () =>
        (await missing()).flatMap(({ lane, ...states }) =>
          MISSING_STATES.map((state): Sample => [states[state], { lane, state }]),
        ),
    },
    ...countersOf('weir_commands', COMMAND_HELP, () => commands.counts()),
    metric(
      'counter',
      'weir_sandbox_restarts_total',
      'Processes of the sandbox that ended or were killed, and were replaced.',
      () => sandbox.restarts,
    ),
    ...retentionMetrics(ports),
    {
      name: 'weir_api_denied_total',
      type: 'counter',
      help: 'Requests of operators and of clients of the data plane that were not let, by the code of the answer.',
      labels: ['code'],
      read: () => Array.from(ports.audit.deniedCounts(), ([code, count]): Sample => [count, { code }]),
    },
    ...functionMetrics(usage),
    ...ruleMetrics(ports.ruleCosts),
  ];
}

function retentionMetrics({ retention, store }: Pick<HubMetricsPorts, 'retention' | 'store'>): Metric[] {
  return [
    {
      name: 'weir_store_bytes',
      type: 'gauge',
      help: 'What the store takes on disk, without room that is used again.',
      labels: [],
      read: async () => (store.bytes === undefined ? [] : [[await store.bytes()]]),
    },
    {
      name: 'weir_retention_forgotten_total',
      type: 'counter',
      help: 'Readings, alerts and sums of usage that went: at their age, or because the store had no room.',
      labels: ['what', 'reason'],
      read: () => retention.forgotten.map(({ what, reason, count }): Sample => [count, { what, reason }]),
    },
    metric(
      'counter',
      'weir_retention_failures_total',
      'Times that the store failed while something was to be forgotten; it is tried again.',
      () => retention.failures,
    ),
  ];
}

/** Of the whole fleet; devices tell theirs every few minutes. */
function functionMetrics(usage: HubMetricsPorts['usage']): Metric[] {
  const of = (type: Metric['type'], name: string, help: string, pick: (count: FunctionCount) => number): Metric => ({
    ...{ name, type, help },
    labels: ['function', 'version', 'where'],
    read: () =>
      Array.from(usage.all(), (count): Sample => {
        const { function: name, version, where } = count;
        return [pick(count), { function: name, version, where }];
      }),
  });
  return [
    of('counter', 'weir_function_invocations_total', 'Steps of functions.', ({ invocations }) => invocations),
    of('counter', 'weir_function_readings_total', 'Readings that functions took.', ({ readings }) => readings),
    of('counter', 'weir_function_cpu_seconds_total', 'Processor time of functions.', ({ cpuMs }) => cpuMs / 1_000),
    of(
      'gauge',
      'weir_function_heap_peak_bytes',
      'Largest heap of the function seen anywhere.',
      ({ heapBytesMax }) => heapBytesMax,
    ),
    of(
      'counter',
      'weir_function_errors_total',
      'Steps of functions that failed, or had to be stopped.',
      (c) => c.errors,
    ),
    of(
      'counter',
      'weir_function_outputs_total',
      'Readings, alerts, publishes, requests and commands that functions put out.',
      (c) => c.outputs,
    ),
  ];
}
