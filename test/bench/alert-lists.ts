/** Lists of alerts over a store that has a hundred thousand of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type EpisodeFilter, listEpisodes, openSqliteStore, type Store } from '@weir/cloud';
import type { Bench } from './bench.ts';
import { ACTIVE, APART_MS, DEVICES, EPISODES, fill, RULES, T0 } from './kept-episodes.ts';

const FILTERS: Record<string, EpisodeFilter> = {
  all: {},
  active: { states: ['firing', 'recovering', 'no-data', 'error'] },
  resolved: { states: ['resolved'] },
  one_device: { device: 'gw7' },
  one_rule: { rule: 'rule7' },
  one_rule_critical: { rule: 'rule7', severities: ['critical'] },
  a_month_ago: { until: T0 + (EPISODES / 2) * APART_MS },
  by_nobody_at_all: { assignee: 'nobody' },
};

export const alertLists: Bench = {
  secondsDefault: 2,
  help: `
Fills a SQLite store with ${EPISODES} episodes of ${DEVICES} devices and ${RULES} rules, ${ACTIVE} of them active, as workers record them, and asks for pages of
100 by several filters, the first page and one far down. "…_p99_ms" is the 99th percentile of a page; "record_us" is what recording one
transition took. A page that finds little looks at 5,000 at most and says where to go on ("by_nobody_at_all").
`,
  async run({ seconds, say }) {
    const folder = mkdtempSync(join(tmpdir(), 'weir-bench-alerts-'));
    const store = await openSqliteStore({ file: join(folder, 'store.sqlite') });
    try {
      const began = performance.now();
      const recorded = await fill(store);
      const figures: Record<string, number> = { episodes: EPISODES };
      figures.record_us = round(((performance.now() - began) * 1_000) / recorded);
      for (const [name, filter] of Object.entries(FILTERS)) {
        const took = await ask(store, filter, (seconds * 1_000) / Object.keys(FILTERS).length);
        figures[`${name}_p50_ms`] = round(took[Math.floor(took.length / 2)]!);
        figures[`${name}_p99_ms`] = round(took[Math.floor(took.length * 0.99)]!);
        say(
          `${name}: p50 ${figures[`${name}_p50_ms`]} ms, p99 ${figures[`${name}_p99_ms`]} ms over ${took.length} pages`,
        );
      }
      return figures;
    } finally {
      await store.close();
      rmSync(folder, { recursive: true });
    }
  },
};

/** @returns how long pages took, ascending */
async function ask(store: Store, filter: EpisodeFilter, ms: number): Promise<number[]> {
  const took: number[] = [];
  const until = performance.now() + ms;
  while (took.length < 20 || performance.now() < until) {
    let after: string | undefined;
    for (let page = 0; page < 3; page++) {
      const began = performance.now();
      const { next } = await listEpisodes(store, { ...filter, limit: 100, ...(after !== undefined && { after }) });
      took.push(performance.now() - began);
      if (next === undefined) break;
      after = next;
    }
  }
  return took.toSorted((a, b) => a - b);
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
