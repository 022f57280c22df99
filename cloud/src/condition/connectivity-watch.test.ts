import pino from 'pino';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { listEpisodes } from '../alerts/listing.ts';
import { type Control, createControl, enrolDevice } from '../api/control.fixture.ts';
import { systemClock } from '../clock/clock.ts';
import type { DisconnectReason } from '../front/front.ts';
import { ConnectivityWatch } from './connectivity-watch.ts';

const MINUTE = 60_000;
const START = 1_795_000_000_000;

let control: Control;
let watch: ConnectivityWatch;
let life: { since: number; returnMs: number };
const clock = { now: START };

beforeEach(async () => {
  clock.now = START;
  life = { since: START, returnMs: 2 * MINUTE };
  control = await createControl({ clock });
  await control.fleet.createGroup('ovens');
  watch = await started();
});
afterEach(async () => {
  await watch.stop();
  await control.close();
});

/** Looks when the test says so: between its looks it sleeps by the machine's clock for minutes. */
async function started(): Promise<ConnectivityWatch> {
  const { store, fleet, events } = control;
  const made = new ConnectivityWatch(
    {
      ...{ store, fleet, events, wakeNotifier() {}, life: () => life, connections: { list: () => [] } },
      clock: { now: () => clock.now, sleep: systemClock.sleep },
      logger: pino({ level: 'silent' }),
    },
    { afterMs: 5 * MINUTE, devicesMin: 5, withinMs: 2 * MINUTE },
  );
  made.start();
  const count = (await fleet.devices()).items.length;
  await vi.waitFor(() => expect(Object.values(made.counts()).reduce((sum, each) => sum + each, 0)).toBe(count));
  return made;
}

async function connected(...devices: string[]): Promise<void> {
  for (const device of devices) {
    if ((await control.fleet.device(device)) === undefined) await enrolDevice(control.fleet, device, ['ovens']);
    await control.fleet.presence(device, true, clock.now);
  }
}

async function gone(reason: DisconnectReason, ...devices: string[]): Promise<void> {
  for (const device of devices) {
    await control.fleet.presence(device, false, ++clock.now, { reason, heardAt: clock.now });
  }
}

async function after(ms: number): Promise<string[]> {
  clock.now += ms;
  await watch.look();
  return told();
}

const told = () =>
  control.seen.flatMap((event) =>
    event.type === 'transition' ? [`${event.transition.state}: ${event.transition.summary}`] : [],
  );
const open = async () => (await listEpisodes(control.store, { states: ['firing'], limit: 100 })).items;

describe('an alert for a device that is away', () => {
  test('begins when it has been away for too long, and ends when it is back', async () => {
    await connected('gw1');
    await gone('MQTT_KEEP_ALIVE_TIMEOUT', 'gw1');
    expect(await after(4 * MINUTE)).toEqual([]);
    expect(await after(MINUTE)).toEqual(['firing: gw1 is silent: nothing came from it for 5 min']);
    expect(await open()).toMatchObject([{ device: 'gw1', source: { name: 'weir.connectivity' }, severity: 'warning' }]);
    clock.now += MINUTE;
    await connected('gw1');
    expect((await after(0)).at(-1)).toBe('resolved: gw1 is back after 6 min');
    expect(await open()).toEqual([]);
  });

  test('goes on over a hub that is killed, is told once, and ends with the next hub', async () => {
    await connected('gw1');
    await gone('CONNECTION_LOST', 'gw1');
    await after(6 * MINUTE);
    await watch.stop();
    watch = await started();
    expect(await after(MINUTE)).toHaveLength(1);
    await connected('gw1');
    expect((await after(0)).at(-1)).toContain('resolved: gw1 is back');
  });

  test('is as the group has it, and not of one where nobody is to be told', async () => {
    await connected('gw1');
    await control.fleet.setGroup('ovens', { alertAfterMs: null });
    await gone('CONNECTION_LOST', 'gw1');
    expect(await after(60 * MINUTE)).toEqual([]);
    await control.fleet.setGroup('ovens', { alertAfterMs: 90 * MINUTE });
    expect(await after(0)).toEqual([]);
    expect(await after(30 * MINUTE)).toHaveLength(1);
    await control.fleet.setGroup('ovens', { alertAfterMs: null });
    expect((await after(0)).at(-1)).toBe('resolved: gw1 is not watched any more');
  });

  test('ends when the device is revoked', async () => {
    await connected('gw1');
    await gone('CONNECTION_LOST', 'gw1');
    await after(6 * MINUTE);
    await control.fleet.revoke('gw1');
    await control.fleet.presence('gw1', false, clock.now + 1, { reason: 'AUTH_ERROR', heardAt: clock.now });
    await watch.stop();
    watch = await started();
    expect((await after(0)).at(-1)).toBe('resolved: gw1 is not watched any more');
  });
});

describe('a mass outage is one alert with a count', () => {
  const all = Array.from({ length: 12 }, (_, n) => `gw${n}`);

  test('of a group whose line is cut; over a restart it stays one; it ends when they are back', async () => {
    await connected(...all);
    await gone('MQTT_KEEP_ALIVE_TIMEOUT', ...all);
    expect(await after(5 * MINUTE)).toEqual([
      expect.stringContaining('firing: 12 devices of group ovens are away since about the same time: gw0, gw1'),
    ]);
    expect(await open()).toMatchObject([{ device: 'ovens/weir.connectivity', severity: 'critical' }]);
    await watch.stop();
    watch = await started();
    expect(await after(MINUTE)).toHaveLength(1);
    await connected(...all.slice(1));
    expect(await after(0)).toHaveLength(1);
    expect((await after(3 * MINUTE)).slice(1)).toEqual([
      expect.stringMatching(/^resolved: the outage of 12 devices is over after 9 min; still away: gw0$/),
      expect.stringContaining('firing: gw0 is silent'),
    ]);
  });

  test('of a hub that was just started: nobody is told while devices have time to come back, then once', async () => {
    await connected(...all);
    await watch.stop();
    clock.now += 60 * MINUTE;
    life = { since: clock.now, returnMs: 2 * MINUTE };
    await control.fleet.start();
    watch = await started();
    expect(watch.counts()).toMatchObject({ returning: 12, silent: 0 });
    expect(await after(MINUTE)).toEqual([]);
    await connected('gw3');
    expect(await after(3 * MINUTE)).toEqual([]);
    expect(watch.counts()).toMatchObject({ connected: 1, silent: 11 });
    expect(await after(2 * MINUTE)).toEqual([expect.stringContaining('firing: 11 devices of group ovens')]);
  });
});
