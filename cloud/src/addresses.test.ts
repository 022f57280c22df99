import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { apiUrl, certificateHosts, publicApiUrl, schemeOfApi } from './addresses.ts';
import { parseConfig } from './config/load.ts';

const PORTS = { mqtt: 1, device: 2, api: 8080 };
const TLS = 'tls: { cert: a, key: b }';

describe('keys of operators cross a network in clear only where someone says so', () => {
  test.each([
    ['by default', '', 'http'],
    ['at localhost', 'host: localhost', 'http'],
    ['at another address of this machine', 'host: 127.8.9.10', 'http'],
    ['at ::1', 'host: "::1"', 'http'],
    ['everywhere', 'host: 0.0.0.0', 'https'],
    ['everywhere, by IPv6', 'host: "::"', 'https'],
    ['at an address', 'host: 192.0.2.7', 'https'],
    ['at a name that only begins so', 'host: localhost.example.com', 'https'],
    ['at a name that looks like an address', 'host: 127.0.0.1.example.com', 'https'],
    ['where it is said so', 'host: 0.0.0.0, insecure: true', 'http'],
    ['with a certificate, here', TLS, 'https'],
    ['with a certificate, whatever else is said', `host: 0.0.0.0, insecure: true, ${TLS}`, 'https'],
  ])('%s', (_, api, scheme) => {
    expect(schemeOfApi(parseConfig(`listen: { api: { ${api} } }`, 'test'))).toBe(scheme);
  });
});

test.each([
  ['', '', 'http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ['host: 0.0.0.0', 'hub.example.com', 'https://127.0.0.1:8080', 'https://hub.example.com:8080'],
  ['host: 0.0.0.0', '', 'https://127.0.0.1:8080', `https://${hostname()}:8080`],
  ['host: 192.0.2.7', '', 'https://192.0.2.7:8080', 'https://192.0.2.7:8080'],
  ['host: "2001:db8::7"', '', 'https://[2001:db8::7]:8080', 'https://[2001:db8::7]:8080'],
])('listening at { %s }, public "%s": programs here ask %s, others %s', (api, open, here, elsewhere) => {
  const config = parseConfig(`listen: { api: { ${api} } }\npublic: { hosts: [${open}] }`, 'test');
  expect([apiUrl(config, PORTS), publicApiUrl(config, PORTS)]).toEqual([here, elsewhere]);
});

test('the certificate is for every name that the hub is asked under, and no more', () => {
  const own = ['localhost', '127.0.0.1', '::1', hostname()];
  expect(certificateHosts(parseConfig('', 'test'))).toEqual(own);
  const at = parseConfig('listen: { api: { host: 192.0.2.7 } }\npublic: { hosts: [hub.example.com] }', 'test');
  expect(certificateHosts(at)).toEqual(['hub.example.com', ...own, '192.0.2.7']);
  const everywhere = certificateHosts(parseConfig('listen: { api: { host: 0.0.0.0 } }', 'test'));
  expect(everywhere.slice(0, 4)).toEqual(own);
  expect(everywhere).not.toContain('0.0.0.0');
  expect(new Set(everywhere).size).toBe(everywhere.length);
});
