import { describe, expect, test } from 'vitest';
import type { DeviceRecord } from '../fleet/fleet.ts';
import type { DisconnectReason } from '../front/front.ts';
import { type Ailing, isOlder, problemsOf } from './problems.ts';
import { reportedOf } from './reported.ts';
import { type DeviceState, stateOf } from './state.ts';

const NOW = 10_000_000;
const hub = { since: NOW - 3_600_000, returnMs: 120_000 };

describe('whether a device is there', () => {
  const left = (reason: DisconnectReason, since = NOW - 5_000) => ({ presence: { connected: false, since, reason } });
  const check = (record: Partial<DeviceRecord>, expected: DeviceState, life = hub) =>
    expect(stateOf({ enrolledAt: 1, ...record }, life, NOW).state).toBe(expected);

  test.each([
    ['it has only joined', {}, 'never-connected'],
    ['it is connected', { presence: { connected: true, since: 5 } }, 'connected'],
    ['its keepalive ran out', left('MQTT_KEEP_ALIVE_TIMEOUT'), 'silent'],
    ['it is frozen and takes nothing', left('THROTTLED'), 'silent'],
    ['it said goodbye', left('CLIENT_INITIATED_DISCONNECT'), 'offline'],
    ['its connection was closed', left('CONNECTION_LOST'), 'offline'],
    ['a hub before this one knew no reason', { presence: { connected: false, since: 5 } }, 'offline'],
    ['it is revoked', { presence: { connected: true, since: 5 }, revokedAt: 7 }, 'revoked'],
    ['it did not come back to a hub that was started again', left('SERVER_INITIATED_DISCONNECT'), 'silent'],
  ] as [string, Partial<DeviceRecord>, DeviceState][])('%s', (_name, record, state) => check(record, state));

  test('a hub that was just started does not turn its fleet silent: each device has some time to come back', () => {
    const fresh = { since: NOW - 60_000, returnMs: 120_000 };
    check(left('SERVER_INITIATED_DISCONNECT', NOW - 7_200_000), 'returning', fresh);
    check(left('MQTT_KEEP_ALIVE_TIMEOUT'), 'silent', fresh);
    // The hub was away, not the device.
    expect(stateOf({ enrolledAt: 1, ...left('SERVER_INITIATED_DISCONNECT', 5) }, hub, NOW).since).toBe(hub.since);
  });
});

describe('what ails a device is told in one place', () => {
  const codes = (health: object, more: Partial<Ailing> = {}) =>
    problemsOf(
      {
        record: {},
        state: 'connected',
        reported: reportedOf({ health }),
        cloud: new Map(),
        newestVersion: '1.2.0',
        ...more,
      },
      NOW,
    ).map(({ code }) => code);

  const GIB = 1024 ** 3;
  test.each([
    [{}, []],
    [{ disk: { free: 10 * GIB, total: 16 * GIB }, memory: { agent: 1, sandbox: 1, free: GIB, total: 4 * GIB } }, []],
    [{ disk: { free: GIB / 32, total: GIB } }, ['disk-low']],
    [{ disk: { free: 2 * GIB, total: 1024 * GIB } }, []],
    [{ disk: { free: GIB / 32, total: GIB }, storage: { state: 'full', since: 1 } }, ['disk-failing']],
    [{ memory: { agent: 1, sandbox: 1, free: GIB / 128, total: GIB } }, ['memory-low']],
    [{ clock: { certainty: 'unsynchronised', source: 'floor', wallAhead: 0, hubAhead: 0 } }, ['clock-wrong']],
    [{ clock: { certainty: 'assumed', source: 'wall', wallAhead: 0, hubAhead: -90 } }, ['clock-wrong']],
    [{ clock: { certainty: 'synchronised', source: 'ntp', wallAhead: 500, hubAhead: 2 } }, []],
    [{ certificate: { validTo: NOW + 86_400_000 } }, ['certificate-ending']],
    [{ stuck: { what: 'database', since: 1 } }, ['stuck']],
    [{ buffer: { bytes: 5_000, oldestAt: NOW - 7_200_000 } }, ['buffer-filling']],
    [{ buffer: { bytes: 5_000, oldestAt: NOW - 7_200_000, drainSeconds: 30 } }, []],
    [{ disk: { free: -1, total: 'much' }, stuck: { what: 'database', since: 1 } }, ['stuck']],
  ] as [object, string[]][])('%j: %j', (health, expected) => expect(codes(health)).toEqual(expected));

  test('what failed on it or for it, an agent that is behind, and groups that it had no room for', () => {
    const failed = {
      kind: 'rule',
      version: '2',
      hash: 'a'.repeat(64),
      state: 'failed',
      reason: 'no such thing',
    } as const;
    const reported = reportedOf({ agent: { version: '1.1.9', startedAt: 1 }, deployments: { hot: failed } });
    const cloud = new Map([['sum', { ...failed, state: 'quarantined' as const }]]);
    const flapping = { since: 1, takeovers: 6, addresses: ['10.0.0.1', '10.0.0.2'] };
    expect(codes({}, { reported, cloud, flapping, record: { over: ['lab'] }, state: 'silent' })).toEqual([
      'silent',
      'flapping',
      'deployment-failed',
      'deployment-failed',
      'version-behind',
      'groups-over',
    ]);
  });
});

test.each([
  ['1.9.2', '1.10.0', true],
  ['1.10.0', '1.9.2', false],
  ['1.0.0', '1.0.0', false],
  ['0.9.9', '1.0.0', true],
  ['dev', '1.0.0', false],
])('%s is older than %s: %s', (version, than, expected) => expect(isOlder(version, than)).toBe(expected));
