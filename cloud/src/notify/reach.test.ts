import { expect, test } from 'vitest';
import { parseConfig } from '../config/load.ts';
import { notifyRule } from './reach.ts';

const LAN = 'notify: { allowNetworks: [192.168.1.0/24] }';
const OPEN = 'listen: { api: { host: 0.0.0.0 } }';

test.each<[string, string, boolean]>([
  ['', '8.8.8.8', true],
  ['', '2606:4700:4700::1111', true],
  // Operators are on this machine alone: so is what listens here.
  ['', '127.0.0.1', true],
  ['', '::1', true],
  [OPEN, '127.0.0.1', false],
  [OPEN, '::1', false],
  [OPEN, '::ffff:127.0.0.1', false],
  [OPEN, '8.8.8.8', true],
  ['', '192.168.1.7', false],
  [LAN, '192.168.1.7', true],
  [LAN, '::ffff:192.168.1.7', true],
  [LAN, '192.168.2.7', false],
  // Where clouds keep the credentials of a machine.
  ['', '169.254.169.254', false],
  [LAN, '169.254.169.254', false],
  ['', '::ffff:169.254.169.254', false],
  ['', '64:ff9b::a9fe:a9fe', false],
  ['', 'fd00:ec2::254', false],
  ['', '0.0.0.0', false],
  ['', 'fe80::1', false],
])('with %j a channel may reach %s: %s', (config, address, expected) => {
  expect(notifyRule(parseConfig(config, 'hub.yaml')).allows(address)).toBe(expected);
});

test('what is no network is refused in the configuration', () => {
  expect(() => parseConfig('notify: { allowNetworks: [lan] }', 'hub.yaml')).toThrow('notify.allowNetworks');
});
