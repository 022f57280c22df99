import { columnsOf } from '@weir/protocols';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandbox, type Sandbox } from './sandbox.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

let units = 0;
const columns = columnsOf([
  { sensor: 's', metric: 'm', value: 1, ts: 5_000 },
  { sensor: 's', metric: 'text', value: 'on', ts: 5_001 },
]);

/** Runs a definition once; answers what it logged. */
async function run(definition: string, top = ''): Promise<string[]> {
  const code = `${top}; globalThis.__weirDefinition = { name: 'f', version: '1', ${definition} };`;
  const unit = { key: `unit${units++}`, code, config: '{"a":[1]}', timeoutMs: 1_000, memoryMb: 64 };
  const request = { instance: 'd', revision: 0, states: [], device: 'd', seed: 7, receivedAt: 0, columns };
  const outcome = await sandbox.step(unit, request);
  if (outcome.kind !== 'returned') throw new Error(`${outcome.kind}: ${outcome.message}`);
  const answer = JSON.parse(outcome.text) as { faults: unknown[]; logs: { text: string }[] };
  expect(answer.faults).toEqual([]);
  return answer.logs.map(({ text }) => text);
}

/**
 * Walks everything that can be reached from `roots` by keys, accessors, prototypes and constructors. What is of another
 * realm has a chain of prototypes that does not end in ours, or a Function that makes another global.
 */
const WALK = `
  function walk(roots) {
    const seen = new Set();
    const foreign = [];
    const todo = roots.map(([value, path]) => [value, path]);
    const own = new Set([Object.prototype, Function.prototype]);
    while (todo.length > 0) {
      const [value, path] = todo.pop();
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null || seen.has(value)) continue;
      seen.add(value);
      let last = value;
      for (let up = value; up !== null; up = Object.getPrototypeOf(up)) last = up;
      const bare = Object.getPrototypeOf(value) === null;
      if (!own.has(last) && !bare) foreign.push(path + ': a prototype of elsewhere');
      if (typeof value === 'function') {
        const make = value.constructor;
        if (typeof make === 'function' && /^(Async)?(Generator)?Function$/.test(make.name)) {
          try {
            if (make === Function && make('return globalThis')() !== globalThis) foreign.push(path + ': another global');
          } catch {}
        }
        if (/^(Reference|ExternalCopy|Callback|Isolate|Context|Script|Module)$/.test(value.name)) foreign.push(path + ': ' + value.name);
      }
      for (const key of Reflect.ownKeys(value)) {
        const property = Object.getOwnPropertyDescriptor(value, key);
        const name = path + '.' + String(key);
        todo.push([property.value, name], [property.get, name + ' (get)'], [property.set, name + ' (set)']);
        if (property.get !== undefined) {
          try {
            todo.push([value[key], name]);
          } catch {}
        }
      }
      todo.push([Object.getPrototypeOf(value), path + '.__proto__']);
    }
    return { count: seen.size, foreign };
  }`;

test('everything reachable from globals, arguments and this is data or of the isolate itself', async () => {
  const body = `
    const { count, foreign } = walk([
      [globalThis, 'globalThis'], [batch, 'batch'], [ctx, 'ctx'], [arguments, 'arguments'], [this, 'this'],
      [batch.at(0), 'reading'], [[...batch], 'readings'], [new Error('x'), 'error'], [function* () {}, 'generator'],
      [async () => {}, 'async'], [(async function* () {})(), 'async generator'], [/x/.exec('x'), 'match'],
    ]);
    ctx.log(count); ctx.log(foreign);`;
  const [count, foreign] = await run(`readings(batch, ctx) { ${body} }`, WALK);
  expect(foreign).toBe('[]');
  expect(Number(count)).toBeGreaterThan(500);
});

test('the walk finds what is foreign: an object whose chain ends elsewhere', async () => {
  const body = `
    const elsewhere = Object.create(Object.create(null));
    ctx.log(walk([[{ deep: [elsewhere] }, 'root']]).foreign);
    ctx.log(walk([[function Reference() {}, 'f']]).foreign);`;
  expect(await run(`readings(batch, ctx) { ${body} }`, WALK)).toEqual([
    '["root.deep.0: a prototype of elsewhere"]',
    expect.stringContaining('f: Reference'),
  ]);
});

test('the globals are those of the language and ours, and no other', async () => {
  const [names] = await run(
    'reading(r, ctx) { if (r.metric === "m") ctx.log(Object.getOwnPropertyNames(globalThis).sort()) }',
  );
  expect(JSON.parse(names!).filter((name: string) => !LANGUAGE.has(name))).toEqual([]);
});

const LANGUAGE = new Set(
  `AggregateError Array ArrayBuffer AsyncDisposableStack BigInt BigInt64Array BigUint64Array Boolean DataView Date
   DisposableStack Error EvalError Float16Array Float32Array Float64Array Function Infinity Int16Array Int32Array
   Int8Array Intl Iterator JSON Map Math NaN Number Object Promise Proxy RangeError ReferenceError Reflect RegExp Set
   String SuppressedError Symbol SyntaxError TypeError URIError Uint16Array Uint32Array Uint8Array Uint8ClampedArray
   WeakMap WeakSet console decodeURI decodeURIComponent encodeURI encodeURIComponent escape eval globalThis isFinite
   isNaN parseFloat parseInt undefined unescape`.split(/\s+/),
);

test.each([
  'import("node:fs")',
  'import("fs")',
  'import("data:text/javascript,export default 1")',
  'import("file:///etc/passwd")',
  'Function("return import(\\"node:fs\\")")()',
  '(0, eval)("import(\\"node:fs\\")")',
])('%s finds nothing', async (expression) => {
  // What it found would be kept for the second reading, by when the promise has settled or has not.
  const code = `globalThis.__weirDefinition = { name: 'f', version: '1',
    reading(r, ctx) { ctx.log(String(globalThis.found)); ${expression}.then((m) => { globalThis.found = m }, () => {}); } }`;
  const unit = { key: `unit${units++}`, code, config: '{}', timeoutMs: 1_000, memoryMb: 64 };
  for (let revision = 0; revision < 3; revision++) {
    const request = { instance: 'd', revision, states: [], device: 'd', seed: 7, receivedAt: 0, columns };
    const outcome = await sandbox.step(unit, request);
    if (outcome.kind === 'returned') expect(outcome.text).not.toMatch(/Module|object/);
    else expect(outcome.message).toMatch(/import|module|supported/i);
  }
});

test('what is put on the prototypes within an isolate is not in another', async () => {
  await run('reading() { Object.prototype.polluted = Array.prototype.polluted = 1; }');
  expect(
    await run('reading(r, ctx) { if (r.metric === "m") ctx.log(typeof {}.polluted, typeof [].polluted) }'),
  ).toEqual(['undefined undefined']);
});

test('the process has nothing of its host: no environment, no descriptor, and every layer the platform gives', () => {
  const layers = sandbox.isolation();
  if (process.platform !== 'linux') return;
  const inForce = Object.fromEntries(layers!.map(({ name, inForce }) => [name, inForce]));
  expect(inForce).toMatchObject({ environment: true, descriptors: true });
});
