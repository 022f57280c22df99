/** Ten thousand transitions, and five channels that are to be told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { intakeChange, openSqliteStore, Planner, type Store } from '@weir/cloud';
import type { AlertState, AlertTransition } from '@weir/protocols';
import type { Bench, Metrics } from './bench.ts';

const TRANSITIONS = 10_000;
const CHANNELS = ['a', 'b', 'c', 'd', 'e'];
/** As workers commit them. */
const TOGETHER = 20;
const T0 = 1_795_000_000_000;
const HOUR_MS = 3_600_000;

export const alertPlan: Bench = {
  secondsDefault: 10,
  help: `
alert-plan: what planning takes when everything fires at once.

  ${TRANSITIONS} devices fire within a moment; a store on the disk has that in its intake, ${TOGETHER} transitions an item, as workers commit them.
  The planner of the hub plans them for ${CHANNELS.length} channels with their default rate; then all of them are over, and that is planned,
  with what falls due in the hour behind it. Its clock is moved by the bench; no receiver is on the way. --seconds is without effect.

  firing_s, over_s              until all of the intake is planned
  firing_writes, over_writes    of the store
  firing_changes …              items in these
  messages                      for all channels together
  firing_told, over_told        of one channel: alerts that its messages list or count; the bench fails when it is not each once
  rss_mb                        of the bench, at the end
`,
  async run({ say }) {
    const folder = mkdtempSync(join(tmpdir(), 'weir-bench-plan-'));
    const store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
    try {
      return await run(store, say);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true });
    }
  },
};

async function run(store: Store, say: (line: string) => void): Promise<Metrics> {
  for (const name of CHANNELS) {
    const json = { id: name, kind: 'terminal', createdAt: T0, delivered: 0, dropped: 0 };
    await store.write([{ put: { table: 'channel', partition: 'all', sort: name }, json }]);
  }
  let now = T0;
  const count = { writes: 0, changes: 0 };
  const planner = new Planner({
    store: counted(store, count),
    now: () => now,
    log: (_level, fields, text) => say(`${text} ${JSON.stringify(fields)}`),
    planned: () => {},
  });
  const metrics: Metrics = {};
  for (const [what, state] of [['firing', 'firing'] as const, ['over', 'resolved'] as const]) {
    await take(store, state, now);
    Object.assign(count, { writes: 0, changes: 0 });
    const began = performance.now();
    let next = await planner.round();
    metrics[`${what}_s`] = round((performance.now() - began) / 1_000);
    metrics[`${what}_writes`] = count.writes;
    metrics[`${what}_changes`] = count.changes;
    say(`${what}: ${metrics[`${what}_s`]} s, ${count.writes} writes`);
    const until = now + HOUR_MS;
    for (; next !== undefined && next <= until; next = await planner.round()) now = Math.max(now, next);
    now = until;
  }
  const told = await Promise.all(CHANNELS.map((channel) => toldTo(store, channel)));
  const [{ firing, resolved }] = told as [Told];
  metrics.messages = told.reduce((sum, { messages }) => sum + messages, 0);
  metrics.firing_told = firing;
  metrics.over_told = resolved;
  metrics.rss_mb = Math.round(process.memoryUsage().rss / 2 ** 20);
  const isEachOnce = told.every((each) => each.firing === TRANSITIONS && each.resolved === TRANSITIONS);
  if (!isEachOnce) throw new Error(`not each was told once: ${JSON.stringify(told)}`);
  return metrics;
}

async function take(store: Store, state: AlertState, now: number): Promise<void> {
  for (let at = 0; at < TRANSITIONS; at += TOGETHER) {
    const entries = Array.from({ length: TOGETHER }, (_, n) => ({
      transition: transitionOf(at + n, state, now),
      origin: 'edge' as const,
      channels: CHANNELS,
    }));
    await store.write([intakeChange(String(at).padStart(6, '0'), entries, now)]);
  }
}

function transitionOf(at: number, state: AlertState, now: number): AlertTransition {
  return {
    episode: `episode${String(at).padStart(6, '0')}`,
    seq: state === 'firing' ? 1 : 2,
    ...{ state, reason: state === 'firing' ? 'threshold' : 'cleared', severity: 'warning', ts: now, startedAt: T0 },
    source: { kind: 'rule', name: 'oven-hot', version: '1' },
    ...{ device: `gw${at}`, sensor: 'oven1', metric: 'temperature', value: 81.5, level: 80, unit: 'Cel' },
    summary: 'oven1 temperature is 81.5 Cel, above 80',
  };
}

interface Told {
  messages: number;
  firing: number;
  resolved: number;
}

async function toldTo(store: Store, channel: string): Promise<Told> {
  const told: Told = { messages: 0, firing: 0, resolved: 0 };
  let after: string | undefined;
  do {
    const page = await store.query({
      table: 'notification',
      partition: channel,
      ...(after !== undefined && { after }),
    });
    for (const { json } of page.items) {
      const { counts } = (json as { message: { counts: { firing: number; resolved: number } } }).message;
      told.messages += 1;
      told.firing += counts.firing;
      told.resolved += counts.resolved;
    }
    after = page.next;
  } while (after !== undefined);
  return told;
}

function counted(store: Store, count: { writes: number; changes: number }): Store {
  return {
    get: (key) => store.get(key),
    query: (query) => store.query(query),
    partitions: (table, options) => store.partitions(table, options),
    close: () => store.close(),
    write(changes) {
      count.writes += 1;
      count.changes += changes.length;
      return store.write(changes);
    },
  };
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
