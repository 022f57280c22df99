import { columnsOf } from '@weir/protocols';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { KeptState, Unit } from './protocol.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = createSandbox({ rssBytesMax: 400 * 1024 * 1024 });
  await sandbox.start();
});
afterAll(() => sandbox.stop());

let units = 0;
const AMPLE_MS = 5_000;

/** @param timeoutMs ample for what must work also on a busy machine */
function unitOf(body: string, timeoutMs = 200): Unit {
  const code = `globalThis.__weirDefinition = { name: 'f', version: '1', ${body} };`;
  return { key: `unit${units++}`, code, config: '{}', timeoutMs, memoryMb: 64 };
}

const columns = columnsOf([{ sensor: 's', metric: 'm', value: 1, ts: 5_000 }]);

const stateOf = (text: string): [string, KeptState][] => (text === '' ? [] : [['', { text }]]);

async function stepOf(unit: Unit, revision = 0, text: string | null = '') {
  const request = {
    instance: 'd',
    revision,
    device: 'd',
    seed: 7,
    receivedAt: 0,
    columns,
    ...(text === null ? {} : { states: stateOf(text) }),
  };
  return sandbox.step(unit, request);
}

/** Runs `reading(r, ctx) { … }` once; answers its outputs or how it ended. */
async function run(body: string): Promise<{ logs: { text: string }[] }> {
  const outcome = await stepOf(unitOf(`reading(r, ctx) { ${body} }`, AMPLE_MS));
  if (outcome.kind !== 'returned') throw new Error(`${outcome.kind}: ${outcome.message}`);
  return JSON.parse(outcome.text);
}

describe('what hostile code can do is end itself', () => {
  const benign = unitOf('reading(r, ctx) { ctx.emit({ metric: "ok", value: r.value }) }', AMPLE_MS);
  const attacks: Record<string, [string, RegExp]> = {
    'an endless loop': ['for (;;);', /timed-out/],
    'a regular expression that backtracks': ['/^(a+)+$/.test("a".repeat(40) + "b")', /timed-out/],
    'an array that grows': [
      'const a = []; for (;;) a.push(new Array(1000).fill(1))',
      /out-of-memory|timed-out|crashed/,
    ],
    'a map that grows': [
      'const m = new Map(); for (let i = 0; ; i++) m.set(i, "x".repeat(100) + i)',
      /out-of-memory|timed-out|crashed/,
    ],
    'a huge typed array': ['new Uint8Array(1e9)', /returned|timed-out/],
    'a BigInt that doubles': ['let n = 3n; for (;;) n = n * n', /timed-out|out-of-memory|crashed/],
    'an error whose stack loops': ['throw { get message() { for (;;); } }', /timed-out/],
    'an error whose toString loops': [
      'const e = new Error("x"); Object.defineProperty(e, "stack", { get() { for (;;); } }); throw e',
      /timed-out/,
    ],
    'endless recursion': ['(function f() { f(); f(); })()', /returned|timed-out/],
    'a state that serialises for ever': ['ctx.state = { toJSON() { for (;;); } }', /timed-out/],
    'a flood of outputs': ['for (;;) ctx.emit({ metric: "m", value: 1 })', /returned|timed-out/],
    'a flood of log lines': ['for (let i = 0; i < 1e5; i++) ctx.log("x".repeat(1e4))', /returned|timed-out/],
    'a promise loop': ['const f = () => Promise.resolve().then(f); f()', /timed-out|returned/],
  };
  for (const [name, [body, expected]] of Object.entries(attacks)) {
    test(`${name}: contained, and a neighbour works at once`, { timeout: 20_000 }, async () => {
      const outcome = await stepOf(unitOf(`reading(r, ctx) { ${body} }`));
      expect(outcome.kind).toMatch(expected);
      expect(await stepOf(benign)).toMatchObject({ kind: 'returned' });
    });
  }

  test('a neighbour in flight while the process is killed still gets its result', { timeout: 20_000 }, async () => {
    const loops = unitOf('reading() { const a = []; for (;;) a.push(new Array(1000).fill(1)) }');
    const outcomes = await Promise.all([stepOf(loops), ...Array.from({ length: 8 }, () => stepOf(benign))]);
    expect(outcomes[0]!.kind).not.toBe('returned');
    expect(outcomes.slice(1).map(({ kind }) => kind)).toEqual(Array(8).fill('returned'));
  });

  test('a process killed from outside is replaced and the step repeated once it is blamed', {
    timeout: 20_000,
  }, async () => {
    await sandbox.start();
    const { restarts } = sandbox;
    process.kill(sandbox.pids[0]!, 'SIGKILL');
    const outcome = await stepOf(benign);
    expect(['returned', 'crashed']).toContain(outcome.kind);
    expect(await stepOf(benign)).toMatchObject({ kind: 'returned' });
    expect(sandbox.restarts).toBe(restarts + 1);
  });
});

test('with several processes, one that dies takes no function of another along', { timeout: 20_000 }, async () => {
  const spread = createSandbox({ processes: 2, parallel: 2 });
  await spread.start();
  try {
    const [first, second] = spread.pids;
    const request = { instance: 'd', device: 'd', seed: 7, receivedAt: 0, columns };
    const units = Array.from({ length: 8 }, (_, at) => ({
      ...unitOf('reading(r, ctx) { ctx.state.n = (ctx.state.n ?? 0) + 1; ctx.log(ctx.state.n) }'),
      key: `spread-${at}`,
    }));
    const begun = await Promise.all(units.map((unit) => spread.step(unit, { ...request, revision: 0, states: [] })));
    expect(begun.map(({ kind }) => kind)).toEqual(Array(8).fill('returned'));
    process.kill(first!, 'SIGKILL');
    await vi.waitFor(() => expect(spread.pids).not.toContain(first), AMPLE_MS);
    await spread.start();
    expect(spread.pids).toContain(second);
    // Only isolates of the process that lived on still have their state.
    const outcomes = await Promise.all(units.map((unit) => spread.step(unit, { ...request, revision: 1 })));
    const kept = outcomes.filter((outcome) => outcome.kind === 'returned' && outcome.text !== '{"need":"state"}');
    expect(kept.length).toBeGreaterThan(0);
    expect(kept.length).toBeLessThan(8);
  } finally {
    await spread.stop();
  }
});

describe('each step tells what it cost, so that a function can be charged for it', () => {
  test('work is told as processor time, and memory that is held as heap', async () => {
    const works = unitOf(
      `reading(r, ctx) {
      globalThis.held ??= Array.from({ length: 1e5 }, (_, i) => 'text ' + i);
      for (let i = 0, x = 0; i < 1e7; i++) x += Math.sqrt(i);
    }`,
      AMPLE_MS,
    );
    const { usage } = await stepOf(works);
    expect(usage!.cpuUs).toBeGreaterThan(1_000);
    expect(usage!.wallUs).toBeGreaterThan(0.9 * usage!.cpuUs);
    expect(usage!.heapBytes).toBeGreaterThan(2_000_000);
    expect(usage!.heapBytes).toBeLessThan(64 * 2 ** 20);
  });

  test('every step is told its own, in a thread and on the loop', async () => {
    const works = unitOf('reading(r, ctx) { for (let i = 0, x = 0; i < 1e6; i++) x += Math.sqrt(i); }', AMPLE_MS);
    for (let revision = 0; revision < 20; revision++) {
      expect((await stepOf(works, revision)).usage!.cpuUs).toBeGreaterThan(100);
    }
  });

  test.each([
    ['throws', 'throw new Error("no")'],
    ['loops', 'for (;;);'],
    ['dies of memory', 'const a = []; for (;;) a.push(new Array(1000).fill(1))'],
  ])('also one that %s', { timeout: 20_000 }, async (_, body) => {
    const { usage } = await stepOf(unitOf(`reading() { ${body} }`));
    expect(usage!.wallUs).toBeGreaterThan(0);
  });

  test('a load is no step and tells nothing', async () => {
    expect(await sandbox.load(unitOf('reading() {}', AMPLE_MS))).not.toHaveProperty('usage');
  });
});

describe('many steps at once', () => {
  const ECHO = `readings(batch, ctx) {
    ctx.log(batch.count, batch.values[batch.count - 1], ctx.device, 'x'.repeat(Number(ctx.device)));
  }`;

  /** A batch of its size, by a device named after the length of the answer that is wanted. */
  async function echo(unit: Unit, count: number, device: string): Promise<string> {
    const readings = Array.from({ length: count }, (_, ts) => ({ sensor: 's', metric: 'm', value: ts, ts }));
    const request = { instance: device + count, revision: 0, states: [], device, seed: 7, receivedAt: 0 };
    const outcome = await sandbox.step(unit, { ...request, columns: columnsOf(readings) });
    if (outcome.kind !== 'returned') throw new Error(`${outcome.kind}: ${outcome.message}`);
    return (JSON.parse(outcome.text) as { logs: { text: string }[] }).logs[0]!.text;
  }

  const echoed = (count: number, device: string) =>
    `${count} ${count - 1} ${device} ${'x'.repeat(Number(device))}`.slice(0, 1_000);

  test('each gets its own answer, whether it is small or larger than any buffer on the way', {
    timeout: 30_000,
  }, async () => {
    const quick = unitOf(ECHO, AMPLE_MS);
    for (let i = 0; i < 10; i++) await echo(quick, 1, '1');
    const other = unitOf(ECHO, AMPLE_MS);
    const sizes = [1, 1_000, 17, 20_000, 3, 1_000, 1_000, 60_000, 2, 1_000];
    const wanted = Array.from({ length: 200 }, (_, i) => [sizes[i % sizes.length]!, String((i * 37) % 900)] as const);
    const answers = await Promise.all(
      wanted.map(([count, device], i) => echo(i % 5 === 0 ? other : quick, count, device)),
    );
    expect(answers).toEqual(wanted.map(([count, device]) => echoed(count, device)));
  });

  test('an answer of a megabyte comes whole, and those behind it', { timeout: 30_000 }, async () => {
    const unit = unitOf('reading(r, ctx) { ctx.publish("t", "é".repeat(500_000 * r.value)) }', AMPLE_MS);
    const outcomes = await Promise.all(Array.from({ length: 6 }, () => stepOf(unit)));
    for (const outcome of outcomes) {
      const { outputs } = JSON.parse((outcome as { text: string }).text) as { outputs: { payload: string }[] };
      expect(outputs[0]!.payload).toHaveLength(500_000);
    }
  });

  test('a unit that many hosts load at once is loaded once, and none of their steps is lost', async () => {
    const unit = unitOf('reading(r, ctx) { globalThis.n = (globalThis.n ?? 0) + 1; ctx.log(globalThis.n) }', AMPLE_MS);
    const loads = Array.from({ length: 5 }, () => sandbox.load(unit));
    const steps = Array.from({ length: 20 }, () => stepOf(unit));
    for (const outcome of await Promise.all(loads)) expect(outcome).toMatchObject({ kind: 'returned' });
    const counted = (await Promise.all(steps)).map((outcome) => {
      return Number((JSON.parse((outcome as { text: string }).text) as { logs: { text: string }[] }).logs[0]!.text);
    });
    expect(counted.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
  });

  test('a unit that is dropped while its steps are under way answers them; the next step loads it again', async () => {
    const unit = unitOf('reading(r, ctx) { for (let i = 0, x = 0; i < 1e7; i++) x += Math.sqrt(i); }', AMPLE_MS);
    const under = [stepOf(unit), stepOf(unit)];
    await sandbox.load(unit);
    sandbox.drop(unit.key);
    for (const outcome of await Promise.all(under)) expect(outcome).toMatchObject({ kind: 'returned' });
    expect(await stepOf(unit)).toMatchObject({ kind: 'returned' });
  });
});

describe('nothing of the host is inside', () => {
  test('no process, require, network, timers, shared memory or WebAssembly', async () => {
    const names = [
      'process',
      'require',
      'fetch',
      'setTimeout',
      'WebAssembly',
      'SharedArrayBuffer',
      'Atomics',
      'WeakRef',
      'FinalizationRegistry',
      '__weir',
      '__weirDefinition',
    ];
    const answer = await run(`ctx.log(${JSON.stringify(names)}.filter((n) => n in globalThis).join())`);
    expect(answer.logs[0]!.text).toBe('');
  });

  test('constructors lead only to globals of the isolate', async () => {
    const answer = await run(
      'for (const x of [r, ctx, ctx.log, ctx.emit, ctx.config]) ctx.log(typeof x.constructor.constructor("return globalThis.process")())',
    );
    expect(answer.logs.map(({ text }) => text)).toEqual(Array(5).fill('undefined'));
  });

  test('import() finds nothing', async () => {
    const outcome = await stepOf(unitOf('reading(r, ctx) { return import("node:fs") }', AMPLE_MS));
    expect(outcome.kind === 'returned' ? outcome.text : outcome.message).toMatch(/async|import|supported/i);
  });
});

describe('the same input gives the same output', () => {
  test('time is event time and randomness is seeded', async () => {
    const body =
      'ctx.log(Date.now(), new Date().toISOString(), Math.random(), new Intl.DateTimeFormat("en-GB").format())';
    const [first, second] = [await run(body), await run(body)];
    expect(first.logs).toEqual(second.logs);
    expect(first.logs[0]!.text).toMatch(/^5000 1970-01-01T00:00:05.000Z 0\.\d+ 01\/01\/1970$/);
  });

  test('state is handed over once, then kept by revision, and asked for when it is not there', async () => {
    const unit = unitOf('reading(r, ctx) { ctx.state.n = (ctx.state.n ?? 0) + 1 }', AMPLE_MS);
    const first = await stepOf(unit, 0);
    expect(first).toMatchObject({ kind: 'returned', text: expect.stringContaining('{\\"n\\":1}') });
    expect(await stepOf(unit, 1, null)).toMatchObject({ text: expect.stringContaining('{\\"n\\":2}') });
    expect(await stepOf(unit, 7, null)).toMatchObject({ kind: 'returned', text: '{"need":"state"}' });
    expect(await stepOf(unit, 7, '{"n":41}')).toMatchObject({ text: expect.stringContaining('{\\"n\\":42}') });
  });

  test('a reading that throws leaves no trace in state or outputs; its neighbours in the batch stay', async () => {
    const unit = unitOf(
      `reading(r, ctx) {
      ctx.state.seen = [...(ctx.state.seen ?? []), r.value];
      ctx.emit({ metric: 'copy', value: r.value });
      if (r.value % 3 === 0) throw new Error('no threes');
    }`,
      AMPLE_MS,
    );
    const values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    const request = {
      instance: 'd',
      revision: 0,
      states: [],
      device: 'd',
      seed: 1,
      receivedAt: 0,
      columns: columnsOf(values.map((value, ts) => ({ sensor: 's', metric: 'm', value, ts }))),
    };
    const outcome = await sandbox.step(unit, request);
    const answer = JSON.parse((outcome as { text: string }).text);
    const kept = values.filter((value) => value % 3 !== 0);
    expect(JSON.parse(answer.states[0][1].text).seen).toEqual(kept);
    expect(answer.outputs.map((output: { value: number }) => output.value)).toEqual(kept);
    expect(answer.faults.map((fault: { at: number }) => fault.at)).toEqual([2, 5, 8]);
    expect(answer.failed).toBe(false);
  });
});
