/** What a batch decoder may meet on a public port: every refusal is a BatchError, quick, and holds no memory hostage. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BATCH_LIMITS, decodeBatch, encodeBatch } from './batch.ts';
import { BATCH_FAULTS, BatchError, type BatchFault } from './batch-error.ts';
import { type CborValue, encodeCbor } from './cbor.ts';
import { columnsOf } from './columns.ts';

/** A good batch as a map, with changes. */
function batchMap(changes: { [key: string]: CborValue | undefined } = {}): { [key: string]: CborValue } {
  const good: { [key: string]: CborValue } = {
    v: 1,
    e: 'epoch1',
    q: 0,
    n: 3,
    t: 1_700_000_000_000,
    s: [
      ['oven1', 'temperature', 0, 'Cel'],
      ['door', 'open', 1],
    ],
    i: Uint8Array.of(0, 1, 0),
    d: Int16Array.of(1000, -500),
    x: Float32Array.of(81.5, 1, 82),
  };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete good[key];
    else good[key] = value;
  }
  return good;
}

function refusal(bytes: Uint8Array): BatchError {
  try {
    decodeBatch(bytes);
  } catch (error) {
    if (error instanceof BatchError) return error;
    throw error;
  }
  throw new Error(`accepted ${Buffer.from(bytes).toString('hex').slice(0, 200)}`);
}

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}

test('the batch that the cases below spoil is a good one', () => {
  expect(decodeBatch(encodeCbor(batchMap())).count).toBe(3);
});

describe('a batch of version 2 with one wrong part is refused with the right code', () => {
  const good = (changes: { [key: string]: CborValue }) => ({
    ...batchMap(),
    v: 2,
    d: [Int16Array.of(0, 500), Int16Array.of(1000)],
    x: [{ k: 1, b: 800, v: Int8Array.of(15, 20) }, Int8Array.of(1)],
    ...changes,
  });

  test('the batch that the cases below spoil is a good one', () => {
    const batch = decodeBatch(encodeCbor(good({})));
    expect(batch.kind === 'readings' && [...batch.columns.values]).toEqual([81.5, 1, 82]);
  });

  test.each<[string, BatchFault, { [key: string]: CborValue }]>([
    ['a column less than there are series', 'malformed', { x: [Int8Array.of(15, 20)] }],
    ['a column too many', 'malformed', { d: [Int16Array.of(0, 500), Int16Array.of(1000), Int16Array.of(1)] }],
    ['a column too long', 'malformed', { d: [Int16Array.of(0, 500, 1), Int16Array.of(1000)] }],
    ['a column that is none', 'malformed', { x: ['15', Int8Array.of(1)] }],
    ['a series that is not there', 'value', { i: Uint8Array.of(0, 2, 0) }],
    ['an index of floats', 'malformed', { i: Float64Array.of(0, 1, 0) }],
    ['fewer indices than readings', 'malformed', { i: Uint8Array.of(0, 1) }],
    ['one index for two series', 'malformed', { n: 3, i: Uint8Array.of(0) }],
    ['one reading claimed 1e9 times', 'malformed', { n: 1e9, s: [['a', 'b', 0]], i: Uint8Array.of(0) }],
    ['a value that is none', 'value', { x: [Float64Array.of(1, Number.NaN), Int8Array.of(1)] }],
    ['a boolean that is none', 'value', { x: [Int8Array.of(1, 1), Int8Array.of(2)] }],
    ['times between milliseconds', 'value', { d: [{ k: 1, b: 5, v: Int8Array.of(0, 0) }, Int16Array.of(1000)] }],
    ['times past the year 2200', 'value', { d: [{ k: 0, b: 7e15, v: Int8Array.of(0, 0) }, Int16Array.of(1000)] }],
    [
      'steps past all bounds',
      'value',
      {
        x: [{ k: 0, b: 0, f: Number.MAX_SAFE_INTEGER, v: Float64Array.of(Number.POSITIVE_INFINITY) }, Int8Array.of(1)],
      },
    ],
  ])('%s: %s', (_, code, changes) => {
    expect(refusal(encodeCbor(good(changes))).code).toBe(code);
  });
});

describe('a batch map with one wrong part is refused with the right code', () => {
  const typed = (...numbers: number[]) => Float64Array.from(numbers);
  test.each<[string, BatchFault, { [key: string]: CborValue | undefined }]>([
    ['no version', 'version', { v: undefined }],
    ['version 3', 'version', { v: 3 }],
    ['columns of version 1 in version 2', 'malformed', { v: 2 }],
    ['version as text', 'version', { v: '1' }],
    ['version NaN', 'version', { v: Number.NaN }],
    ['no epoch', 'malformed', { e: undefined }],
    ['epoch with a slash', 'malformed', { e: 'a/b' }],
    ['epoch of 33 characters', 'malformed', { e: 'x'.repeat(33) }],
    ['negative sequence', 'malformed', { q: -1 }],
    ['sequence at the end of the safe integers', 'malformed', { q: Number.MAX_SAFE_INTEGER }],
    ['sequence 1.5', 'malformed', { q: 1.5 }],
    ['no readings', 'malformed', { n: 0 }],
    ['negative count', 'malformed', { n: -1 }],
    ['count not that of the columns', 'malformed', { n: 4 }],
    [
      'one constant reading claimed 1e9 times',
      'malformed',
      { n: 1e9, i: Uint8Array.of(0), d: Int8Array.of(0), x: typed(1) },
    ],
    ['first time is no time', 'malformed', { t: -1 }],
    ['first time is microseconds', 'malformed', { t: 1_700_000_000_000_000 }],
    ['times run below zero', 'value', { t: 10, d: Int16Array.of(-11, 0) }],
    ['times run past the year 2200', 'value', { d: typed(7e12, 7e12) }],
    ['a step is NaN', 'value', { d: typed(Number.NaN, 0) }],
    ['a step is a fraction', 'value', { d: typed(0.5, 0.5) }],
    ['a step is infinite', 'value', { d: typed(Number.POSITIVE_INFINITY, 0) }],
    ['steps for one reading too many', 'malformed', { d: Int8Array.of(1, 1, 1) }],
    ['no series', 'malformed', { s: [] }],
    ['series as a map', 'malformed', { s: {} }],
    ['series of two parts', 'malformed', { s: [['a', 'b']] }],
    [
      'sensor with a slash',
      'malformed',
      {
        s: [
          ['a/b', 'm', 0],
          ['c', 'm', 0],
        ],
      },
    ],
    [
      'sensor __proto__',
      'malformed',
      {
        s: [
          ['__proto__', 'm', 0],
          ['c', 'm', 0],
        ],
      },
    ],
    [
      'kind 3',
      'malformed',
      {
        s: [
          ['a', 'm', 3],
          ['c', 'm', 0],
        ],
      },
    ],
    [
      'kind "constructor"',
      'malformed',
      {
        s: [
          ['a', 'm', 'constructor'],
          ['c', 'm', 0],
        ],
      },
    ],
    [
      'unit of 33 bytes',
      'malformed',
      {
        s: [
          ['a', 'm', 0, 'x'.repeat(33)],
          ['c', 'm', 0],
        ],
      },
    ],
    [
      'empty unit',
      'malformed',
      {
        s: [
          ['a', 'm', 0, ''],
          ['c', 'm', 0],
        ],
      },
    ],
    ['index of a series that is not there', 'value', { i: Uint8Array.of(0, 1, 2) }],
    ['index -1', 'value', { i: Int8Array.of(0, 1, -1) }],
    ['index over 16 bits', 'value', { i: Uint32Array.of(0, 1, 65_536) }],
    ['index NaN', 'value', { i: typed(0, 1, Number.NaN) }],
    ['index 0.5', 'value', { i: typed(0, 1, 0.5) }],
    ['one index for two series', 'malformed', { i: Uint8Array.of(0) }],
    ['index as a list', 'malformed', { i: [0, 1, 0] }],
    ['value NaN', 'value', { x: typed(Number.NaN, 1, 2) }],
    ['value NaN for all', 'value', { i: Uint8Array.of(0, 0, 0), x: typed(Number.NaN) }],
    ['value infinite', 'value', { x: typed(1, 1, Number.NEGATIVE_INFINITY) }],
    ['single-precision NaN', 'value', { x: Float32Array.of(1, 1, Number.NaN) }],
    ['boolean 2', 'value', { x: typed(1, 2, 1) }],
    ['no values', 'malformed', { x: undefined }],
    ['two values for three', 'malformed', { x: typed(1, 1) }],
    ['text 7 of none', 'value', { s: [['a', 'm', 2]], i: Uint8Array.of(0), x: typed(7) }],
    ['text 0.5', 'value', { s: [['a', 'm', 2]], i: Uint8Array.of(0), x: typed(0.5), w: ['open'] }],
    ['text of 257 bytes', 'value', { w: ['x'.repeat(257)] }],
    ['texts as a map', 'malformed', { w: { length: 1 } }],
    ['a number among the texts', 'value', { w: [7] }],
    ['no alerts', 'malformed', { a: [] }],
    ['alerts as a map', 'malformed', { a: {} }],
    ['60,000 numbers for alerts', 'value', { a: new Array(60_000).fill(1) }],
    ['no reports', 'malformed', { r: [] }],
    ['reports as a text', 'malformed', { r: '{}' }],
    ['1,025 reports', 'too-large', { r: new Array(1_025).fill('{}') }],
  ])('%s: %s', (_name, code, changes) => {
    expect(refusal(encodeCbor(batchMap(changes))).code).toBe(code);
  });

  test.each<[string, CborValue, string]>([
    ['a number', 1, 'a.0: '],
    ['a typed array', Uint8Array.of(1), 'a.0'],
    ['null', null, 'a.0: '],
    ['an empty map', {}, 'a.0.episode: '],
  ])('%s in place of an alert is kept aside with its content, and has a number all the same', (_name, item, why) => {
    const batch = decodeBatch(encodeCbor(batchMap({ a: [item] })));
    const refused = [{ at: 0, detail: expect.stringContaining(why), content: encodeCbor(item) }];
    expect(batch).toMatchObject({ kind: 'alerts', count: 1, alerts: [], refused });
  });

  test.each<[string, CborValue]>([
    ['a list', [1, 2]],
    ['a number', 1],
    ['null', null],
    ['a typed array', Uint8Array.of(1)],
  ])('%s in place of the map', (_name, value) => {
    expect(refusal(encodeCbor(value)).code).toBe('malformed');
  });
});

describe('bytes that are not the strict subset of CBOR are refused with the right code', () => {
  const deep = (bytes: number) => Uint8Array.from({ length: bytes }, () => 0x81);
  test.each<[string, BatchFault, Uint8Array]>([
    ['no bytes', 'truncated', hex('')],
    ['a map that is not there', 'truncated', hex('a1')],
    ['a map of 2^32-1 entries', 'too-large', hex('ba ffffffff')],
    ['a map of 2^64-1 entries', 'malformed', hex('bb ffffffffffffffff')],
    ['a list of 60,000 elements in 4 bytes', 'truncated', hex('99 ea60 00')],
    ['a text of 2^40 bytes', 'truncated', hex('7b 0000010000000000 41')],
    ['a typed array of 2^40 bytes', 'truncated', hex('d8 56 5b 0000010000000000 00')],
    ['lists in lists in lists', 'too-deep', deep(1000)],
    ['131,072 lists, each in the one before', 'too-deep', deep(131_072)],
    ['a map with a map as a key', 'malformed', hex('a1 a0 00')],
    ['a number as a key', 'malformed', hex('a1 00 00')],
    ['the same key twice', 'malformed', hex('a2 61 76 01 61 76 01')],
    ['__proto__ twice', 'malformed', hex(`a2 69 ${'5f5f70726f746f5f5f'} a0 69 ${'5f5f70726f746f5f5f'} a0`)],
    ['an indefinite map', 'malformed', hex('bf 61 76 01 ff')],
    ['an indefinite list', 'malformed', hex('9f 01 ff')],
    ['an indefinite text', 'malformed', hex('7f 61 61 ff')],
    ['a bignum', 'malformed', hex('c2 49 010000000000000000')],
    ['a date', 'malformed', hex('c1 00')],
    ['a regular expression', 'malformed', hex('d8 23 61 61')],
    ['a typed array within a tag', 'malformed', hex('c1 d8 40 41 00')],
    ['a big-endian typed array', 'malformed', hex('d8 41 42 0001')],
    ['a typed array with half an element', 'malformed', hex('d8 45 43 000000')],
    ['a typed array of text', 'malformed', hex('d8 40 61 61')],
    ['a bare byte string', 'malformed', hex('42 0000')],
    ['a half float', 'malformed', hex('f9 3c00')],
    ['undefined', 'malformed', hex('f7')],
    ['an unassigned simple value', 'malformed', hex('f8 ff')],
    ['a break', 'malformed', hex('ff')],
    ['a reserved length', 'malformed', hex('1c')],
    ['an integer over 2^53', 'malformed', hex('1b 0020000000000000')],
    ['text that is not UTF-8', 'malformed', hex('62 c3 28')],
    ['a byte after the end', 'malformed', hex('a0 00')],
    ['one byte over the size limit', 'too-large', new Uint8Array(BATCH_LIMITS.bytesMax + 1)],
  ])('%s: %s', (_name, code, bytes) => {
    const before = process.memoryUsage().arrayBuffers;
    expect(refusal(bytes).code).toBe(code);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * 1024 * 1024);
  });

  test('a report of a refusal is short, however long the bytes are', () => {
    const longKey = `7a 0000ffff ${'61'.repeat(65_535)}`;
    expect(refusal(hex(`a2 ${longKey} 00 ${longKey} 00`)).message.length).toBeLessThan(200);
    expect(refusal(encodeCbor(batchMap({ v: 'x'.repeat(60_000) }))).message.length).toBeLessThan(200);
    expect(refusal(encodeCbor(batchMap({ w: ['x'.repeat(60_000)] }))).message.length).toBeLessThan(200);
  });
});

describe('damage on the way', () => {
  const good = [
    encodeCbor(batchMap()),
    encodeBatch({
      kind: 'readings',
      epoch: 'e',
      seq: 7,
      count: 20,
      columns: columnsOf(
        Array.from({ length: 20 }, (_, at) => ({
          sensor: `s${at % 3}`,
          metric: 'm',
          value: at % 3 === 0 ? at / 7 : at % 3 === 1 ? 'open' : at % 2 === 0,
          ts: 1_700_000_000_000 - at * 13,
          unit: 'Cel',
        })),
      ),
    }),
  ];

  test('cut off after any byte: refused as truncated', () => {
    for (const bytes of good) {
      for (let length = 0; length < bytes.length; length++) {
        expect(refusal(bytes.subarray(0, length)).code, `after ${length} bytes`).toBe('truncated');
      }
    }
  });

  test('any bytes changed, anywhere: refused with a known code, or read as finite values of known series', () => {
    const change = fc.record({ at: fc.nat(1000), byte: fc.nat(255) });
    fc.assert(
      fc.property(fc.constantFrom(...good), fc.array(change, { minLength: 1, maxLength: 6 }), (bytes, changes) => {
        const spoilt = bytes.slice();
        for (const { at, byte } of changes) spoilt[at % spoilt.length] = byte;
        expectSoundOrRefused(spoilt);
      }),
      { numRuns: 3000 },
    );
  });

  test('any bytes at all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => expectSoundOrRefused(bytes)),
      { numRuns: 2000 },
    );
  });
});

function expectSoundOrRefused(bytes: Uint8Array): void {
  try {
    const batch = decodeBatch(bytes);
    if (batch.kind !== 'readings') return;
    const { index, series, ts, values } = batch.columns;
    expect(batch.count).toBe(index.length);
    expect(index.every((at) => series[at] !== undefined)).toBe(true);
    expect(ts.every(Number.isSafeInteger) && values.every(Number.isFinite)).toBe(true);
  } catch (error) {
    expect(error).toBeInstanceOf(BatchError);
    expect(BATCH_FAULTS).toContain((error as BatchError).code);
  }
}

describe('the most a batch within the limits can ask for', () => {
  test('constant columns claim 65,536 readings and no more: 1.2 MB', () => {
    const constant = (n: number) =>
      encodeCbor(batchMap({ n, s: [['a', 'm', 0]], i: Uint8Array.of(0), d: Int8Array.of(1), x: Int8Array.of(5) }));
    const batch = decodeBatch(constant(65_536));
    expect(batch.count).toBe(65_536);
    expect(refusal(constant(65_537)).code).toBe('malformed');
  });

  test('131,072 bytes of anything are decoded or refused in far less than a second', () => {
    const size = BATCH_LIMITS.bytesMax;
    const zeros = encodeCbor(batchMap({ s: Array.from({ length: 60_000 }, () => 0) }));
    const maps = Uint8Array.from({ length: size }, (_, at) => (at === 0 ? 0xb9 : at < 3 ? 0x7f : 0x60));
    const names = encodeCbor(batchMap({ s: Array.from({ length: 11_000 }, (_, at) => [`s${at}`, 'm', 0]) }));
    for (const bytes of [zeros, maps, names]) {
      expect(bytes.length).toBeLessThanOrEqual(size);
      expectSoundOrRefused(bytes);
    }
  });
});
