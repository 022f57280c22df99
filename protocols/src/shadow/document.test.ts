/** The rules of AWS IoT Device Shadows, one by one. @see AWS IoT developer guide, device-shadow-document */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  deleteAccepted,
  deleteShadow,
  deltaTold,
  documentsTold,
  getAccepted,
  type Json,
  type JsonObject,
  parseShadowRequest,
  parseTokenRequest,
  type ShadowDocument,
  ShadowError,
  type ShadowTombstone,
  sameJson,
  shadowDelta,
  TOMBSTONE_S,
  updateAccepted,
  updateShadow,
} from './document.ts';

/** The document after these request bodies, one a second from second 100. */
function after(...bodies: object[]): ShadowDocument {
  let document: ShadowDocument | undefined;
  for (const [at, body] of bodies.entries()) {
    document = updateShadow(document, parseShadowRequest(JSON.stringify(body)), 100 + at);
  }
  return document!;
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof ShadowError) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'accepted';
}

const desired = (section: unknown) => ({ state: { desired: section } });
const reported = (section: unknown) => ({ state: { reported: section } });

describe('merge: only the fields given are touched', () => {
  test.each<[string, object[], ShadowDocument['state']]>([
    ['two sections', [desired({ a: 1 }), reported({ b: 2 })], { desired: { a: 1 }, reported: { b: 2 } }],
    [
      'fields beside and below stay',
      [desired({ a: { b: 1, c: 2 }, d: 3 }), desired({ a: { b: 9 } })],
      { desired: { a: { b: 9, c: 2 }, d: 3 } },
    ],
    ['null deletes a field', [desired({ a: 1, b: 2 }), desired({ a: null })], { desired: { b: 2 } }],
    [
      'null deletes a field below',
      [desired({ a: { b: 1, c: 2 } }), desired({ a: { b: null } })],
      { desired: { a: { c: 2 } } },
    ],
    ['null for a field that is not there', [desired({ a: 1, b: null })], { desired: { a: 1 } }],
    ['a section that becomes empty is gone', [desired({ a: 1 }), desired({ a: null })], {}],
    ['null deletes a section', [desired({ a: 1 }), reported({ a: 1 }), desired(null)], { reported: { a: 1 } }],
    ['state null empties the document', [desired({ a: 1 }), { state: null }], {}],
    ['an empty object below is kept', [desired({ d: {} })], { desired: { d: {} } }],
    ['lists are atomic', [desired({ l: [1, 2, 3] }), desired({ l: [9] })], { desired: { l: [9] } }],
    ['an object replaces a scalar', [desired({ a: 1 }), desired({ a: { b: 1 } })], { desired: { a: { b: 1 } } }],
    ['a scalar replaces an object', [desired({ a: { b: 1 } }), desired({ a: 1 })], { desired: { a: 1 } }],
  ])('%s', (_name, bodies, state) => {
    const document = after(...bodies);
    expect(document.state).toEqual(state);
    expect(document.version).toBe(bodies.length);
  });

  test('the document before is not changed', () => {
    const before = after(desired({ a: { b: 1 } }));
    const copy = structuredClone(before);
    updateShadow(before, parseShadowRequest(JSON.stringify(desired({ a: { b: 2, c: 3 } }))), 200);
    expect(before).toEqual(copy);
  });

  test('__proto__ and constructor are fields like any other', () => {
    const body = '{"state":{"desired":{"__proto__":{"polluted":1},"constructor":{"x":2}}}}';
    const once = updateShadow(undefined, parseShadowRequest(body), 100);
    const twice = updateShadow(once, parseShadowRequest(body), 101);
    expect(JSON.stringify(twice.state.desired)).toBe('{"__proto__":{"polluted":1},"constructor":{"x":2}}');
    expect(JSON.stringify(shadowDelta(twice)?.state)).toBe('{"__proto__":{"polluted":1},"constructor":{"x":2}}');
    expect('polluted' in {}).toBe(false);
  });
});

describe('metadata mirrors the state', () => {
  test('each scalar has the second of its last change, a list one for each element', () => {
    const document = after(desired({ a: 1, o: { x: 1, y: 2 }, l: [1, 2] }), desired({ o: { x: 5 } }));
    expect(document.metadata).toEqual({
      desired: {
        a: { timestamp: 100 },
        o: { x: { timestamp: 101 }, y: { timestamp: 100 } },
        l: [{ timestamp: 100 }, { timestamp: 100 }],
      },
    });
    expect(document.timestamp).toBe(101);
  });

  test('it follows when a scalar becomes an object and back, and goes with what is deleted', () => {
    const grown = after(desired({ a: 1 }), desired({ a: { b: 1 } }));
    expect(grown.metadata.desired).toEqual({ a: { b: { timestamp: 101 } } });
    expect(after(desired({ a: { b: 1 } }), desired({ a: 1 })).metadata.desired).toEqual({ a: { timestamp: 101 } });
    expect(after(desired({ a: 1, b: 1 }), desired({ a: null })).metadata.desired).toEqual({ b: { timestamp: 100 } });
    expect(after(desired({ a: 1 }), { state: null }).metadata).toEqual({});
  });
});

describe('delta: what is desired and not so reported', () => {
  test.each<[string, JsonObject, JsonObject, JsonObject | undefined]>([
    ['nothing reported', { a: 1 }, {}, { a: 1 }],
    ['the same', { a: 1, o: { b: [1, { c: 2 }] } }, { a: 1, o: { b: [1, { c: 2 }] } }, undefined],
    ['only the fields that differ', { a: 1, o: { x: 1, y: 2 } }, { a: 1, o: { x: 9, y: 2 } }, { o: { x: 1 } }],
    ['a list is given whole', { l: [1, 2, 3] }, { l: [1, 2, 4] }, { l: [1, 2, 3] }],
    ['the order of a list matters', { l: [1, 2] }, { l: [2, 1] }, { l: [1, 2] }],
    ['fields only reported are ignored', { a: 1 }, { a: 1, z: 5 }, undefined],
    ['another type differs', { a: '1' }, { a: 1 }, { a: '1' }],
    ['an empty object wanted', { d: {} }, {}, { d: {} }],
    ['an object over a scalar', { a: { b: 1 } }, { a: 5 }, { a: { b: 1 } }],
  ])('%s', (_name, wanted, actual, delta) => {
    const document = after({ state: { desired: wanted, reported: actual } });
    expect(shadowDelta(document)?.state).toEqual(delta);
  });

  test('numbers are compared by value: 1 and 1.0, 0 and -0', () => {
    const body = '{"state":{"desired":{"a":1,"b":0},"reported":{"a":1.0,"b":-0.0}}}';
    expect(shadowDelta(updateShadow(undefined, parseShadowRequest(body), 1))).toBeUndefined();
  });

  test('its metadata is that of the desired section', () => {
    const document = after(desired({ o: { x: 1, y: 2 }, a: 1 }), { state: { reported: { o: { y: 2 }, a: 1 } } });
    expect(shadowDelta(document)).toEqual({ state: { o: { x: 1 } }, metadata: { o: { x: { timestamp: 100 } } } });
  });

  test('a device that reports the delta has none left', () => {
    const scalar = fc.oneof(fc.integer(), fc.string(), fc.boolean());
    const { section } = fc.letrec<{ section: JsonObject; json: Json }>((tie) => ({
      json: fc.oneof({ maxDepth: 3 }, scalar, fc.array(scalar), tie('section')),
      section: fc.dictionary(fc.string({ maxLength: 4 }), tie('json'), { maxKeys: 4, noNullPrototype: true }),
    }));
    fc.assert(
      fc.property(section, section, (wanted, actual) => {
        const document = after({ state: { desired: wanted, reported: actual } });
        const delta = shadowDelta(document);
        if (delta === undefined) return;
        const answer = updateShadow(document, { state: { reported: delta.state } }, 200);
        expect(shadowDelta(answer)).toBeUndefined();
        expect(document.state.reported ?? {}).toEqual(actual);
      }),
    );
  });
});

describe('version', () => {
  test('counts every update, also one that changes nothing', () => {
    expect(after(desired({ a: 1 }), desired({ a: 1 }), { state: {} }).version).toBe(3);
  });

  test.each<[number, string]>([
    [1, 'accepted'],
    [0, '409 Version conflict'],
    [2, '409 Version conflict'],
  ])('request for version %i of version 1: %s', (version, outcome) => {
    const document = after(desired({ a: 1 }));
    expect(refusal(() => updateShadow(document, { state: {}, version }, 200))).toBe(outcome);
  });
});

describe('a shadow that is not there', () => {
  const gone = (version: number, deletedAt: number) => ({ version, deletedAt });
  test.each<[string, ShadowTombstone | undefined, number | undefined, number | string]>([
    ['begins with 1', undefined, undefined, 1],
    ['may be told that it is 1', undefined, 1, 1],
    ['and no other number', undefined, 2, '400 Invalid version'],
    ['nor 0', undefined, 0, '400 Invalid version'],
    ['was deleted a moment ago: it counts on', gone(7, 1_000), undefined, 8],
    ['… and knows its version still', gone(7, 1_000), 7, 8],
    ['… and no other', gone(7, 1_000), 1, '409 Version conflict'],
    ['was deleted a second less than two days ago', gone(7, 1_001 - TOMBSTONE_S), undefined, 8],
    ['was deleted two days ago: it begins anew', gone(7, 1_000 - TOMBSTONE_S), undefined, 1],
  ])('%s', (_name, tombstone, version, expected) => {
    const request = { state: { desired: { a: 1 } }, ...(version !== undefined && { version }) };
    let found: number | undefined;
    const outcome = refusal(() => {
      found = updateShadow(tombstone, request, 1_000).version;
    });
    expect(found ?? outcome).toBe(expected);
  });

  test('deleting tells the version that was there; nothing of the state comes back', () => {
    const document = after(desired({ a: 1 }), desired({ b: 2 }));
    const tombstone = deleteShadow(document, 'x', 500);
    expect(deleteAccepted(tombstone)).toEqual({ version: 2, timestamp: 500 });
    expect(updateShadow(tombstone, { state: { reported: { c: 3 } } }, 501)).toEqual({
      state: { reported: { c: 3 } },
      metadata: { reported: { c: { timestamp: 501 } } },
      version: 3,
      timestamp: 501,
    });
    for (const kept of [undefined, tombstone]) {
      expect(refusal(() => deleteShadow(kept, 'x', 501))).toBe("404 No shadow exists with name: 'x'");
    }
  });
});

describe('requests are refused with the texts of AWS', () => {
  const nested = (levels: number) => `{"state":{"desired":${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}}}`;
  test.each<[string, string]>([
    ['', '400 Invalid JSON'],
    ['{', '400 Invalid JSON'],
    ['[]', '400 Invalid JSON'],
    ['null', '400 Invalid JSON'],
    ['7', '400 Invalid JSON'],
    ['{}', '400 Missing required node: state'],
    ['{"state":7}', '400 State node must be an object'],
    ['{"state":[]}', '400 State node must be an object'],
    ['{"state":{"desired":7}}', '400 Desired node must be an object'],
    ['{"state":{"reported":[]}}', '400 Reported node must be an object'],
    ['{"state":{"delta":{}}}', '400 State contains an invalid node'],
    ['{"state":{"__proto__":{}}}', '400 State contains an invalid node'],
    ['{"state":{"desired":{"l":[1,null]}}}', '400 State contains an invalid node'],
    ['{"state":{},"version":"1"}', '400 Invalid version'],
    ['{"state":{},"version":1.5}', '400 Invalid version'],
    ['{"state":{},"version":-1}', '400 Invalid version'],
    [`{"state":{},"clientToken":"${'t'.repeat(65)}"}`, '400 Invalid clientToken'],
    ['{"state":{},"clientToken":7}', '400 Invalid clientToken'],
    [`{"state":{},"clientToken":"${'t'.repeat(64)}"}`, 'accepted'],
    [nested(8), 'accepted'],
    ['{"state":{"desired":{"a":1e400}}}', '400 Invalid JSON'],
    ['{"state":{"reported":{"a":[[-1e999]]}}}', '400 Invalid JSON'],
    [nested(9), '400 JSON contains too many levels of nesting; maximum is 6'],
    ['{"state":null}', 'accepted'],
    ['{"state":{"desired":null}}', 'accepted'],
  ])('%s', (payload, outcome) => {
    expect(refusal(() => parseShadowRequest(payload))).toBe(outcome);
  });

  test('a document of 8192 bytes of state is taken, of 8193 is not; metadata does not count', () => {
    const fill = (bytes: number) => parseShadowRequest(JSON.stringify(desired({ a: 'x'.repeat(bytes - 8) })));
    expect(refusal(() => updateShadow(undefined, fill(8192), 1))).toBe('accepted');
    expect(refusal(() => updateShadow(undefined, fill(8193), 1))).toBe(
      '413 The payload exceeds the maximum size allowed',
    );
    const full = updateShadow(undefined, fill(8100), 1);
    expect(refusal(() => updateShadow(full, { state: { reported: { b: 'y'.repeat(100) } } }, 2))).toMatch(/^413/);
  });
});

describe('answers have exactly the keys of AWS', () => {
  test('update/accepted echoes the request, with metadata for its keys only', () => {
    const request = parseShadowRequest('{"state":{"desired":{"b":2}},"clientToken":"t1"}');
    const document = updateShadow(after(desired({ a: 1 })), request, 200);
    expect(updateAccepted(document, request)).toEqual({
      state: { desired: { b: 2 } },
      metadata: { desired: { b: { timestamp: 200 } } },
      version: 2,
      timestamp: 200,
      clientToken: 't1',
    });
  });

  test('update/accepted of state null', () => {
    const request = parseShadowRequest('{"state":null}');
    const document = updateShadow(after(desired({ a: 1 })), request, 200);
    expect(updateAccepted(document, request)).toEqual({
      state: null,
      metadata: { timestamp: 200 },
      version: 2,
      timestamp: 200,
    });
    expect(getAccepted(document, 900)).toEqual({ state: {}, metadata: {}, version: 2, timestamp: 900 });
  });

  test('get/accepted has a delta only where there is a difference', () => {
    const differing = after({ state: { desired: { a: 1 }, reported: { a: 2 } } });
    expect(getAccepted(differing, 100)).toEqual({
      state: { desired: { a: 1 }, reported: { a: 2 }, delta: { a: 1 } },
      metadata: {
        desired: { a: { timestamp: 100 } },
        reported: { a: { timestamp: 100 } },
        delta: { a: { timestamp: 100 } },
      },
      version: 1,
      timestamp: 100,
    });
    expect(getAccepted(after(desired({ a: 1 }), reported({ a: 1 })), 100).state).not.toHaveProperty('delta');
  });

  test('update/delta is not nested under desired; update/documents has what was and what is', () => {
    const before = after(reported({ a: 1 }));
    const now = updateShadow(before, { state: { desired: { a: 2 } } }, 200);
    const stamps = { desired: { a: { timestamp: 200 } }, reported: { a: { timestamp: 100 } } };
    expect(deltaTold(now)).toEqual({
      version: 2,
      timestamp: 200,
      state: { a: 2 },
      metadata: { a: { timestamp: 200 } },
    });
    expect(documentsTold(before, now)).toEqual({
      previous: { state: { reported: { a: 1 } }, metadata: { reported: { a: { timestamp: 100 } } }, version: 1 },
      current: { state: { desired: { a: 2 }, reported: { a: 1 } }, metadata: stamps, version: 2 },
      timestamp: 200,
    });
    expect(documentsTold(undefined, before).previous).toBeNull();
    expect(deltaTold(before)).toBeUndefined();
  });

  test('a get may have an empty payload or a client token', () => {
    expect([parseTokenRequest(''), parseTokenRequest(' '), parseTokenRequest('{"clientToken":"t"}')]).toEqual([
      {},
      {},
      { clientToken: 't' },
    ]);
    expect(refusal(() => parseTokenRequest('x'))).toBe('400 Invalid JSON');
  });
});

test('JSON is the same whatever the order of its keys, and not the same when a key is inherited', () => {
  expect(sameJson({ a: 1, b: [{ c: null }] }, { b: [{ c: null }], a: 1 })).toBe(true);
  expect(sameJson({ a: 1 }, { a: 1, b: 2 })).toBe(false);
  expect(sameJson([1], { 0: 1 })).toBe(false);
  expect(sameJson({ toString: 1 }, { x: 1 })).toBe(false);
});
