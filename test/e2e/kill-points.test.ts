/** A few of the kills of `npm run kill-points`, which does hundreds of them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LIVE_EVERY, Runs } from '../kill-points/runs.ts';

/** In which a rule forgot what was late, steps that failed were counted anew, and a tick had another name. */
const SEED = 17;
const KILLS = 4;
const folder = mkdtempSync(join(tmpdir(), 'weir-kill-points-'));
const runs = new Runs(folder, SEED, { groups: 120, liveGroups: 60 });

beforeAll(() => runs.prepare());
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('agent and sandbox killed with kill -9 over the same journal: everything is left as by a run without kills, byte for byte', async () => {
  const { hits, faults } = await runs.run(1, KILLS);
  expect(faults).toEqual([]);
  expect(hits.length).toBe(KILLS);
});

test('killed while readings come over MQTT: none that was acknowledged is lost, none counts twice, and the journal alone says what came of them', async () => {
  const { hits, faults } = await runs.run(LIVE_EVERY, KILLS);
  expect(faults).toEqual([]);
  expect(hits.length).toBeGreaterThan(0);
});
