import { generateKeyPairSync } from 'node:crypto';
import { type SealedBox, secretBinding } from '@weir/protocols';
import { expect, test } from 'vitest';
import { openBox, sealBox } from './sealed-box.ts';

const device = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const other = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const secret = { group: 'ovens', name: 'token', version: 3 };
const binding = secretBinding('gw1', secret);

test('the holder of the key opens it, and it is never the same twice', () => {
  const [one, two] = ['geheim ☂', 'geheim ☂'].map((text) => sealBox(text, device.publicKey, binding));
  expect(openBox(one!, device.privateKey, binding)).toBe('geheim ☂');
  expect(one).not.toEqual(two);
  expect(openBox(sealBox('', device.publicKey, binding), device.privateKey, binding)).toBe('');
});

test.each([
  ['another device', secretBinding('gw2', secret)],
  ['another group', secretBinding('gw1', { ...secret, group: 'halls' })],
  ['another name', secretBinding('gw1', { ...secret, name: 'else' })],
  ['an older version', secretBinding('gw1', { ...secret, version: 2 })],
  ['nothing', []],
])('bound to one thing it does not open as %s', (_, elsewhere) => {
  const box = sealBox('geheim', device.publicKey, binding);
  expect(() => openBox(box, device.privateKey, elsewhere)).toThrow();
});

test('another key does not open it', () => {
  expect(() => openBox(sealBox('geheim', device.publicKey, binding), other.privateKey, binding)).toThrow();
});

test('a box of which any byte was changed, or some are missing, does not open', () => {
  const box = sealBox('geheim', device.publicKey, binding);
  for (const field of ['ephemeral', 'sealed'] as const) {
    const bytes = Buffer.from(box[field], 'base64');
    for (let at = 0; at < bytes.length; at++) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= 1;
      const damaged: SealedBox = { ...box, [field]: changed.toString('base64') };
      expect(() => openBox(damaged, device.privateKey, binding), `${field} ${at}`).toThrow();
    }
    for (const length of [0, 5, bytes.length - 1]) {
      const damaged: SealedBox = { ...box, [field]: bytes.subarray(0, length).toString('base64') };
      expect(() => openBox(damaged, device.privateKey, binding), `${field} cut to ${length}`).toThrow();
    }
  }
});
