import {
  type AlertTransition,
  type Bundle,
  columnsOf,
  manifestSchema,
  type Reading,
  readingsOf,
  ruleSchema,
} from '@weir/protocols';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSandbox, type Sandbox } from '../sandbox/sandbox.ts';
import { userState } from '../trace/run-trace.ts';
import type { DeadLetter, Deployed, FoldHost, StepOutput } from './fold.ts';
import { createFoldHost } from './host.ts';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = createSandbox();
  await sandbox.start();
});
afterAll(() => sandbox.stop());

const T0 = 1_700_000_000_000;

function functionOf(name: string, body: string, extra: object = {}): Deployed {
  const code = `globalThis.__weirDefinition = { name: ${JSON.stringify(name)}, version: '1', ${body} };`;
  const handlers = ['reading', 'readings', 'schedule'].filter((handler) => new RegExp(`\\b${handler}\\b`).test(body));
  const manifest = manifestSchema.parse({
    name,
    version: '1',
    api: 1,
    inputs: [],
    handlers,
    schedules: [],
    // Ample: what must work has to work on a busy machine too.
    timeoutMs: 5_000,
    memoryMb: 64,
    ...extra,
  });
  const bundle: Bundle = { weir: 1, kind: 'function', manifest, code };
  return { name, bundle, hash: `${name}:${code}`, config: {} };
}

function ruleOf(name: string, rule: object): Deployed {
  const bundle: Bundle = { weir: 1, kind: 'rule', rule: ruleSchema.parse({ name, ...rule }) };
  return { name, bundle, hash: JSON.stringify(rule), config: {} };
}

const hostOf = () => createFoldHost({ device: 'gw1', sandbox });

function readings(values: number[], from = 0, sensor = 'oven1'): Reading[] {
  return values.map((value, at) => ({ sensor, metric: 'temperature', value, ts: T0 + (from + at) * 1000 }));
}

function stepOf(host: FoldHost, position: string, input: Reading[]): Promise<StepOutput> {
  return host.step({ position, receivedAt: T0, columns: columnsOf(input) });
}

const counter = `state: () => ({ n: 0 }), reading(r, ctx) { ctx.state.n++; ctx.emit({ metric: 'count', value: ctx.state.n }); }`;
const emittedValues = (output: StepOutput) => [...readingsOf(output.emitted)].map(({ value }) => value);

test('state is kept from step to step and comes out with the outputs it belongs to', async () => {
  const host = hostOf();
  await host.deploy([functionOf('counter', counter)], new Map(), '0', T0);
  expect(emittedValues(await stepOf(host, '1', readings([1, 2])))).toEqual([1, 2]);
  const output = await stepOf(host, '2', readings([3]));
  expect(emittedValues(output)).toEqual([3]);
  expect(userState(output.states[0]!.json!)).toEqual({ n: 3 });
});

test('a host made from the committed state goes on as the first would have: nothing counted twice', async () => {
  const deployed = [functionOf('counter', counter), ruleOf('hot', { metric: 'count', above: 4, clear: 1 })];
  const inputs = [readings([1, 2]), readings([3, 4], 2), readings([5, 6], 4)];
  const run = async (crashAfter: number) => {
    const states = new Map<string, string>();
    const outputs: unknown[] = [];
    let host = hostOf();
    await host.deploy(deployed, states, '0', T0);
    for (const [at, input] of inputs.entries()) {
      if (at === crashAfter) {
        // The step was taken but not committed: its outputs never left, the next host repeats it.
        await stepOf(host, `${at}`, input);
        host = hostOf();
        await host.deploy(deployed, states, '0', T0);
      }
      const output = await stepOf(host, `${at}`, input);
      for (const { fold, json } of output.states) states.set(fold, json!);
      outputs.push(emittedValues(output), output.alerts);
    }
    return { outputs, states: [...states] };
  };
  const whole = await run(-1);
  for (const crashAfter of [0, 1, 2]) expect(await run(crashAfter)).toEqual(whole);
});

test('rules see what functions emit', async () => {
  const host = hostOf();
  const double = functionOf('double', `reading(r, ctx) { ctx.emit({ metric: 'double', value: r.value * 2 }); }`);
  await host.deploy([double, ruleOf('high', { metric: 'double', above: 100 })], new Map(), '0', T0);
  const { alerts } = await stepOf(host, '1', readings([40, 60]));
  expect(alerts).toMatchObject([{ state: 'firing', value: 120, sensor: 'oven1', metric: 'double' }]);
});

describe('functions that feed one another', () => {
  const flow = (inputs: string, outputs: string) => ({
    inputs: [{ sensor: '*', metric: inputs }],
    outputs: [{ sensor: '*', metric: outputs }],
  });
  const double = functionOf(
    'double',
    `reading(r, ctx) { ctx.emit({ metric: 'double', value: r.value * 2 }); }`,
    flow('temperature', 'double'),
  );
  const total = functionOf(
    'total',
    `state: () => ({ sum: 0 }), reading(r, ctx) { ctx.state.sum += r.value; ctx.emit({ metric: 'total', value: ctx.state.sum }); }`,
    flow('double', 'total'),
  );

  test('what one emits is the input of the next within the same step, also when deployed the other way round', async () => {
    const host = hostOf();
    await host.deploy([total, double, ruleOf('much', { metric: 'total', above: 5 })], new Map(), '0', T0);
    const output = await stepOf(host, '1', readings([1, 2]));
    const told = [...readingsOf(output.emitted)].map(({ metric, value }) => `${metric} ${value}`);
    expect(told.sort()).toEqual(['double 2', 'double 4', 'total 2', 'total 6']);
    expect(output.alerts).toMatchObject([{ state: 'firing', value: 6 }]);
  });

  test('what a schedule emits flows on too', async () => {
    const host = hostOf();
    const beat = functionOf(
      'beat',
      `schedule: [{ name: 'b', every: 1000, run(ctx) { ctx.emit({ metric: 'double', value: 3 }); } }]`,
      {
        schedules: [{ name: 'b', every: 1_000 }],
        outputs: [{ sensor: '*', metric: 'double' }],
      },
    );
    await host.deploy([beat, total], new Map(), '0', T0);
    await host.tick(T0, 't0');
    expect(emittedValues(await host.tick(T0 + 1_000, 't1'))).toEqual([3, 3]);
  });

  test('an output that was not declared is refused: nobody could know where it goes', async () => {
    const host = hostOf();
    const liar = functionOf(
      'liar',
      `reading(r, ctx) { ctx.emit({ metric: 'other', value: 1 }); }`,
      flow('temperature', 'double'),
    );
    await host.deploy([liar], new Map(), '0', T0);
    expect(emittedValues(await stepOf(host, '1', readings([1])))).toEqual([]);
    expect(host.status()).toMatchObject([{ errors: 1, reason: expect.stringContaining('not among its outputs') }]);
  });

  test('a circle does not run, is told as a path, and is over when one of them is taken away', async () => {
    const host = hostOf();
    const back = functionOf(
      'back',
      `reading(r, ctx) { ctx.emit({ metric: 'temperature', value: r.value }); }`,
      flow('total', 'temperature'),
    );
    await host.deploy([double, total, back, functionOf('bystander', counter)], new Map(), '0', T0);
    expect(emittedValues(await stepOf(host, '1', readings([1])))).toEqual([1]);
    for (const { name, state, reason } of host.status()) {
      expect([name, state]).toEqual([name, name === 'bystander' ? 'running' : 'failed']);
      if (name !== 'bystander')
        expect(reason).toMatch(/circle: .*double -> total -> back|total -> back -> double|back -> double -> total/);
    }
    // Taken by nobody, so that whoever keeps it keeps it.
    expect(await host.event({ kind: 'replay', letter: letterTo('double') }, 'replay.1', T0)).toBeUndefined();
    await host.deploy([double, total, functionOf('bystander', counter)], new Map(), '2', T0);
    expect(host.status().map(({ state }) => state)).toEqual(['running', 'running', 'running']);
  });
});

function letterTo(fold: string): DeadLetter {
  const input = { kind: 'readings', columns: columnsOf(readings([1])), device: 'gw1' } as const;
  const fault = { kind: 'threw', message: 'oh', stack: '' } as const;
  return { id: `${fold}:1`, fold, version: '1', hash: 'a'.repeat(64), at: T0, ...fault, input };
}

describe('alerts raised by a function', () => {
  const hot = functionOf(
    'hot',
    `reading(r, ctx) { ctx.alert({ name: 'too hot', active: r.value > 80, value: r.value }); }`,
  );

  test('said again and again they are one episode, with an end', async () => {
    const host = hostOf();
    await host.deploy([hot], new Map(), '0', T0);
    const alerts: AlertTransition[] = [];
    for (const [at, value] of [81, 82, 70, 69, 90].entries()) {
      alerts.push(...(await stepOf(host, `${at}`, readings([value], at))).alerts);
    }
    expect(alerts.map(({ state, seq }) => `${state} ${seq}`)).toEqual(['firing 1', 'resolved 2', 'firing 1']);
    expect(alerts[0]!.episode).toBe(alerts[1]!.episode);
    expect(alerts[2]!.episode).not.toBe(alerts[0]!.episode);
  });

  test('any name will do, also one that every object has; nothing of the host is touched', async () => {
    const host = hostOf();
    const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const odd = functionOf(
      'odd',
      `reading(r, ctx) { for (const name of ${JSON.stringify(names)}) ctx.alert({ name, active: r.value > 0 }); }`,
    );
    await host.deploy([odd], new Map(), '0', T0);
    const firing = (await stepOf(host, '1', readings([1]))).alerts;
    const resolved = (await stepOf(host, '2', readings([0], 1))).alerts;
    expect(firing.map(({ state, seq }) => `${state} ${seq}`)).toEqual(Array(4).fill('firing 1'));
    expect(resolved.map(({ episode }) => episode)).toEqual(firing.map(({ episode }) => episode));
    expect(Object.keys(Object.prototype)).toEqual([]);
    expect(({} as { seq?: number }).seq).toBeUndefined();
  });

  test('one that the hub would refuse is refused here, and takes no other with it', async () => {
    const host = hostOf();
    const bad = functionOf(
      'bad',
      `reading(r, ctx) {
      ctx.alert({ name: 'good', active: true });
      ctx.alert({ name: 'far', active: true, value: 'x'.repeat(300) });
    }`,
    );
    await host.deploy([bad], new Map(), '0', T0);
    const { alerts } = await stepOf(host, '1', readings([1]));
    expect(alerts.map(({ summary }) => summary)).toEqual(['good']);
    expect(host.status()).toMatchObject([{ errors: 1, reason: expect.stringContaining('alert') }]);
  });

  test('what fired is told as ended when the function is quarantined: nobody else would say so', {
    timeout: 20_000,
  }, async () => {
    const host = hostOf();
    const fails = functionOf(
      'fails',
      `reading(r, ctx) { if (r.value < 0) for (;;); ctx.alert({ name: 'open', active: true }); }`,
      { timeoutMs: 50 },
    );
    await host.deploy([fails], new Map(), '0', T0);
    const { alerts } = await stepOf(host, '1', readings([1]));
    for (let at = 2; at < 5; at++) alerts.push(...(await stepOf(host, `${at}`, readings([-1], at))).alerts);
    expect(host.status()).toMatchObject([{ state: 'quarantined' }]);
    expect(alerts.map(({ state, reason }) => `${state} ${reason}`)).toEqual([
      'firing function',
      'resolved quarantined',
    ]);
  });

  test('what fired is told as ended when the function is taken away', async () => {
    const host = hostOf();
    await host.deploy([hot], new Map(), '0', T0);
    await stepOf(host, '1', readings([81]));
    const output = await host.deploy([], new Map(), '2', T0 + 5_000);
    expect(output.alerts).toMatchObject([{ state: 'resolved', reason: 'removed', seq: 2 }]);
    expect(output.states).toEqual([{ fold: 'hot', json: null }]);
  });
});

describe('a function that misbehaves', () => {
  const neighbour = functionOf('neighbour', counter);
  const stateAfter = async (bad: Deployed, steps: number) => {
    const host = hostOf();
    await host.deploy([bad, neighbour], new Map(), '0', T0);
    for (let at = 0; at < steps; at++) {
      expect(emittedValues(await stepOf(host, `${at}`, readings([1], at)))).toEqual([at + 1]);
    }
    return host.status().find(({ name }) => name === bad.name)!;
  };

  test('that loops is quarantined with the reason; its neighbour misses nothing', { timeout: 20_000 }, async () => {
    const status = await stateAfter(functionOf('loops', 'reading() { for (;;); }', { timeoutMs: 50 }), 5);
    expect(status).toMatchObject({ state: 'quarantined', errors: 3, reason: expect.stringContaining('timed-out') });
  });

  test('that eats memory is quarantined; its neighbour misses nothing', { timeout: 30_000 }, async () => {
    const eats = functionOf('eats', 'reading() { const a = []; for (;;) a.push(new Array(1000).fill(1)); }', {
      timeoutMs: 1000,
      memoryMb: 16,
    });
    expect(await stateAfter(eats, 4)).toMatchObject({
      state: 'quarantined',
      reason: expect.stringMatching(/memory|timed-out|crashed/),
    });
  });

  test('that always throws is quarantined after ten steps and tells its last error', async () => {
    const status = await stateAfter(functionOf('throws', 'reading() { throw new Error("boom"); }'), 12);
    expect(status).toMatchObject({ state: 'quarantined', reason: expect.stringContaining('boom') });
  });

  test.each([
    ['null', 'thrown: null'],
    ['undefined', 'thrown: undefined'],
    ['"no page"', 'thrown: "no page"'],
    ['{ code: 7 }', 'thrown: {"code":7}'],
  ])('that throws %s, which has no place, is told what it threw and why no line', async (thrown, words) => {
    const status = await stateAfter(functionOf('throws', `reading() { throw ${thrown}; }`), 1);
    expect(status).toMatchObject({ state: 'running', reason: `${words} (only an Error says where)` });
  });

  test('that throws now and then goes on', async () => {
    const host = hostOf();
    await host.deploy(
      [
        functionOf(
          'picky',
          `reading(r, ctx) { if (r.value === 13) throw new Error('13'); ctx.emit({ metric: 'm', value: r.value }); }`,
        ),
      ],
      new Map(),
      '0',
      T0,
    );
    for (let at = 0; at < 12; at++) expect(emittedValues(await stepOf(host, `${at}`, readings([13, 1])))).toEqual([1]);
    expect(host.status()).toMatchObject([
      { state: 'running', errors: 12, reason: expect.stringMatching(/^Error: 13 \(function\.js:1:\d+\)$/) },
    ]);
  });

  test('whose process is killed while it is loaded has done nothing: it is loaded again, and runs', async () => {
    const host = hostOf();
    const deployed = host.deploy([functionOf('counter', counter)], new Map(), '0', T0);
    process.kill(sandbox.pids[0]!, 'SIGKILL');
    await deployed;
    expect(host.status()).toMatchObject([{ name: 'counter', state: 'running' }]);
    expect(emittedValues(await stepOf(host, '1', readings([1, 2])))).toEqual([1, 2]);
  });

  test('that cannot be loaded is failed with the reason', async () => {
    const host = hostOf();
    await host.deploy(
      [
        {
          ...functionOf('broken', counter),
          bundle: { ...functionOf('broken', counter).bundle, code: 'syntax error' } as Bundle,
        },
      ],
      new Map(),
      '0',
      T0,
    );
    expect(host.status()).toMatchObject([
      { state: 'failed', reason: expect.stringContaining('Unexpected identifier') },
    ]);
  });

  test('that was quarantined before a restart stays so, and is listed', async () => {
    const host = hostOf();
    await host.deploy([{ ...neighbour, quarantined: 'looped' }], new Map(), '0', T0);
    expect((await stepOf(host, '1', readings([1]))).emitted.index.length).toBe(0);
    expect(host.status()).toMatchObject([{ state: 'quarantined', reason: 'looped' }]);
  });
});

test('a schedule runs at its beat, by wall time, once for several missed beats', async () => {
  const host = hostOf();
  const beat = functionOf(
    'beat',
    `schedule: [{ name: 'b', every: 10000, run(ctx) { ctx.emit({ metric: 'beat', value: ctx.now }); } }]`,
    {
      schedules: [{ name: 'b', every: 10_000 }],
    },
  );
  await host.deploy([beat], new Map(), '0', T0);
  const beats: unknown[] = [];
  for (const now of [T0, T0 + 9_000, T0 + 10_500, T0 + 11_000, T0 + 45_000]) {
    beats.push(emittedValues(await host.tick(now, `t${now}`)));
  }
  expect(beats).toEqual([[], [], [T0 + 10_000], [], [T0 + 40_000]]);
});

test('outputs that an isolate let pass and nobody may have are refused one by one', async () => {
  const host = hostOf();
  const bad = functionOf(
    'bad',
    `reading(r, ctx) {
    ctx.emit({ metric: 'long', value: 'ä'.repeat(200) });
    ctx.publish('cmd/long', 'x'.repeat(70000));
    ctx.publish('cmd/valve', { open: true });
    ctx.emit({ metric: 'good', value: 1 });
  }`,
  );
  await host.deploy([bad], new Map(), '0', T0);
  const output = await stepOf(host, '1', readings([1]));
  expect(emittedValues(output)).toEqual([1]);
  expect(output.publishes).toEqual([
    { id: 'bad:1:0', topic: 'cmd/valve', payload: '{"open":true}', qos: 1, retain: false },
  ]);
  expect(host.status()).toMatchObject([{ errors: 1 }]);
});
