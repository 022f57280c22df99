import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gathererId, isGatherer, parseGatherer } from './gatherer.ts';
import { DEVICE_PATTERN, isDeviceId, NAME_PATTERN } from './reading.ts';

const name = fc.stringMatching(NAME_PATTERN);

test('the name of a gatherer says of which group and function it is', () => {
  fc.assert(
    fc.property(name, name, (group, fn) => {
      expect(parseGatherer(gathererId({ group, name: fn }))).toEqual({ group, name: fn });
    }),
  );
});

test('no gatherer has a name that a device can have, and no device that of a gatherer', () => {
  fc.assert(fc.property(name, name, (group, fn) => !isDeviceId(gathererId({ group, name: fn }))));
  fc.assert(fc.property(fc.stringMatching(DEVICE_PATTERN), (device) => !isGatherer(device)));
});

test.each(['', '/', 'a/', '/a', 'a/b/c', 'a b/c', '-a/b'])('%j names no gatherer', (text) => {
  expect(isGatherer(text)).toBe(false);
});
