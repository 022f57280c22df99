import { randomBytes } from 'node:crypto';
import { COMMAND_BYTES_MAX, type CommandMessage, commandTopic, type Report } from '@weir/protocols';
import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { DeviceLetters } from '../dead-letters/device-letters.ts';
import { createMemoryDownlink, type MemoryDownlink } from '../downlink/memory.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { DeviceItems } from '../gaps/device-items.ts';
import { createMemoryStore } from '../store/memory.ts';
import { CHANGES_MAX, type Store } from '../store/store.ts';
import { type Commands, createCommands, WAITING_MAX } from './commands.ts';

const HOUR_MS = 3_600_000;
const OPEN = { name: 'valve.open', payload: { percent: 40 }, expiryMs: HOUR_MS };

/** Time stands still until the test moves it. */
class TestClock {
  time = 1_700_000_000_000;
  #sleepers = new Set<{ until: number; wake: () => void }>();

  readonly now = () => this.time;

  readonly sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      const sleeper = { until: this.time + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });

  async advance(ms: number): Promise<void> {
    for (const end = this.time + ms; this.time < end; ) {
      this.time = Math.min(end, this.time + 1_000);
      for (const sleeper of [...this.#sleepers]) {
        if (sleeper.until > this.time) continue;
        this.#sleepers.delete(sleeper);
        sleeper.wake();
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

let store: Store;
let downlink: MemoryDownlink;
let clock: TestClock;
let commands: Commands;

const fleet = {
  device: async (id: string) => (id.startsWith('gw') ? { id } : undefined),
} as unknown as Pick<Fleet, 'device'>;

async function start(): Promise<void> {
  commands = createCommands({ store, downlink, fleet, clock, random: randomBytes, logger: pino({ level: 'silent' }) });
  await commands.start();
}

beforeEach(async () => {
  store = createMemoryStore();
  downlink = createMemoryDownlink();
  clock = new TestClock();
  await start();
});
afterEach(() => commands.stop());

const sent = () => downlink.published.map(({ payload }) => JSON.parse(payload) as CommandMessage);
const idsSent = () => sent().map(({ id }) => id);
const stateOf = async (id: string) => (await commands.get('gw1', id)).state;

/** As a worker does: what the handler says is written, then it is told so. */
async function report(id: string, outcome: 'done' | 'failed' | 'expired', detail?: string): Promise<void> {
  const done: Report = { type: 'command-done', id, ts: clock.now(), outcome, ...(detail !== undefined && { detail }) };
  const context = {
    device: 'gw1',
    store,
    letters: new DeviceLetters('gw1', store),
    items: new DeviceItems('gw1', store),
    now: clock.now(),
  };
  const { changes, committed } = await commands.reported([done, done], context);
  if (changes.length > 0) await store.write(changes);
  committed?.();
}

describe('a command', () => {
  test('goes to the device at once, and is done when the device says so', async () => {
    const { id, state } = await commands.make('gw1', { ...OPEN, function: 'interlock' });
    expect(state).toBe('waiting');
    await vi.waitFor(() => expect(sent()).toHaveLength(1));
    expect(downlink.published[0]).toMatchObject({ topic: commandTopic('gw1'), qos: 1 });
    const { name, payload } = OPEN;
    expect(sent()[0]).toEqual({ id, name, payload, function: 'interlock', expiresIn: HOUR_MS });
    await report(id, 'done');
    expect(await commands.get('gw1', id)).toMatchObject({ state: 'done', endedAt: clock.now(), payload });
    await clock.advance(HOUR_MS);
    expect(sent()).toHaveLength(1);
  });

  test('that is asked for again under its name, as of a message to an actuator, is made once', async () => {
    const first = await commands.make('gw1', { ...OPEN, id: 'alert-1' });
    await clock.advance(5_000);
    expect(await commands.make('gw1', { ...OPEN, id: 'alert-1' })).toEqual(first);
    expect(await commands.list('gw1')).toMatchObject([{ id: 'alert-1' }]);
  });

  test('is sent again while there is no answer, with the time that is left, and then has expired', async () => {
    const { id } = await commands.make('gw1', OPEN);
    await clock.advance(20_000);
    commands.listening('gw1');
    await clock.advance(2 * HOUR_MS);
    expect(sent().length).toBeGreaterThan(10);
    expect(sent().length).toBeLessThan(40);
    const left = sent().map(({ expiresIn }) => expiresIn);
    expect(left).toEqual(left.toSorted((a, b) => b - a));
    expect(left.at(-1)).toBeLessThan(HOUR_MS / 10);
    expect(await stateOf(id)).toBe('expired');
    expect(commands.counts()).toMatchObject({ sent: sent().length, expired: 1 });
  });

  test('that a device ran in time and told late is done after all; what it says first stays', async () => {
    const { id } = await commands.make('gw1', OPEN);
    await clock.advance(2 * HOUR_MS);
    expect(await stateOf(id)).toBe('expired');
    await report(id, 'failed', 'threw: no valve');
    await report(id, 'done');
    expect(await commands.get('gw1', id)).toMatchObject({ state: 'failed', detail: 'threw: no valve' });
  });

  test('survives the hub, waits for the downlink, and goes in order', async () => {
    downlink.down = true;
    const made = [];
    for (let n = 0; n < 3; n++) made.push((await commands.make('gw1', { ...OPEN, payload: n })).id);
    await clock.advance(5_000);
    await commands.stop();
    downlink.down = false;
    await start();
    commands.listening('gw1');
    for (const id of made) {
      await vi.waitFor(() => expect(idsSent().at(-1)).toBe(id));
      await report(id, 'done');
    }
    expect([...new Set(idsSent())]).toEqual(made);
    expect((await commands.list('gw1')).map(({ id, state }) => [id, state])).toEqual(made.map((id) => [id, 'done']));
  });

  test('that is sent behind others names the one before it, and waits for its turn where that makes it too large', async () => {
    commands.listening('gw1');
    const room =
      COMMAND_BYTES_MAX - JSON.stringify({ id: 'c', name: OPEN.name, payload: '', expiresIn: HOUR_MS }).length;
    for (const id of ['a', 'b', 'c', 'd']) {
      await commands.make('gw1', { ...OPEN, id, ...(id === 'c' && { payload: 'x'.repeat(room) }) });
    }
    await clock.advance(3_000);
    expect(sent().map(({ id, after }) => [id, after])).toEqual([
      ['a', undefined],
      ['a', undefined],
      ['b', 'a'],
    ]);
    await report('a', 'done');
    await report('b', 'done');
    await vi.waitFor(() => expect(sent().at(-1)).toMatchObject({ id: 'c' }));
    expect(sent().at(-1)).not.toHaveProperty('after');
    await report('c', 'done');
    await vi.waitFor(() => expect(idsSent().at(-1)).toBe('d'));
  });

  test('that the downlink refuses for good has failed, with the reason', async () => {
    downlink.publish = async () => {
      const { DownlinkError } = await import('../downlink/downlink.ts');
      throw new DownlinkError('refused', 'the topic is forbidden');
    };
    const { id } = await commands.make('gw1', OPEN);
    await vi.waitFor(async () => expect(await stateOf(id)).toBe('failed'));
    expect((await commands.get('gw1', id)).detail).toBe('the topic is forbidden');
  });
});

describe('commands of functions in the cloud', () => {
  const stop = (n: number, device?: string) => ({
    id: `f:7:${n}`,
    name: 'stop',
    payload: n,
    ...(device && { device }),
  });

  test('are kept by the write of their step, and sent after it', async () => {
    const { changes, committed, dropped } = await commands.admit('gw1', [stop(0), { ...stop(1), function: 'pump' }]);
    expect([changes.length, dropped]).toEqual([2, []]);
    await clock.advance(5_000);
    expect(sent()).toEqual([]);
    await store.write(changes);
    committed();
    await vi.waitFor(() => expect(idsSent()).toEqual(['f:7:0']));
    await report('f:7:0', 'done');
    await vi.waitFor(() => expect(sent().at(-1)).toMatchObject({ id: 'f:7:1', payload: 1, function: 'pump' }));
  });

  test('for another device have ids that no other function of the fleet gives', async () => {
    const ids = [];
    for (const source of ['gw1', 'gw2', 'gw3', 'g'.repeat(128), 'G'.repeat(128)]) {
      const command = { ...stop(0, 'gw1'), id: `f:${'7'.repeat(130)}:0` };
      const { changes } = await commands.admit(source, [command]);
      ids.push(...changes.map((change) => ('put' in change ? change.put.sort : '')));
    }
    expect(new Set(ids).size).toBe(5);
    expect(ids.every((id) => id.length <= 256)).toBe(true);
  });

  test('to a device that is not there, and more than make sense, are dropped with the reason', async () => {
    expect((await commands.admit('gw1', [stop(0, 'other')])).dropped).toEqual(['there is no device "other"']);
    const many = Array.from({ length: 22 }, (_, n) => stop(n));
    const { changes, dropped } = await commands.admit('gw1', many);
    expect([changes.length, dropped]).toEqual([20, ['over 20 in one step', 'over 20 in one step']]);
    for (let n = 0; n < WAITING_MAX - 1; n++) await commands.make('gw1', OPEN);
    expect((await commands.admit('gw1', [stop(0), stop(1)])).dropped).toEqual(['over 100 wait for gw1']);
  });
});

describe('limits', () => {
  test('for one device so many may wait; those that end make room', async () => {
    const first = await commands.make('gw1', OPEN);
    for (let n = 1; n < WAITING_MAX; n++) await commands.make('gw1', OPEN);
    await expect(commands.make('gw1', OPEN)).rejects.toMatchObject({ code: 'limit-exceeded' });
    await commands.make('gw2', OPEN);
    await report(first.id, 'done');
    await commands.make('gw1', OPEN);
  });

  test('those that ended are kept for a while, and not without bound', async () => {
    for (let n = 0; n < 300; n++) {
      const { id } = await commands.make('gw1', OPEN);
      await report(id, 'done');
    }
    await vi.waitFor(async () => expect((await commands.list('gw1')).length).toBeLessThanOrEqual(120));
    await commands.stop();
    clock.time += 8 * 24 * HOUR_MS;
    await start();
    expect(await commands.list('gw1')).toEqual([]);
  });

  test('nothing is told to a device that is not there, nor what no device would take', async () => {
    await expect(commands.make('other', OPEN)).rejects.toMatchObject({ code: 'device-unknown' });
    const large = { ...OPEN, payload: 'x'.repeat(70_000) };
    await expect(commands.make('gw1', large)).rejects.toMatchObject({ code: 'command-too-large' });
    await expect(commands.get('gw1', 'none')).rejects.toMatchObject({ code: 'command-unknown' });
  });

  test('the answers of one commit are no more changes than the store takes', async () => {
    const made: Report[] = [];
    for (let n = 0; n < 20; n++) {
      const { id } = await commands.make('gw1', OPEN);
      made.push({ type: 'command-done', id, ts: 0, outcome: 'done' });
    }
    const context = {
      device: 'gw1',
      store,
      letters: new DeviceLetters('gw1', store),
      items: new DeviceItems('gw1', store),
      now: 0,
    };
    const { changes } = await commands.reported([...made, ...made] as never, context);
    expect(changes.length).toBe(20);
    expect(changes.length).toBeLessThan(CHANGES_MAX);
  });
});
