import type { LogLease, LogReport } from '@weir/protocols';
import pino from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createHubEvents, type HubEvents } from '../api/events.ts';
import { DeviceLetters } from '../dead-letters/device-letters.ts';
import type { DeploymentStatus, DeviceRecord } from '../fleet/fleet.ts';
import { DeviceItems } from '../gaps/device-items.ts';
import { createMemoryStore } from '../store/memory.ts';
import { createLogs, type LogEvent, type Logs } from './logs.ts';

let events: HubEvents;
let logs: Logs;
let leases: { device: string; lease: LogLease }[];
let connected: Set<string>;
let heard: LogEvent[];
let statuses: Partial<DeploymentStatus>[];
let refuse: Error | undefined;
/** Ends the waits under way: as if half of a lease had passed. */
let renew: () => Promise<void>;

beforeEach(() => {
  events = createHubEvents();
  leases = [];
  connected = new Set(['gw1']);
  heard = [];
  statuses = [{ device: 'gw1', where: 'edge' }];
  refuse = undefined;
  const waits = new Set<() => void>();
  renew = async () => {
    await vi.waitFor(() => expect(waits.size).toBeGreaterThan(0));
    for (const wake of waits) wake();
    waits.clear();
  };
  let lease = 0;
  logs = createLogs({
    commands: {
      async make(device, { name, payload }) {
        expect(name).toBe('weir.logs');
        if (refuse !== undefined) throw refuse;
        leases.push({ device, lease: payload as unknown as LogLease });
        return { id: 'c1', device, name, createdAt: 0, expiresAt: 0, state: 'waiting' };
      },
    },
    fleet: {
      device: async (id) =>
        /^gw\d+$/.test(id) ? ({ id, presence: { connected: connected.has(id), since: 5 } } as DeviceRecord) : undefined,
      status: async () => ({ items: statuses as DeploymentStatus[] }),
    },
    events,
    clock: {
      now: () => 1_700_000_000_000,
      sleep: (_ms, signal) =>
        new Promise((resolve) => {
          waits.add(resolve);
          signal?.addEventListener('abort', () => waits.delete(resolve) && resolve(), { once: true });
        }),
    },
    random: (bytes) => new Uint8Array(bytes).fill(lease++),
    logger: pino({ level: 'silent' }),
  });
});
afterEach(() => logs.stop());

const follow = (filter: { device?: string; function?: string }) => logs.follow(filter, (event) => heard.push(event));

async function report(device: string, texts: string[], lease?: string): Promise<void> {
  const lines = texts.map((text, n) => ({ function: 'mean', n, level: 'info' as const, text, ts: 1 }));
  const told: LogReport = { type: 'log', id: 'x', ts: 1, run: 1, lines, ...(lease !== undefined && { lease }) };
  const store = createMemoryStore();
  const { committed } = await logs.reported([told], {
    device,
    store,
    letters: new DeviceLetters(device, store),
    items: new DeviceItems(device, store),
    now: 1,
  });
  committed?.();
}

const said = () =>
  heard.map((event) => (event.type === 'line' ? event.text : event.type === 'device' ? event.state : event.type));

test('a device that is there is asked for what it has kept, tells it, and it is said when that is all', async () => {
  logs.add('gw1', [{ fold: 'mean', level: 'info', text: 'in the hub', ts: 1 }]);
  await follow({ function: 'mean' });
  await vi.waitFor(() => expect(leases).toMatchObject([{ device: 'gw1', lease: { kept: true, functions: ['mean'] } }]));
  expect(leases[0]!.lease.for).toBeGreaterThan(60_000);
  await report('gw1', ['one', 'two'], leases[0]!.lease.lease);
  expect(said()).toEqual(['in the hub', 'following', 'asked', 'one', 'two', 'told']);
});

test('while somebody follows the device is asked again before it forgets; when nobody does, it is told so', async () => {
  const ends = [await follow({ device: 'gw1' }), await follow({ function: 'mean', device: 'gw1' })];
  await vi.waitFor(() => expect(leases.at(-1)!.lease.functions).toBeUndefined());
  const before = leases.length;
  await renew();
  await vi.waitFor(() => expect(leases.length).toBe(before + 1));
  expect(leases.at(-1)!.lease).toMatchObject({ kept: false });
  for (const end of ends) end();
  await vi.waitFor(() => expect(leases.at(-1)!.lease).toMatchObject({ for: 0 }));
  const last = leases.length;
  events.emit({ type: 'presence', at: 9, device: 'gw1', connected: true });
  expect(leases.length).toBe(last);
});

test('a device that is offline is said to be, and asked when it is back, for its agent may know of no lease', async () => {
  connected.clear();
  await follow({ device: 'gw1' });
  await vi.waitFor(() => expect(heard.at(-1)).toEqual({ type: 'device', device: 'gw1', state: 'offline', since: 5 }));
  expect(leases).toEqual([]);
  connected.add('gw1');
  events.emit({ type: 'presence', at: 9, device: 'gw1', connected: true });
  await vi.waitFor(() => expect(leases).toMatchObject([{ lease: { kept: true } }]));
  events.emit({ type: 'presence', at: 10, device: 'gw1', connected: false });
  expect(heard.at(-1)).toEqual({ type: 'device', device: 'gw1', state: 'offline', since: 10 });
});

test('a device that cannot be asked is said so', async () => {
  refuse = new Error('100 commands wait for gw1');
  await follow({ device: 'gw1' });
  await vi.waitFor(() => expect(heard.at(-1)).toMatchObject({ state: 'failed', detail: '100 commands wait for gw1' }));
});

test('a function in the hub asks no device, nor does one that gathers there; one that runs nowhere, or on very many, is told with what to do', async () => {
  statuses = [{ device: 'gw1', where: 'cloud' }];
  await follow({ function: 'mean' });
  expect(heard).toEqual([{ type: 'following', devices: [] }]);
  statuses = [];
  await expect(follow({ function: 'nobody' })).rejects.toThrow('nobody runs on no device, nor in the hub');
  statuses = Array.from({ length: 60 }, (_, at) => ({ device: `gw${at}`, where: 'edge' as const }));
  await expect(follow({ function: 'mean' })).rejects.toThrow('mean runs on more than 50 devices');
  await expect(follow({ device: 'none' })).rejects.toThrow('none');
  heard = [];
  await follow({ device: 'plant/group-mean' });
  expect(heard).toEqual([{ type: 'following', devices: [] }]);
});
