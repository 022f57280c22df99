import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Control, createControl } from '../api/control.fixture.ts';

let control: Control;
const clock = { now: 1_000_000 };

beforeEach(async () => {
  clock.now = 1_000_000;
  control = await createControl({ clock });
  await control.fleet.createGroup('ovens');
  await control.fleet.createGroup('cold');
});
afterEach(() => control.close());

const token = (over = {}) => control.fleet.createToken({ groups: ['ovens'], ttlMs: 60_000, uses: 1, ...over });
const join = (secret: string, device: string, serial = '01', publicKey?: string) =>
  control.fleet.enrol({
    ...{ secret, device, certificateSerial: serial, now: clock.now },
    ...(publicKey !== undefined && { publicKey }),
  });

describe('a join token', () => {
  test('lets a device into its groups with its tags, and the store never learns the secret', async () => {
    const { secret } = await token({ groups: ['ovens', 'cold'], tags: { site: 'north' } });
    await join(secret, 'gw1', '0a1b');
    expect(await control.fleet.device('gw1')).toEqual({
      id: 'gw1',
      groups: ['cold', 'ovens'],
      tags: { site: 'north' },
      certificateSerial: '0a1b',
      enrolledAt: clock.now,
    });
    expect((await control.fleet.group('cold'))!.devices).toEqual(['gw1']);
    const kept = await control.store.query({ table: 'token', partition: 'all' });
    expect(JSON.stringify(kept)).not.toContain(secret);
  });

  test('for one device lets in exactly one of twenty that come at once', async () => {
    const { secret } = await token();
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, i) => join(secret, `gw${i}`)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await control.fleet.devices()).items).toHaveLength(1);
    const codes = outcomes.flatMap((each) => (each.status === 'rejected' ? [each.reason.code] : []));
    expect(new Set(codes)).toEqual(new Set(['token-spent']));
  });

  test('for ten devices lets in exactly ten of thirty that come at once', async () => {
    const { secret } = await token({ uses: 10 });
    const outcomes = await Promise.allSettled(Array.from({ length: 30 }, (_, i) => join(secret, `gw${i}`)));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
    expect((await control.fleet.group('ovens'))!.devices).toHaveLength(10);
  });

  test('of two that ask for one name at once, one gets it and keeps its certificate', async () => {
    const { secret } = await token({ uses: 2 });
    const outcomes = await Promise.allSettled([join(secret, 'gw1', 'a'), join(secret, 'gw1', 'b')]);
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled');
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect((await control.fleet.device('gw1'))!.certificateSerial).toBe(['a', 'b'][winner]);
  });

  test('that is unknown or expired is refused, each with what to do', async () => {
    await expect(join('x'.repeat(22), 'gw1')).rejects.toMatchObject({
      code: 'token-invalid',
      remedy: expect.stringContaining('weir token create'),
    });
    const { secret } = await token();
    clock.now += 60_000;
    await expect(join(secret, 'gw1')).rejects.toMatchObject({ code: 'token-expired' });
  });

  test('for a group that does not exist is not made', async () => {
    await expect(token({ groups: ['none'] })).rejects.toMatchObject({ code: 'group-unknown' });
  });

  test('is forgotten a week after its end', async () => {
    await token();
    clock.now += 8 * 86_400_000;
    await token();
    expect((await control.store.query({ table: 'token', partition: 'all' })).items).toHaveLength(1);
  });
});

describe('a device that did not get the answer', () => {
  test('asks again with the same key and gets a certificate, for no further use of the token', async () => {
    const { id, secret } = await token({ tags: { site: 'north' } });
    await join(secret, 'gw1', 'lost', 'key');
    clock.now += 59_000;
    await join(secret, 'gw1', 'got', 'key');
    expect(await control.fleet.device('gw1')).toMatchObject({ certificateSerial: 'got', tags: { site: 'north' } });
    expect(await control.fleet.tokens()).toMatchObject([{ id, usesLeft: 0, uses: 1 }]);
    await expect(join(secret, 'gw2', '01', 'key')).rejects.toMatchObject({ code: 'token-spent' });
  });

  test('does not with another key, nor by another token, nor when its time is over or it was revoked', async () => {
    const { secret } = await token({ uses: 2 });
    await join(secret, 'gw1', 'first', 'key');
    await expect(join(secret, 'gw1', 'x', 'another key')).rejects.toMatchObject({ code: 'device-exists' });
    await expect(join((await token()).secret, 'gw1', 'x', 'key')).rejects.toMatchObject({ code: 'device-exists' });
    await control.fleet.revoke('gw1');
    await expect(join(secret, 'gw1', 'x', 'key')).rejects.toMatchObject({ code: 'device-exists' });
    clock.now += 60_000;
    await expect(join(secret, 'gw1', 'x', 'key')).rejects.toMatchObject({ code: 'token-expired' });
    expect((await control.fleet.device('gw1'))!.certificateSerial).toBe('first');
  });

  test('of ten that ask with one key at once all are answered, and one use is spent', async () => {
    const { secret } = await token({ uses: 5 });
    await Promise.all(Array.from({ length: 10 }, (_, n) => join(secret, 'gw1', `serial ${n}`, 'key')));
    expect((await control.fleet.tokens())[0]!.usesLeft).toBe(4);
  });
});

describe('tokens', () => {
  test('are listed without their secrets, and one that is revoked lets nobody in any more', async () => {
    const { id, secret } = await token({ uses: 3 });
    await join(secret, 'gw1');
    clock.now += 1;
    const spent = await token();
    await join(spent.secret, 'gw2');
    const listed = await control.fleet.tokens();
    expect(listed.map(({ id, state, usesLeft }) => [id, state, usesLeft])).toEqual([
      [spent.id, 'spent', 0],
      [id, 'usable', 2],
    ]);
    expect(JSON.stringify(listed)).not.toContain(secret);
    expect(await control.fleet.revokeToken(id)).toMatchObject({ id, state: 'revoked', usesLeft: 2 });
    await expect(join(secret, 'gw3')).rejects.toMatchObject({ code: 'token-revoked' });
    expect(await control.fleet.device('gw1')).toBeDefined();
    await expect(control.fleet.revokeToken('0123456789ab')).rejects.toMatchObject({ code: 'token-unknown' });
    clock.now += 60_000;
    expect((await control.fleet.tokens()).map(({ state }) => state)).toEqual(['expired', 'revoked']);
  });
});

describe('a device that exists', () => {
  beforeEach(async () => {
    await join((await token()).secret, 'gw1', 'old');
  });

  test('cannot be taken over with an ordinary token, which is not spent by the attempt', async () => {
    const { secret } = await token();
    await expect(join(secret, 'gw1', 'new')).rejects.toMatchObject({
      code: 'device-exists',
      remedy: expect.stringMatching(/--name.*--replace/),
    });
    expect((await control.fleet.device('gw1'))!.certificateSerial).toBe('old');
    await join(secret, 'gw2');
  });

  test('joins again with a token that allows it, and only its new certificate counts', async () => {
    const { secret } = await token({ replace: true });
    await join(secret, 'gw1', 'new');
    expect((await control.fleet.device('gw1'))!.certificateSerial).toBe('new');
  });

  test('is not replaced by a token of a group it is not in', async () => {
    const { secret } = await token({ groups: ['cold'], replace: true });
    await expect(join(secret, 'gw1', 'new')).rejects.toMatchObject({ code: 'device-exists' });
  });
});
