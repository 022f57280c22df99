import type { LookupFunction } from 'node:net';
import { expect, test } from 'vitest';
import { AddressRefusedError, guarded, isPublicAddress, withinNetworks } from './addresses.ts';

test.each([
  '127.0.0.1',
  '127.8.8.8',
  '0.0.0.0',
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.169.254',
  '192.0.0.1',
  '198.18.0.1',
  '224.0.0.1',
  '239.1.1.1',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  'fe80::1',
  'fe80::1%eth0',
  'fc00::1',
  'fd12:3456::1',
  'ff02::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:8.8.8.8',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  '64:ff9b::10.0.0.1',
  '64:ff9b::',
  '64:ff9b:1::1',
  '2002:7f00:1::',
  '2001:db8::1',
  '2001::1',
  'localhost',
  '',
])('%j is of nobody else: a request from the cloud must not reach it', (address) => {
  expect(isPublicAddress(address)).toBe(false);
});

test.each([
  '8.8.8.8',
  '1.1.1.1',
  '172.32.0.1',
  '192.169.0.1',
  '100.128.0.1',
  '2606:4700:4700::1111',
  '2a00:1450::1',
  '64:ff9b::808:808',
])('%s is public', (address) => {
  expect(isPublicAddress(address)).toBe(true);
});

type Found = { address: string; family: number };
const dns =
  (...addresses: string[]): LookupFunction =>
  (_host, _options, callback) =>
    callback(
      null,
      addresses.map((address): Found => ({ address, family: address.includes(':') ? 6 : 4 })),
    );

function ask(lookup: LookupFunction, all: boolean): Promise<unknown> {
  return new Promise((resolve, reject) => {
    guarded(lookup)('host.example', { all }, (error, address) => (error ? reject(error) : resolve(address)));
  });
}

test('a name that stands for a private address is refused, as it is after a change of DNS', async () => {
  await expect(ask(dns('10.0.0.1'), true)).rejects.toThrow(AddressRefusedError);
  await expect(ask(dns('10.0.0.1'), false)).rejects.toThrow('host.example is at 10.0.0.1');
  await expect(ask(dns(), true)).rejects.toThrow(AddressRefusedError);
});

test('of several addresses only the public ones are tried', async () => {
  expect(await ask(dns('127.0.0.1', '8.8.8.8', '::1'), true)).toEqual([{ address: '8.8.8.8', family: 4 }]);
  expect(await ask(dns('127.0.0.1', '8.8.8.8'), false)).toBe('8.8.8.8');
});

test.each<[string[], string, boolean]>([
  [['192.168.1.0/24'], '192.168.1.7', true],
  [['192.168.1.0/24'], '192.168.2.7', false],
  [['192.168.1.0/24'], '::ffff:192.168.1.7', true],
  [['192.168.1.0/24'], '::ffff:c0a8:107', true],
  [['192.168.1.0/24'], '::ffff:10.0.0.1', false],
  [['10.1.2.3'], '10.1.2.3', true],
  [['10.1.2.3'], '10.1.2.4', false],
  [['fd00::/8'], 'fd12::1', true],
  [['fd00::/8'], 'fe80::1%eth0', false],
  [['fd00::/8', '0.0.0.0/0'], '169.254.169.254', true],
  [['nonsense', '10.0.0.0/33', '10.0.0.0/', '::/129'], '10.0.0.1', false],
  [[], '127.0.0.1', false],
])('of the networks %j, %s: %s', (networks, address, expected) => {
  expect(withinNetworks(networks)(address)).toBe(expected);
});
