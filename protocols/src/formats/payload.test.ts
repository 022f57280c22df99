import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isTimestamp, isValue } from '../reading.ts';
import {
  decodePayload,
  type PayloadContext,
  PayloadError,
  type PayloadFault,
  READINGS_PER_PAYLOAD_MAX,
} from './payload.ts';

const NOW = 1_700_000_000_000;
const ONE_METRIC: PayloadContext = { sensor: 'oven1', metric: 'temperature', now: NOW };
const KEYS_ARE_METRICS: PayloadContext = { sensor: 'oven1', now: NOW };

const bytes = (payload: string | Uint8Array) => (typeof payload === 'string' ? Buffer.from(payload) : payload);

function fault(payload: string | Uint8Array, context = ONE_METRIC): PayloadError {
  try {
    decodePayload(bytes(payload), context);
  } catch (error) {
    if (error instanceof PayloadError) return error;
    throw error;
  }
  throw new Error(`accepted ${bytes(payload).toString().slice(0, 100)}`);
}

describe('what sensors send is taken', () => {
  const reading = { sensor: 'oven1', metric: 'temperature', ts: NOW };
  test.each<[string, object[]]>([
    ['81.5', [{ ...reading, value: 81.5 }]],
    ['-0', [{ ...reading, value: -0 }]],
    [' +5 \n', [{ ...reading, value: 5 }]],
    ['.5', [{ ...reading, value: 0.5 }]],
    ['5.', [{ ...reading, value: 5 }]],
    ['1e3', [{ ...reading, value: 1000 }]],
    ['true', [{ ...reading, value: true }]],
    ['"open"', [{ ...reading, value: 'open' }]],
    ['{"value":81.5}', [{ ...reading, value: 81.5 }]],
    ['{"value":81.5,"ts":1600000000000}', [{ ...reading, value: 81.5, ts: 1_600_000_000_000 }]],
    ['{"value":1,"ts":1600000000000.6}', [{ ...reading, value: 1, ts: 1_600_000_000_001 }]],
    ['{"value":1,"ts":"2020-09-13T12:26:40Z"}', [{ ...reading, value: 1, ts: 1_600_000_000_000 }]],
    ['{"value":1,"ts":"2020-09-13T14:26:40.5+02:00"}', [{ ...reading, value: 1, ts: 1_600_000_000_500 }]],
    ['{"value":1,"unit":"Cel","quality":"bad"}', [{ ...reading, value: 1, unit: 'Cel', quality: 'bad' }]],
    ['{"value":1,"quality":"good"}', [{ ...reading, value: 1 }]],
    ['{"value":1,"battery":3.1}', [{ ...reading, value: 1 }]],
    [
      '[1,{"value":2,"ts":5}]',
      [
        { ...reading, value: 1 },
        { ...reading, value: 2, ts: 5 },
      ],
    ],
    ['\ufeff7', [{ ...reading, value: 7 }]],
  ])('%s', (payload, readings) => {
    expect(decodePayload(bytes(payload), ONE_METRIC)).toStrictEqual(readings);
  });

  test('keys name the metrics where the topic does not', () => {
    const payload = bytes('{"temperature":4.1,"door":"open","ts":7,"unit":"Cel","constructor":1}');
    expect(decodePayload(payload, KEYS_ARE_METRICS)).toStrictEqual([
      { sensor: 'oven1', metric: 'temperature', value: 4.1, ts: 7, unit: 'Cel' },
      { sensor: 'oven1', metric: 'door', value: 'open', ts: 7, unit: 'Cel' },
      { sensor: 'oven1', metric: 'constructor', value: 1, ts: 7, unit: 'Cel' },
    ]);
    expect(decodePayload(bytes('5'), KEYS_ARE_METRICS)[0]).toMatchObject({ metric: 'value', value: 5 });
  });
});

describe('a number that a gateway has quoted is a number: a rule must see it', () => {
  test.each<[string, unknown]>([
    ['{"value":"99.5"}', 99.5],
    ['{"value":" -1e3 "}', -1000],
    ['"99.5"', 99.5],
    ['["7"]', 7],
    ['{"value":"open"}', 'open'],
    ['{"value":""}', ''],
    ['{"value":"99.5 C"}', '99.5 C'],
    ['{"value":"0x10"}', '0x10'],
    ['{"value":"NaN"}', 'NaN'],
    ['{"value":"12:30"}', '12:30'],
  ])('%s', (payload, value) => {
    expect(decodePayload(bytes(payload), ONE_METRIC)).toMatchObject([{ value }]);
  });

  test('where keys name the metrics, and past what a number can hold', () => {
    expect(decodePayload(bytes('{"temperature":"4.1","door":"open"}'), KEYS_ARE_METRICS)).toMatchObject([
      { metric: 'temperature', value: 4.1 },
      { metric: 'door', value: 'open' },
    ]);
    expect(fault('{"value":"1e400"}').code).toBe('not-finite');
  });
});

describe('a time in seconds is refused: as milliseconds it would be 1970, and nobody would see the reading', () => {
  test.each(['1700000000', '1700000000.25', '"1700000000"', '1000000000', '9999999999'])('%s', (ts) => {
    const error = fault(`{"value":1,"ts":${ts}}`);
    expect(error.code).toBe('invalid-time');
    expect(error.message).toContain('looks like seconds; milliseconds since epoch are wanted');
  });

  test.each([
    ['999999999', 999_999_999],
    ['10000000000', 10_000_000_000],
    ['0', 0],
    ['"1970-02-01T00:00:00Z"', 2_678_400_000],
  ])('%s is the time of a sensor without a clock', (ts, expected) => {
    expect(decodePayload(bytes(`{"value":1,"ts":${ts}}`), ONE_METRIC)).toMatchObject([{ ts: expected }]);
  });
});

describe('what nobody can use is refused with its reason', () => {
  test.each<[string, PayloadFault, PayloadContext?]>([
    ['', 'empty'],
    [' \n', 'empty'],
    ['[]', 'empty'],
    ['{}', 'empty', KEYS_ARE_METRICS],
    ['{"ts":5}', 'empty', KEYS_ARE_METRICS],
    ['NaN', 'not-finite'],
    ['-Infinity', 'not-finite'],
    ['inf', 'not-finite'],
    ['1e400', 'not-finite'],
    ['{"value":1e400}', 'not-finite'],
    ['{"value":NaN}', 'invalid-json'],
    ['hot', 'invalid-json'],
    ['81,5', 'invalid-json'],
    ['0x10', 'invalid-json'],
    ['{"value":1', 'invalid-json'],
    ['null', 'not-a-value'],
    ['{"value":null}', 'not-a-value'],
    ['{"value":{"deep":1}}', 'not-a-value'],
    ['{"temperature":1}', 'not-a-value'],
    ['[[1]]', 'not-a-value'],
    ['{"value":1,"unit":""}', 'not-a-value'],
    ['{"value":1,"unit":7}', 'not-a-value'],
    [`{"value":1,"unit":"${'°'.repeat(17)}"}`, 'not-a-value'],
    [`"${'x'.repeat(257)}"`, 'not-a-value'],
    ['"half a pair \\ud800"', 'not-a-value'],
    ['{"value":1,"ts":-1}', 'invalid-time'],
    ['{"value":1,"ts":1e400}', 'invalid-time'],
    ['{"value":1,"ts":1700000000000000}', 'invalid-time'],
    ['{"value":1,"ts":"yesterday"}', 'invalid-time'],
    ['{"value":1,"ts":"2020-09-13T12:26:40"}', 'invalid-time'],
    ['{"value":1,"ts":null}', 'invalid-time'],
    ['{"__proto__":1}', 'invalid-name', KEYS_ARE_METRICS],
    ['{"a b":1}', 'invalid-name', KEYS_ARE_METRICS],
    ['{"":1}', 'invalid-name', KEYS_ARE_METRICS],
    ['5', 'invalid-name', { sensor: 'a/b', metric: 'm', now: NOW }],
    [`[${'1,'.repeat(READINGS_PER_PAYLOAD_MAX)}1]`, 'too-many-readings'],
    [`{${Array.from({ length: 1001 }, (_, at) => `"m${at}":1`)}}`, 'too-many-readings', KEYS_ARE_METRICS],
    [`{"v":${'['.repeat(1500)}`, 'too-deep', KEYS_ARE_METRICS],
  ])('%s', (payload, code, context) => {
    expect(fault(payload, context).code).toBe(code);
  });

  test('bytes that are not UTF-8', () => {
    expect(fault(Uint8Array.of(0x38, 0xff)).code).toBe('invalid-utf8');
    expect(fault(Uint8Array.of(0x22, 0xc3, 0x28, 0x22)).code).toBe('invalid-utf8');
  });

  test('an object with __proto__ as a value leaves every other object as it was', () => {
    expect(fault('{"value":1,"ts":{"__proto__":{"polluted":true}}}').code).toBe('invalid-time');
    expect(fault('{"__proto__":{"polluted":true}}', KEYS_ARE_METRICS).code).toBe('invalid-name');
    expect('polluted' in {}).toBe(false);
  });
});

describe('256 KiB of junk is refused quickly, with a short report', () => {
  const size = 262_144;
  const junk: Record<string, string> = {
    'digits and a letter': `${'1'.repeat(size - 1)}x`,
    'digits and dots': '1.'.repeat(size / 2),
    'a number of 256 KiB': '9'.repeat(size),
    'open brackets': '['.repeat(size),
    'lists in lists': `${'['.repeat(size / 2)}${']'.repeat(size / 2)}`,
    'objects in objects': `${'{"a":'.repeat(size / 6)}1${'}'.repeat(size / 6)}`,
    'brackets after a text with a quote': `["\\"${'['.repeat(8)}",${'['.repeat(size)}`,
    'one long text': `"${'x'.repeat(size)}"`,
    'one long text without an end': `"${'\\"'.repeat(size / 2)}`,
    'one long key': `{"${'k'.repeat(size)}":1}`,
    'many keys': `{${Array.from({ length: 20_000 }, (_, at) => `"k${at}":1`)}}`,
    'many numbers': `[${'1,'.repeat(size / 2)}1]`,
    'many empty objects': `[${'{},'.repeat(size / 3)}{}]`,
    'white space': ' '.repeat(size),
    'a long time': `{"value":1,"ts":"2020-01-01T${'0'.repeat(size)}Z"}`,
    zeros: '\0'.repeat(size),
  };
  // Whoever slips from linear time is at it for minutes, far beyond the limit of a test.
  test.each(Object.entries(junk))('%s', (_name, payload) => {
    for (const context of [ONE_METRIC, KEYS_ARE_METRICS]) {
      const { message } = fault(payload, context);
      expect(message.length).toBeLessThan(200);
    }
  });
});

test('whatever the bytes: sound readings, or a PayloadError', () => {
  const payload = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.json({ maxDepth: 4 }).map(bytes),
    fc.array(fc.json({ maxDepth: 2 })).map((items) => bytes(`[${items}]`)),
  );
  fc.assert(
    fc.property(payload, fc.constantFrom(ONE_METRIC, KEYS_ARE_METRICS), (payload, context) => {
      try {
        for (const { value, ts } of decodePayload(payload, context)) {
          expect(isValue(value) && isTimestamp(ts)).toBe(true);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PayloadError);
      }
    }),
    { numRuns: 1000 },
  );
});
