import { randomBytes } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import type { LifecycleEvent } from './lifecycle.ts';
import { type Outgoing, Roster, type SessionConnection } from './roster.ts';

const MINUTE = 60_000;

class FakeConnection implements SessionConnection {
  readonly asked;
  readonly heardAt = 0;
  readonly got: Outgoing[] = [];
  acknowledge: (() => void) | undefined;
  isDestroyed = false;

  constructor(address = '10.0.0.1') {
    const target = { address: '10.0.0.9', port: 8883 };
    this.asked = { cleanSession: false, keepAliveS: 60, source: { address, port: 4711 }, target };
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  deliver(message: Outgoing, onAcknowledged?: () => void): () => void {
    this.got.push(message);
    this.acknowledge = onAcknowledged;
    return () => {
      this.acknowledge = undefined;
    };
  }
}

let now: number;
let wake: (() => void)[];
let events: LifecycleEvent[];
let flapping: string[];
let roster: Roster<FakeConnection>;

beforeEach(() => {
  now = 1_000_000;
  wake = [];
  events = [];
  flapping = [];
  const sleep = (_ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      wake.push(resolve);
      signal?.addEventListener('abort', () => resolve());
    });
  roster = new Roster({
    clock: { now: () => now, sleep },
    random: randomBytes,
    onLifecycle: (event) => events.push(event),
    onFlapping: (device) => flapping.push(device),
  });
});

function enter(device: string, connection = new FakeConnection()): FakeConnection {
  roster.enter({ device, connection, serial: '01', principal: 'ab12' });
  return connection;
}

const subscribe = (device: string, connection: FakeConnection, ...filters: string[]) =>
  roster.subscribed(
    device,
    connection,
    filters.map((topicFilter) => ({ topicFilter, qos: 1 })),
  );

describe('lifecycle events', () => {
  test('have the topics and the documents of AWS IoT Core', () => {
    const gw1 = enter('gw1');
    subscribe('gw1', gw1, 'weir/1/gw1/command', '$aws/things/gw1/shadow/#');
    roster.unsubscribed('gw1', gw1, ['weir/1/gw1/command', 'never/subscribed']);
    now += 5_000;
    roster.leave('gw1', gw1, 'CLIENT_INITIATED_DISCONNECT');
    const { sessionIdentifier } = events[0]!.document;
    expect(sessionIdentifier).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const of = { clientId: 'gw1', sessionIdentifier, principalIdentifier: 'ab12' };
    expect(events).toEqual([
      {
        topic: '$aws/events/presence/connected/gw1',
        document: {
          ...of,
          timestamp: 1_000_000,
          eventType: 'connected',
          ipAddress: '10.0.0.1',
          versionNumber: 0,
        },
      },
      {
        topic: '$aws/events/subscriptions/subscribed/gw1',
        document: {
          ...of,
          timestamp: 1_000_000,
          eventType: 'subscribed',
          topics: ['weir/1/gw1/command', '$aws/things/gw1/shadow/#'],
        },
      },
      {
        topic: '$aws/events/subscriptions/unsubscribed/gw1',
        document: { ...of, timestamp: 1_000_000, eventType: 'unsubscribed', topics: ['weir/1/gw1/command'] },
      },
      {
        topic: '$aws/events/presence/disconnected/gw1',
        document: {
          ...of,
          timestamp: 1_005_000,
          eventType: 'disconnected',
          clientInitiatedDisconnect: true,
          disconnectReason: 'CLIENT_INITIATED_DISCONNECT',
          versionNumber: 0,
        },
      },
    ]);
  });

  test('number connections so that the later one is known, and anew after an hour of absence', () => {
    const versions = () => events.map(({ document }) => ('versionNumber' in document ? document.versionNumber : -1));
    const first = enter('gw1');
    const second = new FakeConnection();
    roster.takeOver('gw1', second);
    enter('gw1', second);
    expect(versions()).toEqual([0, 0, 1]);
    expect(events[1]!.document).toMatchObject({ disconnectReason: 'DUPLICATE_CLIENTID' });
    expect(roster.leave('gw1', first, 'CONNECTION_LOST')).toBe(false);
    roster.leave('gw1', second, 'CONNECTION_LOST');
    now += 59 * MINUTE;
    const third = enter('gw1');
    roster.leave('gw1', third, 'CONNECTION_LOST');
    now += 60 * MINUTE;
    enter('gw1');
    expect(versions()).toEqual([0, 0, 1, 1, 2, 2, 0]);
  });
});

describe('what is known of a connection', () => {
  test('is known for half an hour after its end, with the reason', () => {
    const gw1 = enter('gw1');
    const target = { address: '10.0.0.9', port: 8883 };
    const asked = { cleanSession: false, keepAliveS: 60, source: { address: '10.0.0.1', port: 4711 }, target };
    const info = { clientId: 'gw1', ...asked, heardAt: 0, connectedSince: 1_000_000 };
    expect(roster.get('gw1')).toEqual({ ...info, connected: true });
    expect(roster.list()).toEqual([{ ...info, connected: true }]);
    now += MINUTE;
    roster.leave('gw1', gw1, 'MQTT_KEEP_ALIVE_TIMEOUT');
    const ended = { disconnectedSince: 1_060_000, disconnectReason: 'MQTT_KEEP_ALIVE_TIMEOUT' };
    expect(roster.get('gw1')).toEqual({ ...info, ...ended, connected: false });
    expect(roster.list()).toEqual([]);
    now += 30 * MINUTE;
    expect(roster.get('gw1')).toBeUndefined();
    expect(roster.get('gw2')).toBeUndefined();
  });

  test('subscriptions are those in force; of a device that is not connected there are none', () => {
    const gw1 = enter('gw1');
    subscribe('gw1', gw1, 'b', 'a');
    expect(roster.subscriptions('gw1')).toEqual([
      { topicFilter: 'a', qos: 1 },
      { topicFilter: 'b', qos: 1 },
    ]);
    roster.leave('gw1', gw1, 'CONNECTION_LOST');
    expect(roster.subscriptions('gw1')).toBeUndefined();
  });

  test('a device that is there twice is told of once, and shown as flapping also when it is gone', () => {
    let connection = enter('gw1');
    for (let n = 0; n < 6; n++) {
      const next = new FakeConnection(`10.0.0.${n % 2}`);
      roster.takeOver('gw1', next);
      connection = enter('gw1', next);
    }
    expect(flapping).toEqual(['gw1']);
    expect(roster.get('gw1')!.flapping).toMatchObject({ takeovers: 6 });
    roster.leave('gw1', connection, 'CONNECTION_LOST');
    expect(roster.get('gw1')!.flapping).toMatchObject({ takeovers: 6 });
    now += 11 * MINUTE;
    expect(roster.get('gw1')).not.toHaveProperty('flapping');
  });
});

describe('what the hub ends', () => {
  test('hears nothing any more, although its socket may still be there', async () => {
    const gw1 = enter('gw1');
    subscribe('gw1', gw1, 'a');
    roster.publish('a', Buffer.from('1'), 1);
    expect(roster.end('gw1', 'AUTH_ERROR')).toBe(true);
    roster.publish('a', Buffer.from('2'), 1);
    subscribe('gw1', gw1, 'a');
    roster.publish('a', Buffer.from('3'), 1);
    expect(await roster.sendDirect('gw1', 'a', Buffer.from('4'))).toBe('gone');
    expect(gw1.got.map(({ payload }) => `${payload}`)).toEqual(['1']);
    expect(gw1.isDestroyed).toBe(true);
    expect(roster.isIn('gw1', gw1)).toBe(false);
    expect(roster.disconnect('gw1')).toBe(false);
    roster.leave('gw1', gw1, 'CONNECTION_LOST');
    expect(roster.get('gw1')!.disconnectReason).toBe('AUTH_ERROR');
  });
});

describe('a message to one device', () => {
  test('needs no subscription, and at QoS 1 waits for the PUBACK', async () => {
    const gw1 = enter('gw1');
    expect(await roster.sendDirect('gw1', 'any/topic', Buffer.from('x'))).toBe('sent');
    const confirmed = roster.sendDirect('gw1', 'any/topic', Buffer.from('y'), { confirm: true });
    expect(gw1.got.map(({ topic, qos }) => `${topic} ${qos}`)).toEqual(['any/topic 0', 'any/topic 1']);
    gw1.acknowledge!();
    expect(await confirmed).toBe('confirmed');
    expect(await roster.sendDirect('gw2', 'any/topic', Buffer.from('x'))).toBe('gone');
  });

  test('is given up when its time is over, and when the device goes', async () => {
    const gw1 = enter('gw1');
    const late = roster.sendDirect('gw1', 't', Buffer.from('x'), { confirm: true, timeoutMs: 100 });
    for (const each of wake) each();
    expect(await late).toBe('timed-out');
    expect(gw1.acknowledge).toBeUndefined();
    const lost = roster.sendDirect('gw1', 't', Buffer.from('x'), { confirm: true });
    roster.leave('gw1', gw1, 'CONNECTION_LOST');
    expect(await lost).toBe('gone');
  });

  test('waits beside no more than a hundred of its kind', async () => {
    enter('gw1');
    const sent = Array.from({ length: 101 }, () => roster.sendDirect('gw1', 't', Buffer.from('x'), { confirm: true }));
    expect(await sent.at(-1)).toBe('timed-out');
  });
});
