import type { AlertTransition } from '@weir/protocols';
import { beforeEach, expect, test } from 'vitest';
import { type ActionPorts, actOn } from '../alerts/actions.ts';
import { episodeChanges, raised } from '../alerts/episodes.ts';
import { transition } from '../api/control.fixture.ts';
import { createHubEvents, type HubEvents } from '../api/events.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { alertMetrics } from './alert-metrics.ts';
import { registryOf } from './metric.ts';

const T0 = 1_795_000_000_000;
let store: Store;
let events: HubEvents;
let now: number;
let ports: ActionPorts;
let text: () => Promise<string[]>;

beforeEach(() => {
  [store, events, now] = [createMemoryStore(), createHubEvents(), T0];
  ports = { store, events, wakeNotifier: () => {}, ends: { committed: () => {} }, now: () => now };
  text = counted();
});

function counted(): () => Promise<string[]> {
  const registry = registryOf(alertMetrics(events, store).metrics);
  return async () =>
    (await registry.metrics()).split('\n').filter((line) => line.startsWith('weir_') && !/ 0$/.test(line));
}

async function record(...transitions: AlertTransition[]): Promise<void> {
  const { changes, fresh } = await episodeChanges(store, raised('edge', transitions), now);
  await store.write(changes);
  for (const each of fresh) events.emit({ type: 'transition', at: now, ...each });
}

const act = (what: 'ack' | 'end', episode: string) =>
  actOn(ports, [episode], { id: `${what}-${now}`, by: 'ana', what });
const firing = (over: Partial<AlertTransition> = {}) => transition({ ts: T0, startedAt: T0, ...over });
const resolved = (over: Partial<AlertTransition> = {}) =>
  transition({ seq: 2, state: 'resolved', reason: 'cleared', ts: T0, startedAt: T0, ...over });

test('active alerts are counted by severity and rule, over a restart of the hub, too', async () => {
  await record(firing(), firing({ episode: 'episode0002', severity: 'critical' }));
  await record(firing({ episode: 'episode0003', dryRun: true }), firing({ episode: 'episode0004' }));
  const both = [
    'weir_alerts_active{severity="warning",rule="oven-hot"} 2',
    'weir_alerts_active{severity="critical",rule="oven-hot"} 1',
  ];
  const active = async (of = text) => (await of()).filter((line) => line.startsWith('weir_alerts_active'));
  expect((await active()).toSorted()).toEqual(both.toSorted());
  expect((await active(counted())).toSorted()).toEqual(both.toSorted());
  await record(resolved(), resolved({ episode: 'episode0002' }));
  expect(await active()).toEqual(['weir_alerts_active{severity="warning",rule="oven-hot"} 1']);
  await act('end', 'episode0004');
  expect(await active()).toEqual([]);
});

test('an end counts once, by its reason: also one that a person brought about, or that waited for one', async () => {
  await record(firing(), resolved());
  await record(firing({ episode: 'episode0002' }));
  await act('end', 'episode0002');
  await record(resolved({ episode: 'episode0002' }));
  await record(firing({ episode: 'episode0003', latch: true }), resolved({ episode: 'episode0003', latch: true }));
  now += 120_000;
  await act('ack', 'episode0003');
  await record(
    firing({ episode: 'episode0004', historical: true }),
    resolved({ episode: 'episode0004', historical: true }),
  );
  const lines = await text();
  const outcomes = lines.filter((line) => line.startsWith('weir_alert_episodes_total')).toSorted();
  expect(outcomes).toEqual(
    ['acknowledged', 'cleared', 'historical', 'manual'].map(
      (outcome) => `weir_alert_episodes_total{outcome="${outcome}"} 1`,
    ),
  );
  expect(lines).toContain('weir_alert_acknowledgements_total{severity="warning",within="5m"} 1');
});

test('how late transitions came is counted, and why they happened', async () => {
  now = T0 + 30_000;
  await record(firing({ reason: 'held' }));
  now = T0 + 7_200_000;
  await record(resolved());
  const lines = await text();
  expect(lines).toContain('weir_alert_arrivals_total{origin="edge",within="1m"} 1');
  expect(lines).toContain('weir_alert_arrivals_total{origin="edge",within="more"} 1');
  expect(lines).toContain(
    'weir_alert_transitions_total{state="firing",reason="held",severity="warning",origin="edge"} 1',
  );
});

test('of too many rules some are counted together', async () => {
  for (let at = 0; at < 210; at++) {
    const source = { kind: 'rule', name: `rule-${at}`, version: '1' } as const;
    await record(firing({ episode: `episode${String(at).padStart(4, '0')}`, source }));
  }
  const lines = (await text()).filter((line) => line.startsWith('weir_alerts_active'));
  expect(lines).toHaveLength(201);
  expect(lines).toContain('weir_alerts_active{severity="warning",rule="*"} 10');
});
