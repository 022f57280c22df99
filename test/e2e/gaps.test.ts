/** What a gateway gives up is known at the hub to the item; and a gateway that is put back to an old copy of its disk. */
import { cpSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, exampleFile, System } from '../support/system.ts';

const TIMEOUT = { timeout: 120_000 };
const PATIENCE_MS = 60_000;

interface AgentStatus {
  accepted: number;
  lanes: { lane: string; items: number; dropped: number }[];
  droppedRanges: { told: boolean }[];
}

interface Gaps {
  lanes: { lane: string; dropped: number; waiting: number; unexplained: number; ended: number }[];
  restored: { count: number; last: { run: string; lane: string; seq: number; reached: number }[] };
  lives: { count: number };
  gaps: { lane: string; missing: number; dropped: number; state: string; from?: number; to?: number }[];
}

const READING_LANES = ['live', 'backfill'];
const system = new System();
/** Every number that was sent and acknowledged; each is sent once. */
let sent = 0;
/** And readings of another sensor. */
let hot = 0;

beforeAll(async () => {
  const lane = '{ rowsMax: 1000 }';
  const config = `outbox: { gapsEvery: 200ms, lanes: { live: ${lane}, backfill: ${lane} } }\n`;
  system.agentConfig = system.file('agent.yaml', config);
  await system.startAll();
  await system.weir('rule', 'apply', exampleFile('rules/oven-too-hot.yaml'), '--group', 'plant');
});

afterAll(() => system.stop());

/** A payload of many readings: a thousand of them are one publish. */
async function measure(count: number): Promise<void> {
  const values = Array.from({ length: count }, () => sent++);
  expect(await system.publish('plant/counter/n', JSON.stringify(values))).toMatchObject({ code: 0 });
}

const status = () => system.agentStatus<AgentStatus>();
const gaps = () => system.weirJson<Gaps>('device', 'gaps', 'gw1', '--limit', '10000');
const numbers = async () =>
  (await system.readings('gw1', { sensor: 'counter', metric: 'n' })).map(({ value }) => value);
const sum = (list: readonly number[]) => list.reduce((total, each) => total + each, 0);

/** Nothing waits at the gateway, and the hub was told of all that was given up and has worked it off. */
const settled = () =>
  eventually(
    'all sent and told',
    async () => {
      const { lanes, droppedRanges, accepted } = await status();
      if (lanes.some(({ items }) => items > 0) || droppedRanges.some(({ told }) => !told)) return undefined;
      const stored = await numbers();
      const known = await gaps();
      const given = sum(known.lanes.filter(({ lane }) => READING_LANES.includes(lane)).map(({ dropped }) => dropped));
      const ours = accepted - hot;
      if (stored.length + given < ours) throw new Error(`${ours} accepted, ${stored.length} stored, ${given} given up`);
      return { lanes, accepted: ours, stored, known };
    },
    PATIENCE_MS,
  );

async function temperature(value: number): Promise<void> {
  expect(await system.publish('plant/oven1/temperature', `${value}`)).toMatchObject({ code: 0 });
  hot++;
}

test('what the gateway gave up is what the hub counts, and what is not stored: to the item', TIMEOUT, async () => {
  await measure(500);
  await eventually('the first are stored', async () => ((await numbers()).length === 500 ? true : undefined));
  await system.kill('hub');
  for (let n = 0; n < 4; n++) await measure(700);
  await system.kill('agent');
  await system.startAgent();
  for (let n = 0; n < 3; n++) await measure(700);
  await system.startHub();

  const { lanes, accepted, stored, known } = await settled();
  expect(accepted).toBe(sent);
  const dropped = sent - stored.length;
  expect(dropped).toBeGreaterThan(2_000);
  expect(new Set(stored).size).toBe(stored.length);
  for (const { lane, dropped: atDevice } of lanes) {
    const atHub = known.lanes.find((each) => each.lane === lane)!;
    expect([lane, atHub]).toEqual([lane, { lane, dropped: atDevice, waiting: 0, unexplained: 0, ended: 0 }]);
  }
  expect(sum(lanes.map((each) => each.dropped))).toBe(dropped);
  expect(sum(known.gaps.map(({ missing }) => missing))).toBe(dropped);
  expect(known.gaps.every(({ state, from, to }) => state === 'dropped' && from! <= to!)).toBe(true);
  expect(known).toMatchObject({ restored: { count: 0 }, lives: { count: 1 } });
  expect(await system.weir('device', 'show', 'gw1')).toContain(`missing      ${dropped} given up by the device: weir`);
});

test(
  'a gateway put back to an old copy of its disk stores nothing twice, loses nothing, and is noticed',
  TIMEOUT,
  async () => {
    const episodes = async () =>
      (await system.weirJson<{ state: string }[]>('alert', 'list')).map(({ state }) => state);
    const alarm = async (count: number) => {
      await temperature(85);
      await temperature(70);
      await eventually('the alert, and its end', async () => {
        const states = await episodes();
        return states.length === count && states.every((state) => state === 'resolved') ? true : undefined;
      });
    };
    const before = (await settled()).known;
    await system.kill('agent', 'SIGTERM');
    const copy = join(system.folder, 'copy');
    const isKept = (path: string) => statSync(path).isFile() || statSync(path).isDirectory();
    cpSync(system.agentData, copy, { recursive: true, filter: isKept });

    await system.startAgent();
    const [from, shared] = [sent, hot];
    await measure(300);
    await measure(300);
    await alarm(1);
    await eventually('they are stored', async () =>
      (await numbers()).filter((n) => n >= from).length === 600 ? true : undefined,
    );
    await system.kill('agent', 'SIGTERM');

    rmSync(system.agentData, { recursive: true });
    cpSync(copy, system.agentData, { recursive: true });
    await system.startAgent();
    await measure(300);
    await alarm(2);
    await measure(600);
    const all = await eventually('all are stored', async () => {
      const found = (await numbers()).filter((n) => n >= from);
      if (found.length < sent - from) throw new Error(`${found.length} of ${sent - from}`);
      return found;
    });
    expect(all.toSorted((a, b) => a - b)).toEqual(Array.from({ length: sent - from }, (_, at) => from + at));
    const temperatures = await system.readings('gw1', { sensor: 'oven1', metric: 'temperature' });
    expect(temperatures).toHaveLength(hot);
    expect(hot - shared).toBe(4);

    const known = await eventually('it is noticed', async () => {
      const found = await gaps();
      return found.restored.count > 0 ? found : undefined;
    });
    expect(known.restored.count).toBe(1);
    expect(known.restored.last[0]!.reached).toBeGreaterThan(known.restored.last[0]!.seq);
    expect(known.lives.count).toBe(1);
    expect(known.lanes).toEqual(before.lanes);
    expect(await system.weir('device', 'show', 'gw1')).toContain('restored     once from an old copy of its disk');
  },
);
