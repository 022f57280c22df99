import {
  type AlertTransition,
  type Batch,
  columnsOf,
  encodeBatch,
  type Lane,
  type Reading,
  type Report,
  readingsOf,
} from '@weir/protocols';
import { type Deployed, emptyStepOutput, type FoldHost, type SendHttp } from '@weir/runtime';
import pino from 'pino';
import { systemClock } from '../clock/clock.ts';
import { configSchema } from '../config/config.ts';
import { type Store, StoreError } from '../store/store.ts';
import { createRequestService } from './request-service.ts';
import type { WorkerPorts } from './worker.ts';

export const T0 = 1_700_000_000_000;

export function readings(from: number, count: number): Reading[] {
  return Array.from({ length: count }, (_, at) => ({
    sensor: 'oven1',
    metric: 'temperature',
    value: from + at,
    ts: T0 + (from + at) * 1000,
  }));
}

export function record(
  seq: number,
  count: number,
  { device = 'gw1', lane = 'live' as Lane, epoch = 'e1', generation = undefined as string | undefined } = {},
) {
  const batch: Batch = { kind: 'readings', epoch, seq, count, generation, columns: columnsOf(readings(seq, count)) };
  return { device, lane, payload: encodeBatch(batch), receivedAt: T0 };
}

export function alert(seq: number, more: Partial<AlertTransition> = {}): AlertTransition {
  return {
    episode: 'episode00001',
    seq,
    state: seq === 1 ? 'firing' : 'resolved',
    reason: seq === 1 ? 'threshold' : 'cleared',
    severity: 'warning',
    source: { kind: 'rule', name: 'hot', version: '1' },
    device: 'gw1',
    ts: T0 + seq,
    startedAt: T0,
    summary: 'hot',
    ...more,
  };
}

export function alertRecord(seq: number, alerts: AlertTransition[], device = 'gw1', epoch = 'e1') {
  const batch: Batch = { kind: 'alerts', epoch, seq, count: alerts.length, alerts };
  return { device, lane: 'alert' as const, payload: encodeBatch(batch), receivedAt: T0 };
}

export function reportRecord(seq: number, reports: Report[], device = 'gw1', epoch = 'e1') {
  const batch: Batch = { kind: 'reports', epoch, seq, count: reports.length, reports };
  return { device, lane: 'report' as const, payload: encodeBatch(batch), receivedAt: T0 };
}

/** Something to deploy, for hosts that do not look at it. */
export function anyDeployed(name: string): Deployed {
  const rule = { name, version: '1' };
  return { name, hash: 'f'.repeat(64), config: {}, bundle: { weir: 1, kind: 'rule', rule } as Deployed['bundle'] };
}

/** A fold that counts readings, emits the count at every tenth, and raises one alert when it reaches 25. */
export function countingHost(device: string): FoldHost {
  let count = 0;
  let held = false;
  return {
    async deploy(wanted, states) {
      const output = emptyStepOutput();
      const now = wanted.length > 0;
      if (now && !held) count = Number(states.get('count') ?? 0);
      if (held && !now) output.states.push({ fold: 'count', json: null });
      if (held && !now && count >= 25)
        output.alerts.push(alert(2, { device, episode: `cloud${device}`, reason: 'removed' }));
      held = now;
      return output;
    },
    async step({ columns, position }) {
      const output = emptyStepOutput();
      const emitted: Reading[] = [];
      for (const { ts, value } of readingsOf(columns)) {
        if (value === -1) throw new Error('a bug of the host');
        count++;
        if (count % 10 === 0) emitted.push({ sensor: 'cloud', metric: 'count', value: count, ts });
        if (count === 25) {
          output.alerts.push(alert(1, { device, episode: `cloud${device}` }));
          output.publishes.push({
            id: `count:${position}:0`,
            topic: `to/${device}`,
            payload: 'stop',
            qos: 1,
            retain: false,
          });
          output.commands.push({ id: `count:${position}:0`, name: 'stop', payload: count });
        }
      }
      output.emitted = columnsOf(emitted);
      output.states.push({ fold: 'count', json: `${count}` });
      return output;
    },
    moveTime: emptyStepOutput,
    tick: async () => emptyStepOutput(),
    event: async () => undefined,
    status: () => [],
    dispose: () => {},
  };
}

/** Fails by plan: before anything is written, after everything is, or as if another worker had been first. */
export function failingStore(inner: Store, plan: string[]): Store {
  return {
    get: (key) => inner.get(key),
    query: (query) => inner.query(query),
    partitions: (table, options) => inner.partitions(table, options),
    close: () => inner.close(),
    async write(changes) {
      const step = plan.shift() ?? 'ok';
      if (step === 'before') throw new StoreError('io', 'the disk is gone');
      if (step === 'conflict') throw new StoreError('conflict', 'another was first');
      await inner.write(changes);
      if (step === 'after') throw new StoreError('io', 'the answer is lost');
    },
  };
}

/** As a process that is killed with its n-th write sees it: `before` or `after` that took hold; then nothing works any more. */
export function mortalStore(
  inner: Store,
  writes: number,
  killed: 'before' | 'after',
): Store & { isDead: () => boolean } {
  let left = writes;
  const alive = <T>(work: () => Promise<T>): Promise<T> =>
    left > 0 ? work() : Promise.reject(new StoreError('io', 'the process is gone'));
  return {
    isDead: () => left <= 0,
    get: (key) => alive(() => inner.get(key)),
    query: (query) => alive(() => inner.query(query)),
    partitions: (table, options) => alive(() => inner.partitions(table, options)),
    close: () => inner.close(),
    write: (changes) =>
      alive(async () => {
        left--;
        if (left > 0 || killed === 'after') await inner.write(changes);
        if (left === 0) throw new StoreError('io', 'the process is gone');
      }),
  };
}

/** Of functions that send none. */
export const NO_COMMANDS: WorkerPorts['commands'] = {
  admit: async () => ({ changes: [], committed: () => {}, dropped: [] }),
};

/** What functions may ask, and who answers. */
export function requestService({ send = noAnswer, allow = [] }: { send?: SendHttp; allow?: string[] } = {}) {
  const { functions } = configSchema.parse({ functions: { requests: { allow, perSecond: 1_000 } } });
  const random = (bytes: number) => new Uint8Array(bytes);
  const secrets = { value: async () => undefined };
  const ports = { send, secrets, clock: systemClock, random, logger: pino({ level: 'silent' }) };
  return createRequestService(ports, functions.requests, 1);
}

const noAnswer: SendHttp = () => Promise.reject(new Error('no function asks for anything here'));
