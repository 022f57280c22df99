/**
 * Programs that hurt, each with the ways in which it may end. Run by `hostile.process.test.ts` and by `npm run bench -- hostile`.
 *
 * `returned`: with outputs; `failed`: an answer that says so; `damaged`: an answer that is none; the rest as in Outcome.
 */
export { Neighbour, shownOutcome } from './neighbour.ts';

export interface HostileProgram {
  name: string;
  code: string;
  expected: RegExp;
}

/** The body of `reading(r, ctx)`. */
const reading = (body: string) =>
  `globalThis.__weirDefinition = { name: 'f', version: '1', reading(r, ctx) { ${body} } }`;
/** The body of `readings(batch, ctx)`. */
const readings = (body: string) =>
  `globalThis.__weirDefinition = { name: 'f', version: '1', readings(batch, ctx) { ${body} } }`;
/** What runs when the module is loaded, before a definition. */
const top = (body: string) => `${body}; ${reading('ctx.emit({ metric: "m", value: 1 })')}`;

/** Memory is ended by V8, by the process's own end, by the host's look at it, or by time, whichever is first. */
const MEMORY = /^(out-of-memory|timed-out|crashed|failed)$/;
const TIME = /^timed-out$/;
const HARMLESS = /^(returned|failed)$/;
/** It broke its own isolate. */
const BROKEN = /^(failed|damaged|threw)$/;
/** V8 tells of it after the step. */
const REJECTED = /^(returned|threw)$/;

const LOOPS: [string, string, RegExp][] = [
  ['an endless loop', reading('for (;;);'), TIME],
  ['a regular expression that backtracks', reading('/^(a+)+$/.test("a".repeat(40) + "b")'), TIME],
  ['a regular expression in replace', reading('("a".repeat(50) + "b").replace(/(a|aa)+$/g, "")'), TIME],
  [
    'a microtask that calls itself',
    reading('const f = () => Promise.resolve().then(f); f()'),
    /^(timed-out|returned)$/,
  ],
  [
    'an async generator that never ends',
    reading('(async () => { for await (const x of (async function* () { for (;;) yield 1; })()); })()'),
    /^(timed-out|returned)$/,
  ],
  ['a generator spread for ever', reading('[...(function* () { for (;;) yield 1; })()]'), MEMORY],
  [
    'numbers formatted for ever',
    reading('for (;;) new Intl.NumberFormat("ar-EG", { style: "currency", currency: "EGP" }).format(1e9)'),
    /^(timed-out|out-of-memory|crashed)$/,
  ],
  [
    'dates formatted for ever',
    reading('for (;;) new Date(r.ts).toLocaleString("th-TH-u-ca-buddhist-nu-thai", { timeZone: "Asia/Kolkata" })'),
    /^(timed-out|out-of-memory|crashed)$/,
  ],
  [
    'text compiled for ever',
    reading('for (let i = 0; ; i++) Function("return " + i)()'),
    /^(timed-out|failed|out-of-memory|crashed)$/,
  ],
  ['a sort that compares for ever', reading('[1, 2].sort(() => { for (;;); })'), TIME],
  ['a proxy whose traps loop', reading('new Proxy({}, { get() { for (;;); } }).x'), TIME],
  ['JSON of a deep text', reading('JSON.parse("[".repeat(5e6))'), /^(timed-out|failed|out-of-memory|crashed)$/],
];

const MEMORY_BOMBS: [string, string, RegExp][] = [
  ['an array that grows', reading('const a = []; for (;;) a.push(new Array(1000).fill(1))'), MEMORY],
  ['a map that grows', reading('const m = new Map(); for (let i = 0; ; i++) m.set(i, "x".repeat(100) + i)'), MEMORY],
  ['a hundred million elements', reading('new Array(1e8).fill(0)'), MEMORY],
  ['a text taken apart', reading('[...".".repeat(5e8)]'), MEMORY],
  ['a text that doubles', reading('let s = "x"; for (;;) s += s'), /^(failed|out-of-memory|timed-out|crashed)$/],
  ['a typed array beyond the limit', reading('new Uint8Array(1e9)'), /^(failed|out-of-memory)$/],
  ['typed arrays one after another', reading('const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))'), MEMORY],
  [
    'a buffer that is resized',
    reading('const b = new ArrayBuffer(8, { maxByteLength: 1e9 }); b.resize(1e9); new Uint8Array(b).fill(1)'),
    MEMORY,
  ],
  [
    'buffers that are resized',
    reading(
      'const a = []; for (;;) { const b = new ArrayBuffer(8, { maxByteLength: 2 ** 26 }); b.resize(2 ** 26); new Uint8Array(b).fill(1); a.push(b) }',
    ),
    MEMORY,
  ],
  ['a BigInt that is squared', reading('let n = 3n; for (;;) n = n * n'), MEMORY],
  [
    'a BigInt as text',
    reading('(1n << (1n << 24n)).toString()'),
    /^(timed-out|failed|out-of-memory|crashed|returned)$/,
  ],
  [
    'a million promises that wait',
    reading('const a = []; for (;;) a.push(new Promise(() => {}).then(() => {}))'),
    MEMORY,
  ],
  [
    'closures that hold one another',
    reading('let f = () => 0; for (;;) { const g = f; const big = new Array(100).fill(g); f = () => big; }'),
    MEMORY,
  ],
  [
    'memory kept from step to step',
    `const kept = []; ${reading('kept.push(new Array(2e6).fill(r.ts))')}`,
    /^(returned|out-of-memory|crashed|timed-out|failed)$/,
  ],
];

const ERRORS: [string, string, RegExp][] = [
  ['an error whose message loops', reading('throw { get message() { for (;;); } }'), TIME],
  [
    'an error whose stack loops',
    reading('throw Object.defineProperty(new Error("x"), "stack", { get() { for (;;); } })'),
    TIME,
  ],
  [
    'an error whose name throws',
    reading('throw Object.defineProperty(new Error("x"), "name", { get() { throw this; } })'),
    /^failed$/,
  ],
  [
    'an error whose text loops',
    reading('throw { [Symbol.toPrimitive]() { for (;;); }, toJSON() { for (;;); } }'),
    TIME,
  ],
  [
    'errors that cause one another',
    reading('let e = new Error("0"); for (let i = 0; i < 1e5; i++) e = new Error("x", { cause: e }); throw e'),
    /^(failed|timed-out)$/,
  ],
  ['an error of a hundred megabytes', reading('throw new Error("x".repeat(1e8))'), MEMORY],
  [
    'a hook into stack traces',
    reading('Error.prepareStackTrace = () => { for (;;); }; throw new Error("x")'),
    /^(timed-out|failed)$/,
  ],
  ['a stack overflow in toString', reading('const o = { toString() { return "" + o; } }; throw o'), /^failed$/],
  ['endless recursion', reading('(function f() { f(); f(); })()'), /^(failed|timed-out)$/],
  [
    'a proxy that is thrown',
    reading('throw new Proxy(new Error("x"), { get() { for (;;); }, getPrototypeOf() { for (;;); } })'),
    TIME,
  ],
  ['null is thrown', reading('throw null'), /^failed$/],
  ['a rejection nobody sees', reading('Promise.reject(new Error("x")); ctx.emit({ metric: "m", value: 1 })'), REJECTED],
  [
    'a rejection whose stack loops',
    reading('Promise.reject(Object.defineProperty(new Error("x"), "stack", { get() { for (;;); } }))'),
    /^(returned|threw|timed-out)$/,
  ],
];

const RESULTS: [string, string, RegExp][] = [
  ['a state that serialises for ever', reading('ctx.state = { toJSON() { for (;;); } }'), TIME],
  ['a state that contains itself', reading('ctx.state = {}; ctx.state.self = ctx.state'), /^failed$/],
  [
    'a state of a hundred megabytes',
    reading('ctx.state = "x".repeat(1e8)'),
    /^(failed|out-of-memory|timed-out|crashed)$/,
  ],
  [
    'a state ten thousand deep',
    reading('let s = {}; ctx.state = s; for (let i = 0; i < 1e4; i++) s = s.s = {}'),
    /^(failed|returned)$/,
  ],
  [
    'a state with an own __proto__',
    reading('ctx.state = JSON.parse(\'{"__proto__":{"polluted":1},"constructor":{"prototype":{"x":1}}}\')'),
    HARMLESS,
  ],
  ['a state that is a proxy', reading('ctx.state = new Proxy({}, { ownKeys() { for (;;); } })'), TIME],
  ['a state that is a BigInt', reading('ctx.state = 1n'), /^failed$/],
  ['a thenable', reading('return { then() { for (;;); } }'), /^failed$/],
  ['a then that loops when it is looked at', reading('return { get then() { for (;;); } }'), TIME],
  ['a thenable whose then is callable', reading('return Object.assign(() => {}, { then: (f) => f(1) })'), /^failed$/],
  ['a flood of outputs', reading('for (;;) ctx.emit({ metric: "m", value: 1 })'), /^failed$/],
  [
    'outputs of sixty kilobytes',
    reading('for (let i = 0; i < 9000; i++) ctx.publish("t", "x".repeat(60000))'),
    /^(failed|threw|out-of-memory|timed-out|crashed)$/,
  ],
  ['a flood of log lines', reading('for (let i = 0; i < 1e5; i++) ctx.log("x".repeat(1e4))'), HARMLESS],
  ['log of a cyclic proxy', reading('const o = new Proxy({}, { get() { for (;;); } }); ctx.log(o)'), TIME],
  ['an output with getters', reading('ctx.emit({ get metric() { for (;;); }, value: 1 })'), TIME],
  [
    'an output whose value changes its mind',
    reading('let n = 0; ctx.emit({ metric: "m", get value() { return n++ ? {} : 1 } })'),
    HARMLESS,
  ],
  [
    'an alert with a key of the prototype',
    reading('ctx.alert({ name: "__proto__", active: true, summary: "x" })'),
    HARMLESS,
  ],
  ['a metric that serialises for ever', reading('ctx.publish("t", { toJSON() { for (;;); } })'), TIME],
  [
    'lone surrogates and zero bytes',
    reading('ctx.emit({ metric: "\\ud800\\0", value: "\\udfff".repeat(1000) })'),
    HARMLESS,
  ],
];

const POISON: [string, string, RegExp][] = [
  ['Array.prototype.push that loops', top('Array.prototype.push = () => { for (;;); }'), /^timed-out$/],
  [
    'an index setter on Array.prototype',
    top('Object.defineProperty(Array.prototype, "0", { set() { for (;;); } })'),
    /^(returned|timed-out|failed)$/,
  ],
  [
    'Map.prototype.set that throws',
    top('Map.prototype.set = Map.prototype.get = () => { throw new Error("x") }'),
    BROKEN,
  ],
  ['JSON replaced', top('globalThis.JSON = { parse() { for (;;); }, stringify() { return "}" } }'), /^returned$/],
  ['toJSON on Object.prototype', top('Object.prototype.toJSON = () => "pwned"'), /^(damaged|failed|returned)$/],
  ['toJSON on Object.prototype that loops', top('Object.prototype.toJSON = () => { for (;;); }'), TIME],
  ['then on Object.prototype', top('Object.prototype.then = (f) => f()'), HARMLESS],
  ['Promise replaced', top('globalThis.Promise = class { then() { for (;;); } }; Promise.resolve = 1'), /^returned$/],
  [
    'a getter for kind on Object.prototype',
    top('Object.defineProperty(Object.prototype, "columns", { get() { for (;;); }, set() { for (;;); } })'),
    /^(timed-out|returned|failed)$/,
  ],
  ['Float64Array replaced', top('globalThis.Float64Array = class { constructor() { for (;;); } }'), /^returned$/],
  [
    'Object.prototype.__proto__ set',
    top('try { Object.setPrototypeOf(Object.prototype, new Proxy({}, { get() { for (;;); } })) } catch {}'),
    HARMLESS,
  ],
  [
    'Function.prototype.call that loops',
    top('Function.prototype.call = Function.prototype.apply = () => { for (;;); }'),
    HARMLESS,
  ],
  [
    'String and Number prototypes',
    top('String.prototype.slice = Number.prototype.toString = String.prototype.toString = () => { for (;;); }'),
    /^(returned|timed-out)$/,
  ],
  [
    'Symbol.iterator of arrays',
    top('Array.prototype[Symbol.iterator] = function* () { for (;;) yield 1; }'),
    /^(returned|timed-out|failed|out-of-memory|crashed)$/,
  ],
  [
    'everything frozen',
    top(
      'for (const k of Object.getOwnPropertyNames(globalThis)) try { Object.freeze(globalThis[k]); Object.freeze(globalThis[k].prototype) } catch {}',
    ),
    /^(returned|failed|threw)$/,
  ],
  ['Date broken', top('Date.now = () => { for (;;); }; globalThis.Date = undefined'), HARMLESS],
];

const ARGUMENTS: [string, string, RegExp][] = [
  [
    'columns overwritten',
    readings('batch.values.fill(NaN); batch.index.fill(65535); batch.series.length = 0; batch.ts = null'),
    HARMLESS,
  ],
  [
    'columns detached',
    readings('batch.values.buffer.transfer(0); ctx.emit({ metric: "m", value: batch.count })'),
    HARMLESS,
  ],
  [
    'columns kept between steps',
    `let kept; ${readings('if (kept) kept.values[0] = 9; kept = batch; ctx.emit({ metric: "m", value: kept.values[0] })')}`,
    HARMLESS,
  ],
  [
    'the context overwritten',
    reading('for (const k of Object.keys(ctx)) try { ctx[k] = () => { for (;;); } } catch {}'),
    HARMLESS,
  ],
  [
    'emit replaced and kept',
    `let first; ${reading('first ??= ctx.emit; ctx.emit = undefined; first({ metric: "m", value: 1 })')}`,
    HARMLESS,
  ],
  [
    'the reading gets another prototype',
    reading('Object.setPrototypeOf(r, new Proxy({}, { get() { for (;;); } })); ctx.emit({ metric: "m", value: 1 })'),
    HARMLESS,
  ],
  [
    'the definition changes itself',
    `${reading('globalThis.d.reading = null')}; globalThis.d = globalThis.__weirDefinition`,
    HARMLESS,
  ],
  [
    'import() of a builtin',
    reading('import("node:fs").then((fs) => fs.writeFileSync("escaped", "x")); ctx.emit({ metric: "m", value: 1 })'),
    REJECTED,
  ],
  [
    'WebAssembly by its remains',
    reading('ctx.emit({ metric: "m", value: typeof WebAssembly + typeof SharedArrayBuffer + typeof Atomics })'),
    /^returned$/,
  ],
  [
    'shared memory by way of a buffer',
    reading('new (new Uint8Array(8).buffer.constructor)(8, { shared: true }); Function("return WebAssembly.Memory")()'),
    /^failed$/,
  ],
];

const TOP_LEVEL: [string, string, RegExp][] = [
  ['a top level that loops', top('for (;;);'), TIME],
  ['a top level that fills memory', top('const a = []; for (;;) a.push(new Array(1000).fill(1))'), MEMORY],
  ['a top level that throws what loops', top('throw { get message() { for (;;); }, get stack() { for (;;); } }'), TIME],
  ['a top level that throws', top('throw new Error("no")'), /^threw$/],
  ['no definition', '1', /^threw$/],
  ['a definition that is a proxy', 'globalThis.__weirDefinition = new Proxy({}, { get() { for (;;); } })', TIME],
  [
    'a definition with getters that throw',
    'globalThis.__weirDefinition = { get name() { throw { get stack() { for (;;); } } } }',
    /^(threw|timed-out)$/,
  ],
  [
    'a definition of a hundred megabytes',
    'globalThis.__weirDefinition = { name: "x".repeat(1e8), reading() {} }',
    /^(threw|out-of-memory|timed-out|crashed)$/,
  ],
  ['text that does not parse', '}}} catch {', /^threw$/],
  [
    'a first state that loops',
    'globalThis.__weirDefinition = { name: "f", version: "1", state() { for (;;); }, reading() {} }',
    TIME,
  ],
  [
    'a schedule that is no list',
    'globalThis.__weirDefinition = { name: "f", version: "1", schedule: { map() { for (;;); } }, reading() {} }',
    TIME,
  ],
];

export const HOSTILE_PROGRAMS: readonly HostileProgram[] = [
  ...LOOPS,
  ...MEMORY_BOMBS,
  ...ERRORS,
  ...RESULTS,
  ...POISON,
  ...ARGUMENTS,
  ...TOP_LEVEL,
].map(([name, code, expected]) => ({ name, code, expected }));
