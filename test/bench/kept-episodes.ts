/** A store with a hundred thousand episodes, as workers record them. */
import { type Change, episodeChanges, raised, type Store } from '@weir/cloud';
import type { AlertState, AlertTransition } from '@weir/protocols';

export const EPISODES = 100_000;
export const ACTIVE = 500;
export const DEVICES = 1_000;
export const RULES = 50;
export const T0 = 1_795_000_000_000;
export const APART_MS = 60_000;
const PER_WRITE = 10;

/**
 * @param isToBePlanned whether who is to be told of them is still to be planned, as when they have just come
 * @returns transitions recorded
 */
export async function fill(store: Store, isToBePlanned = true): Promise<number> {
  for (let at = 0; at < EPISODES; at += PER_WRITE) {
    const some = Array.from({ length: PER_WRITE }, (_, n) => at + n);
    for (const state of ['firing', 'resolved'] as const) {
      const made = some
        .filter((each) => state === 'firing' || each % (EPISODES / ACTIVE) !== 0)
        .map((each) => transitionOf(each, state));
      const { changes } = await episodeChanges(store, raised('edge', made), T0);
      await store.write(isToBePlanned ? changes : changes.filter((change) => tableOf(change) !== 'notify'));
    }
  }
  return 2 * EPISODES - ACTIVE;
}

function tableOf(change: Change): string {
  return ('put' in change ? change.put : change.remove).table;
}

function transitionOf(at: number, state: AlertState): AlertTransition {
  const startedAt = T0 + at * APART_MS;
  return {
    episode: `episode${String(at).padStart(13, '0')}`,
    seq: state === 'firing' ? 1 : 2,
    ...{ state, reason: state === 'firing' ? 'held' : 'cleared', startedAt, ts: startedAt + 1_000 },
    severity: (['info', 'warning', 'critical'] as const)[at % 3]!,
    source: { kind: 'rule', name: `rule${at % RULES}`, version: '1' },
    device: `gw${(at * 7919) % DEVICES}`,
    ...{ sensor: 'oven1', metric: 'temperature', value: 81.5, level: 80, peak: 92, unit: 'Cel' },
    summary: 'oven1 temperature is 81.5 Cel, above 80',
  };
}
