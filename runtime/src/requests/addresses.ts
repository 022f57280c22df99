/** Which addresses are on the public internet, for everything else belongs to somebody's own network; and which may be reached. */
import { BlockList, isIP, type LookupFunction } from 'node:net';

/** @see https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry */
const NOT_PUBLIC: readonly (readonly [subnet: string, prefix: number, family: 'ipv4' | 'ipv6'])[] = [
  ['0.0.0.0', 8, 'ipv4'],
  ['10.0.0.0', 8, 'ipv4'],
  ['100.64.0.0', 10, 'ipv4'],
  ['127.0.0.0', 8, 'ipv4'],
  // Link-local; clouds keep the credentials of a machine at 169.254.169.254.
  ['169.254.0.0', 16, 'ipv4'],
  ['172.16.0.0', 12, 'ipv4'],
  ['192.0.0.0', 24, 'ipv4'],
  ['192.0.2.0', 24, 'ipv4'],
  ['192.88.99.0', 24, 'ipv4'],
  ['192.168.0.0', 16, 'ipv4'],
  ['198.18.0.0', 15, 'ipv4'],
  ['198.51.100.0', 24, 'ipv4'],
  ['203.0.113.0', 24, 'ipv4'],
  // Multicast, reserved, broadcast.
  ['224.0.0.0', 3, 'ipv4'],
];

/** Global unicast is 2000::/3; of it these are not what they seem. */
const NOT_GLOBAL: readonly (readonly [subnet: string, prefix: number])[] = [
  // Teredo, ORCHID, benchmarks.
  ['2001::', 23],
  ['2001:db8::', 32],
  // 6to4 carries an IPv4 address, whichever.
  ['2002::', 16],
  ['3fff::', 20],
];

const blocked = new BlockList();
for (const [subnet, prefix, family] of NOT_PUBLIC) blocked.addSubnet(subnet, prefix, family);
for (const [subnet, prefix] of NOT_GLOBAL) blocked.addSubnet(subnet, prefix, 'ipv6');
const global = new BlockList();
global.addSubnet('2000::', 3, 'ipv6');
/** NAT64: an IPv4 address within IPv6. @see RFC 6052 section 2.1 */
const nat64 = new BlockList();
nat64.addSubnet('64:ff9b::', 96, 'ipv6');

/** @param address IPv4 or IPv6, without brackets */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !blocked.check(address, 'ipv4');
  if (family !== 6 || address.includes('%')) return false;
  const written = new URL(`http://[${address}]`).hostname.slice(1, -1);
  if (nat64.check(address, 'ipv6')) return isPublicAddress(lastIPv4(written));
  return global.check(address, 'ipv6') && !blocked.check(address, 'ipv6');
}

/** The last 32 bits. @param address shortened as URLs have it: two groups of them at most are missing */
function lastIPv4(address: string): string {
  const groups = address.split(':').slice(-2);
  const bits = groups.map((group) => Number.parseInt(group || '0', 16));
  return bits.flatMap((each) => [each >> 8, each & 255]).join('.');
}

/** Where a host lets its own requests go, whatever a name stands for. */
export interface AddressRule {
  /** @param address IPv4 or IPv6, without brackets */
  allows(address: string): boolean;
  /** What to do about a refusal; goes on the sentence "…, which is …". */
  refusal: string;
}

export const PUBLIC_ONLY: AddressRule = {
  allows: isPublicAddress,
  refusal: 'no public address; name it as an address or localhost to allow it',
};

/** @param text as `192.168.1.0/24` or `fd00::/8`; a single address stands for itself */
export function isNetwork(text: string): boolean {
  return partsOf(text) !== undefined;
}

/**
 * @param networks what is none allows nothing
 * @returns whether an address is in one of them; an IPv4 address within IPv6 is that IPv4 address
 */
export function withinNetworks(networks: readonly string[]): (address: string) => boolean {
  const list = new BlockList();
  for (const network of networks) {
    const parts = partsOf(network);
    if (parts !== undefined) list.addSubnet(parts.subnet, parts.prefix, parts.family);
  }
  return (address) => {
    const plain = unmapped(address);
    const family = isIP(plain);
    if (family === 0 || plain.includes('%')) return false;
    return list.check(plain, family === 4 ? 'ipv4' : 'ipv6');
  };
}

const BITS = { ipv4: 32, ipv6: 128 } as const;

function partsOf(text: string): { subnet: string; prefix: number; family: 'ipv4' | 'ipv6' } | undefined {
  const [subnet = '', length, ...rest] = text.split('/');
  const version = isIP(subnet);
  if (version === 0 || rest.length > 0 || subnet.includes('%')) return undefined;
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return undefined;
  const prefix = length === undefined ? BITS[family] : Number(length);
  return prefix <= BITS[family] ? { subnet, prefix, family } : undefined;
}

const mapped = new BlockList();
mapped.addSubnet('::ffff:0:0', 96, 'ipv6');

/** `::ffff:10.0.0.1` reaches 10.0.0.1. @see RFC 4291 section 2.5.5.2 */
function unmapped(address: string): string {
  if (isIP(address) !== 6 || address.includes('%') || !mapped.check(address, 'ipv6')) return address;
  return lastIPv4(new URL(`http://[${address}]`).hostname.slice(1, -1));
}

export class AddressRefusedError extends Error {
  constructor(host: string, address: string, refusal = PUBLIC_ONLY.refusal) {
    super(`${host} is at ${address}, which is ${refusal}`);
    this.name = 'AddressRefusedError';
  }
}

/**
 * Looks a host up and gives only the addresses that may be reached: to be asked at each connect, for what a name stands for
 * changes. An address in the place of a name is connected to without a lookup: ask the rule before.
 */
export function guarded(lookup: LookupFunction, { allows, refusal }: AddressRule = PUBLIC_ONLY): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      if (error !== null) return callback(error, []);
      const addresses = found as { address: string; family: number }[];
      const open = addresses.filter(({ address }) => allows(address));
      const first = open[0];
      if (first === undefined)
        return callback(new AddressRefusedError(host, addresses[0]?.address ?? 'no address', refusal), []);
      if (options.all) callback(null, open);
      else callback(null, first.address, first.family);
    });
  };
}
