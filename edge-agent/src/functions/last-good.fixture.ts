/** A function in versions that run well, badly and not at all, and what became of it. */
import { type AlertTransition, readingsOf } from '@weir/protocols';
import { createFoldHost, hashBundle, type Sandbox } from '@weir/runtime';
import { sentBatch } from '../outbox/sent.fixture.ts';
import type { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import type { Spool } from '../spool/spool.ts';
import type { PipelinePorts } from './pipeline-ports.ts';
import { NO_REQUESTS } from './requests.fixture.ts';

/** In a row that threw: then a version is quarantined. */
export const THROWN_STEPS = 10;
export const NAME = 'watch';

export function versionOf(version: string, body: string, more: { name?: string; [field: string]: unknown } = {}) {
  const { name = NAME, ...rest } = more;
  const code = `globalThis.__weirDefinition = { name: '${name}', version: '${version}', ${body} };`;
  const takes = { inputs: [{ metric: 'm' }], handlers: ['reading'], schedules: [] };
  const manifest = { name, version, api: 1, ...takes, timeoutMs: 5_000, memoryMb: 64, ...rest };
  const bytes = Buffer.from(JSON.stringify({ weir: 1, kind: 'function', manifest, code }));
  return { bytes, hash: hashBundle(bytes) };
}
export type Version = ReturnType<typeof versionOf>;

/** Counts, and raises an alert over 5. */
export const good = versionOf(
  '1',
  `state: () => ({ n: 0 }),
   reading(r, ctx) {
     ctx.emit({ metric: 'count', value: ++ctx.state.n });
     ctx.alert({ name: 'high', active: r.value > 5 });
   }`,
);
/** Ends what was raised, raises something of its own and leaves a state of another shape; throws at all that is over 0. */
export const throwing = versionOf(
  '2',
  `reading(r, ctx) {
     if (r.value > 0) throw new Error('broken by design');
     ctx.state.n = { total: 'many' };
     ctx.alert({ name: 'high', active: false });
     ctx.alert({ name: 'own', active: true });
   }`,
);
export const unloadable = versionOf('3', `reading() {}, [(() => { throw new Error('not even this'); })()]: 1`);
export const inARow = (value: number) => Array.from({ length: THROWN_STEPS }, () => value);

export function portsOf(sandbox: Sandbox, spool: Spool, logs: string[]): Omit<PipelinePorts, 'clock'> {
  return {
    spool,
    createHost: (onStatus, witness) =>
      createFoldHost({ device: 'gw1', sandbox, onStatus, ...(witness && { witness }) }),
    createTrialHost: () => createFoldHost({ device: 'gw1', sandbox }),
    isConnected: () => true,
    requests: NO_REQUESTS,
    commands: { add: () => {} },
    onCommitted: () => {},
    onLogs: () => {},
    onUncommitted: () => {},
    onStatus: () => {},
    onFailure: (what, error) => logs.push(`${what}: ${error.message}`),
    log: (_level, message) => logs.push(message),
  };
}

export const readingOf = (value: number, at: number) => ({
  sensor: 's',
  metric: 'm',
  value,
  ts: 1_700_000_000_000 + at,
});

export function append(spool: HeldSpool, value: number) {
  const id = spool.ops.state().lastId + 1;
  return spool.ops.append(arrivalOf([readingOf(value, id)]));
}

/** Everything in the outbox: what was counted, and transitions as `<episode, counted from a>-<seq> <state> <reason>`. */
export function sent(spool: HeldSpool) {
  const cursors = { alert: 0, live: 0, backfill: 0, report: 0 };
  const window = { total: 9, others: 9, readings: 9, report: 0, backfill: 9 };
  const batches = spool.ops.nextBatches(cursors, window, 0);
  const decoded = batches.map(({ payload }) => sentBatch(payload));
  const alerts = decoded.flatMap((batch): readonly AlertTransition[] => (batch.kind === 'alerts' ? batch.alerts : []));
  const readings = decoded.flatMap((batch) => (batch.kind === 'readings' ? [...readingsOf(batch.columns)] : []));
  const episodes = [...new Set(alerts.map(({ episode }) => episode))];
  const letter = (episode: string) => 'abcdefgh'[episodes.indexOf(episode)];
  return {
    counts: readings.filter(({ metric }) => metric === 'count').map(({ value }) => value),
    alerts: alerts.map(({ episode, seq, state, reason }) => `${letter(episode)}-${seq} ${state} ${reason}`),
  };
}
