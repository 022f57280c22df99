import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { idempotencyKey, unansweredLetter } from '../requests/requests.ts';
import { emitted, functionOf, KeptHost, logged, ruleOf, sandbox, startSandbox } from './fold.fixture.ts';
import type { HttpRequest, HttpResponse } from './fold.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const command = (name: string, more: object = {}) => ({
  kind: 'command' as const,
  command: { id: 'c1', name, payload: { percent: 40 }, ...more },
});

describe('commands', () => {
  test('reach every function that handles them, or the one that is named; nobody is told as such', async () => {
    const host = new KeptHost();
    const body = `command(c, ctx) { ctx.log(ctx.device, c.name, c.payload.percent); }`;
    await host.deploy(await functionOf('a', body), await functionOf('b', body), await functionOf('c', 'reading() {}'));
    expect(logged(await host.event(command('open')))).toEqual(['gw1 open 40', 'gw1 open 40']);
    expect(logged(await host.event(command('open', { function: 'b' })))).toEqual(['gw1 open 40']);
    expect(await host.event(command('open', { function: 'c' }))).toBeUndefined();
    expect(await host.event(command('open', { function: 'nobody' }))).toBeUndefined();
  });

  test('of a function go to its own device; further only where the host reaches further', async () => {
    const body = `reading(r, ctx) { ctx.command('open', { percent: r.value }); ctx.command('shut', null, { device: 'gw2', function: 'valve' }); }`;
    const fn = await functionOf('valve', body);
    const device = new KeptHost();
    await device.deploy(fn);
    const output = await device.step([1, 40]);
    expect(output.commands).toEqual([{ id: 'valve:2:0', device: 'gw1', name: 'open', payload: { percent: 40 } }]);
    expect(device.faults[0]!.message).toContain('"gw2" is another device');
    const fleet = new KeptHost({ reach: 'fleet', device: 'gw3' });
    await fleet.deploy(fn);
    expect((await fleet.step([1, 40])).commands).toMatchObject([
      { id: 'valve:2:0', device: 'gw3' },
      { id: 'valve:2:1', device: 'gw2', function: 'valve', payload: null },
    ]);
  });
});

describe('requests', () => {
  test('come out with an id that a replay repeats, and their response goes to the state that asked', async () => {
    const body = `key: 'series', requests: ['https://api.example.com/*'],
      reading(r, ctx) { ctx.state.asked = r.value; ctx.request({ name: 'price', url: 'https://api.example.com/p', body: { v: r.value } }); },
      response(answer, ctx) { ctx.log(ctx.series.sensor, ctx.state.asked, answer.name, answer.status, answer.body ?? answer.error); }`;
    const host = new KeptHost();
    await host.deploy(await functionOf('asks', body));
    const { requests } = await host.step([1, 7, 'a'], [1, 8, 'b']);
    expect(requests).toEqual([
      {
        id: 'asks:2:0',
        fold: 'asks',
        key: 'a/temperature',
        name: 'price',
        method: 'POST',
        url: 'https://api.example.com/p',
        headers: { 'content-type': 'application/json' },
        body: '{"v":7}',
        timeoutMs: 10_000,
        retries: 3,
      },
      expect.objectContaining({ id: 'asks:2:1', key: 'b/temperature', body: '{"v":8}' }),
    ]);
    const { id, fold, key, name } = requests[1]!;
    const response: HttpResponse = { id, fold, key, name, status: 200, body: 'ok' };
    expect(logged(await host.event({ kind: 'response', response }))).toEqual(['b 8 price 200 ok']);
    const failed: HttpResponse = { id, fold, key, name, error: 'timed out' };
    expect(logged(await host.event({ kind: 'response', response: failed }))).toEqual(['b 8 price undefined timed out']);
  });

  test('that nobody answered go out again out of their dead letter, under the key they had, with an answer of their own', async () => {
    const host = new KeptHost();
    const deployed = await functionOf(
      'asks',
      `requests: ['https://x/*'], reading(r, ctx) { ctx.request({ name: 'a', url: 'https://x/a' }); }`,
    );
    await host.deploy(deployed);
    const [first] = (await host.step([1, 1])).requests;
    const about = { at: 5, device: 'gw1', deployed: [deployed] };
    const replay = async (request: HttpRequest) => {
      const letter = unansweredLetter(request, 'HTTP 503, after 4 attempts', about)!;
      expect(letter).toMatchObject({ fold: 'asks', kind: 'unanswered', message: 'HTTP 503, after 4 attempts' });
      return (await host.event({ kind: 'replay', letter }))!.requests[0]!;
    };
    const second = await replay(first!);
    expect(second).toEqual({ ...first, id: 'asks:3:0', firstId: first!.id });
    const third = await replay(second);
    expect(third).toEqual({ ...first, id: 'asks:4:0', firstId: first!.id });
    const keys = [first!, second, third].map((request) => idempotencyKey({ owner: 'gw1', request }));
    expect(new Set(keys).size).toBe(1);
  });

  test.each([
    [`{ name: 'a', url: 'file:///etc/passwd' }`, 'URL'],
    [`{ name: 'a', url: 'https://x/', method: 'CONNECT' }`, 'method'],
    [`{ name: 'a', url: 'https://x/', headers: { 'a b': 'c' } }`, 'headers'],
    [`{ name: 'a', url: 'https://x/', headers: { a: 'b\\r\\nc: d' } }`, 'headers'],
    [`{ name: 'a', url: 'https://x/', timeout: '1h' }`, 'timeoutMs'],
    [`{ name: 'a', url: 'https://x/', retries: -1 }`, 'retries'],
    [`{ url: 'https://x/' }`, 'a name and a url are needed'],
  ])('%s is refused, and it is said why', async (request, reason) => {
    const host = new KeptHost();
    await host.deploy(await functionOf('asks', `reading(r, ctx) { ctx.request(${request}); }`));
    expect((await host.step([1, 1])).requests).toEqual([]);
    expect(host.faults[0]!.message).toContain(reason);
  });
});

describe('alerts', () => {
  const hot = ruleOf('hot', { metric: 'temperature', above: 80, clear: 75 });
  const listens = `alert(a, ctx) { ctx.log(a.source.name, a.state, a.sensor, a.value); }`;

  test('of rules reach a function as they begin and end, in the step that made them', async () => {
    const host = new KeptHost();
    await host.deploy(hot, await functionOf('listens', listens));
    const output = await host.step([1, 90, 'oven'], [2, 70, 'oven']);
    expect(logged(output)).toEqual(['hot firing oven 90', 'hot resolved oven 70']);
  });

  test('a function hears of those of others and not of its own', async () => {
    const host = new KeptHost();
    const raises = `reading(r, ctx) { ctx.alert({ name: 'odd', active: r.value % 2 === 1, value: r.value }); }, ${listens}`;
    await host.deploy(await functionOf('a', raises), await functionOf('b', raises));
    expect(logged(await host.step([1, 1])).sort()).toEqual(['a firing undefined 1', 'b firing undefined 1']);
  });

  test('what it emits then goes to rules, whose alerts it hears too; a circle ends and is told', async () => {
    const host = new KeptHost();
    const echo = `state: () => ({ n: 0 }), alert(a, ctx) {
      ctx.state.n++;
      if (a.state === 'firing') ctx.emit({ sensor: 's' + ctx.state.n, metric: 'temperature', value: 100 });
    }`;
    await host.deploy(hot, await functionOf('echo', echo));
    const output = await host.step([1, 90, 'oven']);
    expect(emitted(output)).toEqual(Array(4).fill('temperature 100'));
    expect(output.logs.at(-1)).toMatchObject({ level: 'error', text: expect.stringContaining('in a circle') });
    expect(output.alerts.length).toBe(5);
  });

  test('told by another host reach it too, with a state for each series that of theirs', async () => {
    const host = new KeptHost();
    await host.deploy(hot);
    const { alerts } = await host.step([1, 90, 'oven']);
    const hub = new KeptHost({ reach: 'fleet' });
    await hub.deploy(
      await functionOf('listens', `key: 'series', alert(a, ctx) { ctx.log(ctx.series.sensor, a.summary); }`),
    );
    expect(logged(await hub.event({ kind: 'alerts', alerts }))).toEqual([expect.stringMatching(/^oven /)]);
  });
});

describe('an alert that a person ends', () => {
  const end = (episode: string) => ({ kind: 'end' as const, episode });

  test('of a rule ends in the write of the event, and what is still beyond the level begins another', async () => {
    const host = new KeptHost();
    await host.deploy(ruleOf('hot', { metric: 'temperature', above: 80, clear: 75 }));
    const [begun] = (await host.step([1, 90, 'oven'])).alerts;
    const ended = await host.event(end(begun!.episode));
    expect(ended!.alerts).toMatchObject([
      { episode: begun!.episode, seq: begun!.seq + 1, state: 'resolved', reason: 'manual' },
    ]);
    expect(await host.event(end(begun!.episode))).toBeUndefined();
    await host.restart();
    const { alerts } = await host.step([2, 91, 'oven']);
    expect(alerts).toMatchObject([{ state: 'firing', startedAt: expect.any(Number) }]);
    expect(alerts[0]!.episode).not.toBe(begun!.episode);
  });

  test('of a function ends too, and is raised anew when the function says so again', async () => {
    const host = new KeptHost();
    await host.deploy(
      await functionOf('odd', `reading(r, ctx) { ctx.alert({ name: 'odd', active: r.value % 2 === 1 }); }`),
    );
    const [begun] = (await host.step([1, 1])).alerts;
    expect((await host.event(end(begun!.episode)))!.alerts).toMatchObject([{ state: 'resolved', reason: 'manual' }]);
    expect(await host.event(end(begun!.episode))).toBeUndefined();
    const { alerts } = await host.step([2, 3]);
    expect(alerts).toMatchObject([{ state: 'firing', seq: 1 }]);
    expect(alerts[0]!.episode).not.toBe(begun!.episode);
  });

  test("that nobody here has open is nobody's business", async () => {
    const host = new KeptHost();
    await host.deploy(ruleOf('hot', { metric: 'temperature', above: 80 }));
    expect(await host.event(end('episode0001'))).toBeUndefined();
  });
});

test('online and offline are told to those that ask for it', async () => {
  const host = new KeptHost();
  const body = `online(ctx) { ctx.log('on', ctx.device); }, offline(ctx) { ctx.alert({ name: 'away', active: true }); }`;
  await host.deploy(await functionOf('presence', body), await functionOf('other', 'reading() {}'));
  expect(logged(await host.event({ kind: 'presence', online: true }))).toEqual(['on gw1']);
  const offline = await host.event({ kind: 'presence', online: false });
  expect(offline!.alerts).toMatchObject([{ state: 'firing', device: 'gw1' }]);
});

test('readings of several devices: a function that gathers knows whose they are', async () => {
  const host = new KeptHost();
  await host.deploy(await functionOf('gathers', `key: 'function', reading(r, ctx) { ctx.log(ctx.device); }`));
  const output = await host.stepOf('gw7', [1, 1]);
  expect(logged(output)).toEqual(['gw7']);
});
