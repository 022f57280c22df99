/** Real processes on a machine whose wall clock is wrong: at 1970, at 2100, and thrown about by years. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { eventually, exampleFile, System } from '../support/system.ts';
import { isInstalled, missingTool } from '../support/tools.ts';
import { WrongClock } from '../support/wrong-clock.ts';

const YEAR_S = 365 * 86_400;
/** The hub's answers tell whole seconds, and a test machine is busy. */
const NEAR_MS = 3_000;

interface Stored {
  value: number;
  ts: number;
  quality?: string;
}

interface Status {
  accepted: number;
  now: number;
  clock: { certainty: string; source: string; wallAheadMs: number };
  lanes: { lane: string; items: number; dropped: number }[];
  functions: { name: string; state: string }[];
}

interface Episode {
  state: string;
  summary: string;
  startedAt: number;
}

const isThere = isInstalled('faketime');
const why = isThere ? '' : missingTool('faketime');

describe.skipIf(!isThere)(`a device whose clock is wrong ${why}`, () => {
  let system: System;
  let clock: WrongClock;

  beforeEach(async () => {
    system = new System();
    clock = new WrongClock(join(system.folder, 'clock'));
    await system.startHub();
    await system.weir('group', 'create', 'plant');
  });

  afterEach(() => system.stop());

  const status = () => system.agentStatus<Status>();
  const stored = async (sensor: string) =>
    (await system.readings('gw1', { sensor, metric: 'temperature' })) as unknown as Stored[];
  const alerts = async () =>
    (await system.weirJson<Episode[]>('alert', 'list')).map(({ state, summary }) => ({ state, summary }));

  async function publish(topic: string, payload: string): Promise<number> {
    expect(await system.publish(topic, payload)).toMatchObject({ code: 0 });
    return Date.now();
  }

  async function enrol(): Promise<void> {
    const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
    await system.join('gw1', token);
    await system.startAgent();
    for (const rule of ['oven-too-hot', 'cold-room-warm']) {
      await system.weir('rule', 'apply', exampleFile(`rules/${rule}.yaml`), '--group', 'plant');
    }
    await system.weir('fn', 'deploy', exampleFile('functions/silence.ts'), '--group', 'plant');
    await eventually('all three run', async () => (await status()).functions.length === 3 || undefined);
  }

  /** As if the machine had been off since the agent was written: what is known of the time means nothing any more. */
  function boot(): void {
    const db = new DatabaseSync(join(system.agentData, 'spool.db'));
    db.exec(`UPDATE meta SET value = json_set(value, '$.boot', 'the one before') WHERE key = 'clock'`);
    db.exec(`UPDATE meta SET value = 0 WHERE key = 'clock-at'`);
    db.close();
  }

  test.each([
    ['1970', Date.UTC(1970, 0, 2)],
    ['2100', Date.UTC(2100, 5, 1)],
  ])(
    'at %s is enrolled, measures without a hub, and has the right times in the hub afterwards',
    async (_name, wrong) => {
      clock.set((wrong - Date.now()) / 1_000);
      system.agentEnvironment = clock.environment;
      await enrol();
      expect((await status()).clock).toMatchObject({ certainty: 'synchronised', source: 'hub' });
      await system.kill('agent', 'SIGTERM');
      await system.kill('hub');
      boot();
      await system.startAgent();
      const before = await status();
      expect(before.clock.certainty).toBe('unsynchronised');
      expect(Date.now() - before.now, 'the device is long behind').toBeGreaterThan(200 * 86_400_000);

      const from = Date.now();
      for (let value = 0; value < 20; value++) await publish('plant/shelf/temperature', `${value}`);
      await publish('plant/own/temperature', `{"value": 1, "ts": ${from}}`);
      await publish('plant/coldroom1/temperature', '9');
      const hotAt = await publish('plant/oven1/temperature', '90');
      const until = Date.now();

      await system.startHub();
      const found = await eventually('all of them', async () => {
        const found = await stored('shelf');
        return found.length >= 20 ? found : undefined;
      });
      expect(found.map(({ value }) => value)).toEqual(Array.from({ length: 20 }, (_, value) => value));
      for (const { ts, quality } of found) {
        expect(quality).toBeUndefined();
        expect(ts).toBeGreaterThan(from - NEAR_MS);
        expect(ts).toBeLessThan(until + NEAR_MS);
      }
      expect(await stored('own')).toMatchObject([{ value: 1, ts: from }]);

      const [hot, ...others] = await eventually('the alert', async () => {
        const found = await system.weirJson<Episode[]>('alert', 'list');
        return found.length > 0 ? found : undefined;
      });
      expect(hot).toMatchObject({ state: 'firing', summary: 'oven1 is at 90, over 80' });
      expect(Math.abs(hot!.startedAt - hotAt)).toBeLessThan(NEAR_MS);
      // What was pending for a second is pending for a second, and what was heard of a second ago is not silent.
      expect(others).toEqual([]);

      const { clock: after, now, accepted, lanes } = await status();
      expect(after).toMatchObject({ certainty: 'synchronised', source: 'hub' });
      expect(Math.abs(now - Date.now())).toBeLessThan(NEAR_MS);
      expect(accepted).toBe(23);
      expect(lanes.map(({ dropped }) => dropped)).toEqual([0, 0, 0, 0]);
      const shown = await eventually('the hub is told', async () => {
        const shown = await system.weir('device', 'show', 'gw1');
        return /clock .* the machine's own is/.test(shown) ? shown : undefined;
      });
      expect(shown).toMatch(/clock {8}right, by the hub; the machine's own is \d+ s (ahead|behind)/);
    },
  );

  test('that is thrown a year ahead and back while it runs goes on as if nothing had been', async () => {
    clock.set(0);
    system.agentEnvironment = clock.environment;
    await enrol();
    const from = Date.now();
    let value = 0;
    for (const years of [0, 1, -1, 70, -56, 0]) {
      // Pending while the clock is set: it must not have been so for a year.
      await publish('plant/coldroom1/temperature', '9');
      clock.set(years * YEAR_S);
      await eventually('the agent sees it', async () => {
        const { wallAheadMs } = (await status()).clock;
        return Math.abs(wallAheadMs - years * YEAR_S * 1_000) < NEAR_MS || undefined;
      });
      await publish('plant/shelf/temperature', `${value++}`);
      await publish('plant/coldroom1/temperature', '1');
      const { now } = await status();
      expect(Math.abs(now - Date.now())).toBeLessThan(NEAR_MS);
    }
    const until = Date.now();
    const found = await eventually('all of them', async () => {
      const found = await stored('shelf');
      return found.length >= value ? found : undefined;
    });
    expect(found.map((each) => each.value)).toEqual(Array.from({ length: value }, (_, i) => i));
    for (const { ts } of found) expect(ts > from - NEAR_MS && ts < until + NEAR_MS, `${ts}`).toBe(true);
    expect(await alerts()).toEqual([]);
    expect(system.isUp('agent')).toBe(true);
    expect((await status()).lanes.map(({ dropped }) => dropped)).toEqual([0, 0, 0, 0]);
  });
});
