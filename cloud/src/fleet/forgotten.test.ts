import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl } from '../api/control.fixture.ts';
import { OVERLAP_MS, standingOf } from './certificates.ts';
import type { ShownCertificate } from './fleet.ts';
import { isForgotten, isInForce, takeForgotten } from './forgotten.ts';
import { deviceKey } from './keys.ts';

let control: Control;
const clock = { now: 1_000_000 };
const now = () => clock.now;

beforeEach(async () => {
  clock.now = 1_000_000;
  control = await createControl({ clock });
  await control.fleet.createGroup('ovens');
});
afterEach(() => control.close());

const keyOf = (serial: string) => Buffer.from(`key of ${serial}`).toString('base64');
const shown = (serial: string, validFrom: number): ShownCertificate => ({
  ...{ device: 'gw1', serial, validFrom, address: '10.0.0.7' },
  publicKey: () => keyOf(serial),
});

/** @param validFrom as the clock of the hub shows it */
async function join(serial: string, validFrom = clock.now): Promise<void> {
  const { secret } = await control.fleet.createToken({ groups: ['ovens'], ttlMs: 60_000, uses: 1, replace: true });
  const issued = { certificateSerial: serial, publicKey: keyOf(serial), validFrom };
  await control.fleet.enrol({ secret, device: 'gw1', ...issued, now: clock.now });
}

async function renew(before: string, serial: string, validFrom = clock.now): Promise<void> {
  const issued = { certificateSerial: serial, publicKey: keyOf(serial), validFrom };
  await control.fleet.renew({ device: 'gw1', shown: before, ...issued, now: clock.now });
}

/** @returns puts the device back to what the hub knew of it when this was called */
async function copy(): Promise<() => Promise<void>> {
  const key = deviceKey('gw1', 'record');
  const { json } = (await control.store.get(key))!;
  return () => control.store.write([{ put: key, json }]);
}

const comes = (serial: string, validFrom: number) => isInForce(control.fleet, shown(serial, validFrom), now);
const standings = async (...serials: string[]) => {
  const device = await control.fleet.device('gw1');
  return serials.map((serial) => standingOf(device, serial, clock.now));
};
const taken = () => control.seen.filter(({ type }) => type === 'certificate-taken');

describe('a hub that was put back to an old copy of its data', () => {
  test('takes what a device got since, and the one that it knew ends as with any renewal', async () => {
    await join('A', 1_000);
    const back = await copy();
    await renew('A', 'B', 2_000);
    await control.fleet.certificateUsed('gw1', 'B');
    await back();
    expect(await standings('A', 'B')).toEqual(['current', undefined]);

    expect(await comes('B', 2_000)).toBe(true);
    expect(await standings('A', 'B')).toEqual(['previous', 'current']);
    expect((await control.fleet.device('gw1'))!.publicKey).toBe(keyOf('B'));
    expect(taken()).toEqual([{ type: 'certificate-taken', at: clock.now, device: 'gw1', serial: 'B', before: 'A' }]);
    clock.now += OVERLAP_MS;
    expect([await comes('A', 1_000), await comes('B', 2_000)]).toEqual([false, true]);
    await renew('B', 'C', 3_000);
    expect(await comes('C', 3_000)).toBe(true);
    expect(taken().length).toBe(1);
  });

  test('takes the later of two, in whichever order they come, and then the earlier one never again', async () => {
    await join('A', 1_000);
    await comes('C', 3_000);
    await comes('B', 2_000);
    expect(await standings('A', 'B', 'C')).toEqual(['previous', undefined, 'current']);
    await join('D', 4_000);
    await comes('E', 5_000);
    await comes('F', 6_000);
    await comes('E', 5_000);
    expect(await standings('D', 'E', 'F')).toEqual([undefined, 'previous', 'current']);
  });

  test('does so where a renewal was under way when the copy was made: what was not used before the copy ends', async () => {
    await join('A', 1_000);
    await renew('A', 'B', 2_000);
    expect(await comes('C', 3_000)).toBe(true);
    expect(await comes('B', 2_000)).toBe(false);
    expect(await standings('A', 'B', 'C')).toEqual(['previous', undefined, 'current']);
  });

  test('takes none that is not later than all that it knows of', async () => {
    await join('A', 1_000);
    await renew('A', 'B', 3_000);
    for (const validFrom of [0, 999, 1_000, 2_000, 3_000]) expect(await comes('Z', validFrom)).toBe(false);
    expect(await standings('A', 'B', 'Z')).toEqual(['current', 'next', undefined]);
    expect(taken()).toEqual([]);
  });

  test('takes none of a device that is revoked, none for a key that was, and none of a device that it does not know', async () => {
    expect(await comes('B', 2_000)).toBe(false);
    await join('A', 1_000);
    await control.fleet.revoke('gw1');
    expect(await comes('B', 2_000)).toBe(false);
    await join('D', 3_000);
    expect(await comes('X', 2_000)).toBe(false);
    const ofRevokedKey = { ...shown('X', 4_000), publicKey: () => keyOf('A') };
    expect(await isInForce(control.fleet, ofRevokedKey, now)).toBe(false);
    await control.fleet.remove('gw1');
    expect(await comes('X', 4_000)).toBe(false);
    expect(taken()).toEqual([]);
  });

  test('takes none where it does not know when its own began', async () => {
    const { secret } = await control.fleet.createToken({ groups: ['ovens'], ttlMs: 60_000, uses: 1 });
    await control.fleet.enrol({ secret, device: 'gw1', certificateSerial: 'A', now: clock.now });
    expect(await comes('B', 2_000)).toBe(false);
    await renew('A', 'C', 3_000);
    expect(await comes('D', 4_000)).toBe(true);
  });

  test('lets nobody in who is revoked while it is taken', async () => {
    await join('A', 1_000);
    const { fleet } = control;
    const revokedMeanwhile = {
      device: (id: string) => fleet.device(id),
      certificateUsed: () => Promise.reject(new Error('it is not the next one')),
      async takeForgotten(certificate: ShownCertificate) {
        await fleet.revoke('gw1');
        await fleet.takeForgotten(certificate);
      },
    };
    expect(await isInForce(revokedMeanwhile, shown('B', 2_000), now)).toBe(false);
    expect(await standings('A', 'B')).toEqual([undefined, undefined]);
  });

  test('writes down that it takes it before it does', async () => {
    await join('A', 1_000);
    const { store, audit, fleet } = control;
    const begin = async (...attempt: Parameters<typeof audit.begin>) => {
      expect(await standings('B')).toEqual([undefined]);
      return audit.begin(...attempt);
    };
    const observed = { begin, end: audit.end.bind(audit) };
    await takeForgotten({ store, audit: observed, now }, shown('B', 2_000));
    expect(await standings('B')).toEqual(['current']);
    expect((await audit.list({ target: 'devices/gw1', limit: 9 })).items).toMatchObject([
      {
        ...{ by: { id: 'hub', name: 'hub' }, from: '10.0.0.7', outcome: 'done' },
        ...{ target: '/api/v1/devices/gw1/certificate', body: expect.stringContaining('"serial":"B"') },
      },
    ]);
    // Where it cannot be written down, it is not done.
    const full = { ...observed, begin: () => Promise.reject(new Error('no room')) };
    await expect(takeForgotten({ store, audit: full, now }, shown('C', 3_000))).rejects.toThrow('no room');
    expect(await standings('B', 'C')).toEqual(['current', undefined]);
    await fleet.revoke('gw1');
  });
});

describe('a hub that has forgotten nothing', () => {
  /** By serial: when each begins that was ever made for a device of this name. */
  const made = new Map<string, number>();

  const step = fc.oneof(
    fc.record({ do: fc.constant('join' as const) }),
    fc.record({ do: fc.constant('renew' as const) }),
    fc.record({ do: fc.constant('use' as const) }),
    fc.record({ do: fc.constant('revoke' as const) }),
    fc.record({ do: fc.constant('remove' as const) }),
    fc.record({ do: fc.constant('clock' as const), by: fc.integer({ min: -500_000, max: 500_000 }) }),
  );

  async function carryOut(each: { do: string; by?: number }): Promise<void> {
    const { fleet } = control;
    const device = await fleet.device('gw1');
    const serial = `S${made.size}`;
    if (each.do === 'clock') clock.now = Math.max(1_000_000, clock.now + each.by!);
    else if (each.do === 'join') {
      await join(serial);
      made.set(serial, clock.now);
    } else if (device === undefined) return;
    else if (each.do === 'renew' && device.revokedAt === undefined) {
      await renew(device.certificateSerial, serial);
      made.set(serial, clock.now);
    } else if (each.do === 'use' && device.renewal?.next) {
      await fleet.certificateUsed('gw1', device.renewal.next.serial);
    } else if (each.do === 'revoke') await fleet.revoke('gw1');
    else if (each.do === 'remove') await fleet.remove('gw1');
  }

  test('takes none of its own for forgotten: replaced, revoked, lost on the way, of one that was removed, its clock set back', async () => {
    const check = async (steps: readonly { do: string; by?: number }[]) => {
      if ((await control.fleet.device('gw1')) !== undefined) await control.fleet.remove('gw1');
      made.clear();
      for (const each of steps) {
        await carryOut(each);
        const device = await control.fleet.device('gw1');
        const forgotten = [...made].filter(([, validFrom]) => isForgotten(device, { validFrom }));
        expect(forgotten).toEqual([]);
      }
    };
    await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), check), { numRuns: 150 });
  });
});
