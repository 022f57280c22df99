import { describe, expect, test } from 'vitest';
import { matchingPattern, parseUrlPattern, readUrl, type UrlPattern } from './url-pattern.ts';

function fits(pattern: string, text: string): boolean | string {
  const parsed = parseUrlPattern(pattern);
  if (typeof parsed === 'string') return `pattern ${parsed}`;
  const url = readUrl(text);
  return typeof url === 'string' ? url : matchingPattern(url, [parsed]) !== undefined;
}

const API = 'https://api.example.com/v1/*';

describe('a URL is allowed by what it is, however it is written', () => {
  test.each([
    [API, 'https://api.example.com/v1/orders?x=1#y'],
    [API, 'HTTPS://API.Example.COM/v1/orders'],
    [API, 'https://api.example.com:443/v1/'],
    [API, 'https://api.example.com/v1/a/../b'],
    [API, 'https://api.example.com/v1/file%2etxt'],
    ['https://API.example.com:443/V1/*', 'https://api.example.com/V1/x'],
    ['https://api.example.com/status', 'https://api.example.com/status?full=yes'],
    ['https://*.example.com/*', 'https://a.example.com/'],
    ['https://*.example.com/*', 'https://a.b.example.com/x'],
    ['https://bücher.example/*', 'https://xn--bcher-kva.example/x'],
    ['http://127.0.0.1:8080/*', 'http://0x7f.1:8080/x'],
    ['http://127.0.0.1/*', 'http://2130706433/x'],
    ['http://[::1]:8080/*', 'http://[0:0:0:0:0:0:0:1]:8080/x'],
    ['http://[::ffff:7f00:1]/*', 'http://[::ffff:127.0.0.1]/x'],
  ])('%s takes %s', (pattern, url) => {
    expect(fits(pattern, url)).toBe(true);
  });
});

describe('what only looks like an allowed URL is none', () => {
  test.each([
    ['another scheme', API, 'http://api.example.com/v1/x'],
    ['another port', API, 'https://api.example.com:8443/v1/x'],
    ['a default port of the other scheme', 'http://api.example.com/*', 'http://api.example.com:443/x'],
    ['another host', API, 'https://api.example.org/v1/x'],
    ['a longer host', API, 'https://api.example.com.evil.org/v1/x'],
    ['a host below the one named', API, 'https://a.api.example.com/v1/x'],
    ['the host itself below a wildcard', 'https://*.example.com/*', 'https://example.com/x'],
    ['a host that ends alike', 'https://*.example.com/*', 'https://evilexample.com/x'],
    ['a path beside', API, 'https://api.example.com/v10/x'],
    ['the prefix without its slash', API, 'https://api.example.com/v1'],
    ['a path of other case', API, 'https://api.example.com/V1/x'],
    ['dots that lead out', API, 'https://api.example.com/v1/../admin'],
    ['encoded dots that lead out', API, 'https://api.example.com/v1/%2e%2E/admin'],
    ['a path below one that is exact', 'https://api.example.com/status', 'https://api.example.com/status/x'],
    ['an address below a wildcard', 'http://*.0.0.1/*', 'http://127.0.0.1/x'],
    ['an IPv4 address as IPv6', 'http://127.0.0.1/*', 'http://[::ffff:127.0.0.1]/x'],
  ])('%s', (_, pattern, url) => {
    expect(fits(pattern, url)).not.toBe(true);
  });
});

describe('what readers of URLs disagree about is sent nowhere, whatever is allowed', () => {
  test.each([
    ['https://api.example.com@evil.org/', 'user name'],
    ['https://user:word@api.example.com/v1/', 'user name'],
    ['https://evil.org\\@api.example.com/v1/', 'backslash'],
    ['https:\\\\api.example.com/v1/', 'backslash'],
    ['https://api.example.com/v1/..\\admin', 'backslash'],
    ['https://api.example.com/v1/\tx', 'control character'],
    ['https://api.example.com/v1/x\nhost: evil', 'control character'],
    ['https://api.example.com/v1/a b', 'space'],
    ['https://api.example.com/v1/..%2fadmin', 'different ways'],
    ['https://api.example.com/v1/..%5Cadmin', 'different ways'],
    ['https://api.example.com/v1/%252e%252e%252fadmin', 'different ways'],
    ['https://api.example.com/v1/..;/admin', 'different ways'],
    ['https://api.example.com/v1/%2e%2e;x/admin', 'different ways'],
    ['https://api.example.com./v1/x', 'dot'],
    ['ftp://api.example.com/v1/x', 'scheme ftp:'],
    ['file:///etc/passwd', 'scheme file:'],
    ['javascript:alert(1)', 'scheme'],
    ['/v1/x', 'no URL'],
    ['https://', 'no URL'],
    [`https://api.example.com/v1/${'x'.repeat(2_048)}`, 'characters'],
  ])('%s', (url, why) => {
    expect(readUrl(url)).toEqual(expect.stringContaining(why));
  });
});

describe('a pattern that means something else than it says is refused', () => {
  test.each([
    ['https://api.example.com', 'a path is needed'],
    ['https://*/x', 'no pattern'],
    ['*://api.example.com/*', 'no pattern'],
    ['https://api.*.com/*', 'no pattern'],
    ['https://api.example.com/*/x', 'no pattern'],
    ['https://api.example.com/v1*', 'a / before the *'],
    ['https://api.example.com:*/x', 'no pattern'],
    ['https://user@api.example.com/*', 'user name'],
    ['https://api.example.com./*', 'dot'],
    ['https://api.example.com/v1/?x=1', 'query'],
    ['https://*.[::1]/*', 'address'],
    ['https://api.example.com/v1/..%2f*', 'different ways'],
    ['ftp://api.example.com/*', 'no pattern'],
    [`https://${'a'.repeat(300)}/`, 'characters'],
  ])('%s', (pattern, why) => {
    expect(parseUrlPattern(pattern)).toEqual(expect.stringContaining(why));
  });
});

test('a pattern tells whether it names an address or this machine', () => {
  const isLiteral = (text: string) => (parseUrlPattern(text) as UrlPattern).isLiteral;
  expect(isLiteral('http://localhost:8080/*')).toBe(true);
  expect(isLiteral('http://10.0.0.1/*')).toBe(true);
  expect(isLiteral('http://[fe80::1]/*')).toBe(true);
  expect(isLiteral('http://intranet/*')).toBe(false);
  expect(isLiteral('http://*.localhost/*')).toBe(false);
});
