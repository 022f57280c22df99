import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { functionOf, KeptHost, logged, ruleOf, sandbox, startSandbox, T0 } from './fold.fixture.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const silence = `timers: { silent(ctx) { ctx.log('silent at', (ctx.now - ${T0}) / 1000); } },
  reading(r, ctx) { ctx.log('got', r.value); ctx.after('10s', 'silent'); }`;

describe('timers', () => {
  test('fire between readings at their own moment, and begin again when they are set again', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('silence', silence));
    const output = await host.step([0, 1], [5, 2], [20, 3]);
    expect(logged(output)).toEqual(['got 1', 'got 2', 'silent at 15', 'got 3']);
  });

  test('how readings are cut into steps makes no difference', async () => {
    const samples: [number, number][] = [0, 5, 20, 24, 40, 41, 60].map((second, at) => [second, at]);
    const runs: string[][] = [];
    for (const size of [1, 2, 3, 7]) {
      const host = new KeptHost();
      await host.deploy(await functionOf('silence', silence));
      const told: string[] = [];
      for (let at = 0; at < samples.length; at += size) {
        told.push(...logged(await host.step(...samples.slice(at, at + size))));
      }
      runs.push(told);
    }
    const [first, ...others] = runs;
    expect(first!.filter((line) => line.startsWith('silent'))).toEqual([
      'silent at 15',
      'silent at 34',
      'silent at 51',
    ]);
    for (const other of others) expect(other).toEqual(first);
  });

  test('a batch never reaches across one: the handler gets what came before, then the timer, then the rest', async () => {
    const host = new KeptHost();
    const body = `${silence.split('reading(')[0]} readings(batch, ctx) {
      ctx.log([...batch].map(({ value }) => value));
      if (batch.at(0).value === 0) ctx.after('10s', 'silent');
    }`;
    await host.deploy(await functionOf('silence', body));
    await host.step([0, 0]);
    expect(logged(await host.step([5, 1], [9, 2], [12, 3], [30, 4]))).toEqual(['[1,2]', 'silent at 10', '[3,4]']);
  });

  test('do not fire by the clock while readings wait that come before them', async () => {
    const host = new KeptHost();
    await host.deploy(
      await functionOf('silence', silence),
      ruleOf('hot', { metric: 'temperature', above: 5, for: '10s' }),
    );
    await host.step([0, 9]);
    const behind = await host.tick(3_600, 5);
    expect([logged(behind), behind.alerts]).toEqual([[], []]);
    expect(logged(await host.stepAt(5, [5, 1]))).toEqual(['got 1']);
    const { alerts, ...caughtUp } = await host.tick(3_600);
    expect([logged({ ...caughtUp, alerts }), alerts]).toEqual([['silent at 15'], []]);
  });

  test('fire by the clock when no readings come, survive a restart, and fire once', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('silence', silence));
    await host.step([0, 1]);
    await host.restart();
    expect(logged(await host.tick(9))).toEqual([]);
    expect(logged(await host.tick(11))).toEqual(['silent at 10']);
    expect(logged(await host.tick(12))).toEqual([]);
    expect(logged(await host.step([20, 2]))).toEqual(['got 2']);
  });

  test('can be called off', async () => {
    const host = new KeptHost();
    const body = `timers: { t(ctx) { ctx.log('fired'); } },
      reading(r, ctx) { if (r.value > 0) ctx.after(1000, 't'); else ctx.log(ctx.cancel('t'), ctx.cancel('t')); }`;
    await host.deploy(await functionOf('calls', body));
    await host.step([0, 1]);
    expect(logged(await host.step([0.5, 0], [5, 0]))).toEqual(['true false', 'false false']);
  });

  test('one that throws is undone and told; it does not come again, and readings go on', async () => {
    const host = new KeptHost();
    const body = `state: () => ({ n: 0 }), timers: { t(ctx) { ctx.state.n = 99; throw new Error('no'); } },
      reading(r, ctx) { ctx.state.n++; if (r.value === 1) ctx.after('1s', 't'); }`;
    await host.deploy(await functionOf('throws', body));
    await host.step([0, 1], [5, 2], [6, 3]);
    expect(host.state('throws')).toEqual({ n: 3 });
    expect(host.faults).toMatchObject([{ message: 'Error: no' }]);
    await host.step([7, 4]);
    expect(host.faults.length).toBe(1);
  });

  test('a reading that throws is as if it had never come: it sets no timer, and no timer fires for it', async () => {
    const host = new KeptHost();
    const body = `timers: { t(ctx) { ctx.log('fired'); throw new Error('timer'); } },
      reading(r, ctx) { ctx.after('1s', 't'); if (r.value < 0) throw new Error('negative'); }`;
    await host.deploy(await functionOf('undone', body));
    await host.stepAt(0.5, [0, 1], [5, -1], [5.5, -1]);
    expect(host.faults.map(({ message }) => message)).toEqual(['Error: negative', 'Error: negative']);
    expect(logged(await host.tick(60))).toEqual(['fired']);
    expect(host.faults.at(-1)!.message).toBe('Error: timer');
  });

  test('a clock that is years ahead sets nothing off early, and nothing for years', async () => {
    const host = new KeptHost();
    await host.deploy(await functionOf('silence', silence));
    await host.step([0, 1]);
    const output = await host.stepAt(1, [3_000_000_000, 2]);
    expect(logged(output)).toEqual(['silent at 10', 'got 2']);
    expect(logged(await host.tick(30))).toEqual(['silent at 21']);
  });

  test('a gap in which it would fire for ever is cut short: readings behind it are taken, and it goes on from there', async () => {
    const host = new KeptHost();
    const body = `state: () => ({ fired: 0 }), timers: { again(ctx) { ctx.state.fired++; ctx.emit({ metric: 'n', value: 1 }); ctx.after('1s', 'again'); } },
      reading(r, ctx) { ctx.log('got', r.value); ctx.after('1s', 'again'); }`;
    await host.deploy(await functionOf('again', body));
    await host.step([-1_700_000_000, 1]);
    const output = await host.step([0, 2], [1.5, 3]);
    expect(logged(output)).toEqual(['got 2', 'got 3']);
    expect([output.deadLetters, host.faults]).toEqual([[], []]);
    expect((host.state('again') as { fired: number }).fired).toBeLessThan(1_010);
    expect(output.emitted.index.length).toBeLessThan(1_010);
  });

  test('each series has its own', async () => {
    const host = new KeptHost();
    const body = `key: 'series', timers: { silent(ctx) { ctx.log(ctx.series.sensor, 'is silent'); } },
      reading(r, ctx) { ctx.after('10s', 'silent'); }`;
    await host.deploy(await functionOf('silence', body));
    expect(logged(await host.step([0, 1, 'a'], [0, 1, 'b'], [8, 1, 'a'], [9, 1, 'a']))).toEqual([]);
    expect(logged(await host.tick(11))).toEqual(['b is silent']);
    expect(logged(await host.tick(19))).toEqual(['a is silent']);
  });

  test('of a silent series fires with what arrives from others, also when that is for no function: never at a chance tick', async () => {
    const host = new KeptHost();
    const body = `key: 'series', inputs: [{ sensor: 'a' }, { sensor: 'b' }],
      timers: { silent(ctx) { ctx.log(ctx.series.sensor, 'is silent'); } }, reading(r, ctx) { ctx.after('10s', 'silent'); }`;
    await host.deploy(
      await functionOf('silence', body),
      ruleOf('hot', { sensor: 'a', metric: 'temperature', above: 5, for: '12s' }),
    );
    await host.step([0, 9, 'a'], [2, 1, 'b']);
    expect(logged(await host.step([11, 1, 'b']))).toEqual(['a is silent']);
    const held = await host.step([20, 1, 'c']);
    expect([logged(held), held.alerts.map(({ ts }) => ts)]).toEqual([[], [T0 + 12_000]]);
    expect(logged(await host.step([22, 1, 'c']))).toEqual(['b is silent']);
    const tick = await host.tick(22);
    expect([logged(tick), tick.alerts]).toEqual([[], []]);
  });

  test('a name that is no timer is an error that says so', async () => {
    const host = new KeptHost();
    await host.deploy(
      await functionOf('typo', `timers: { t() {} }, reading(r, ctx) { ctx.after('1s', 'constructor'); }`),
    );
    await host.step([0, 1]);
    expect(host.faults[0]!.message).toContain('no "constructor" among the timers');
  });
});

describe('schedules in event time', () => {
  const windows = (how: string) => `state: () => ({ sum: 0 }),
    schedule: [{ name: 'window', time: 'event', ${how}, run(ctx) { ctx.log((ctx.now - ${T0}) / 1000, ctx.state.sum); ctx.state.sum = 0; } }],
    reading(r, ctx) { ctx.state.sum += r.value; }`;
  // T0 is 20 s past a whole minute.
  test.each([
    ['every: "1m"', 'a duration'],
    ['cron: "* * * * *"', 'a cron pattern'],
  ])('%s: a window closes before the first reading behind it, wherever the steps are cut', async (how) => {
    const samples: [number, number][] = [1, 30, 41, 99, 100, 101, 400].map((second) => [second, 1]);
    for (const size of [1, 3, 7]) {
      const host = new KeptHost();
      await host.deploy(await functionOf('windows', windows(how)));
      const told: string[] = [];
      for (let at = 0; at < samples.length; at += size)
        told.push(...logged(await host.step(...samples.slice(at, at + size))));
      // Several missed runs are made up by one.
      expect(told).toEqual(['40 2', '100 2', '400 2']);
      expect(logged(await host.tick(1_000))).toEqual([]);
    }
  });
});
