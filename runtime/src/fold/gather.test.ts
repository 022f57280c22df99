/** A host that gets the readings of many devices: what of them is for whom. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { emitted, functionOf, KeptHost, logged, ruleOf, sandbox, startSandbox } from './fold.fixture.ts';

beforeAll(startSandbox);
afterAll(() => sandbox.stop());

const gathererHost = () => new KeptHost({ device: 'plant/sum' });

const sum = `key: 'function', outputs: [{ metric: 'sum' }], state: () => ({ of: {} }),
  reading(r, ctx) {
    ctx.state.of[ctx.device] = r.value;
    ctx.emit({ metric: 'sum', value: Object.values(ctx.state.of).reduce((a, b) => a + b) });
  },
  online(ctx) { ctx.log(ctx.device, 'came'); },
  offline(ctx) {
    delete ctx.state.of[ctx.device];
    ctx.alert({ name: 'away ' + ctx.device, active: true });
  },
  alert(alert, ctx) { ctx.log(ctx.device, alert.state); }`;

test('one state gathers what all devices send, and goes on after a restart', async () => {
  const host = gathererHost();
  await host.deploy(await functionOf('sum', sum));
  expect(emitted(await host.stepOf('gw1', [1, 10], [2, 20]))).toEqual(['sum 10', 'sum 20']);
  await host.restart();
  expect(emitted(await host.stepOf('gw2', [1, 5]))).toEqual(['sum 25']);
  expect(host.state('sum')).toEqual({ of: { gw1: 20, gw2: 5 } });
});

test('rules and other functions get what it emits, never what it gathers', async () => {
  const host = gathererHost();
  const other = `reading(r, ctx) { ctx.log(ctx.device, r.metric, r.value); }, online(ctx) { ctx.log('other'); }`;
  const everything = await functionOf('other', other);
  const hot = ruleOf('hot', { metric: '*', above: 15 });
  await host.deploy(await functionOf('sum', sum), everything, hot);
  const first = await host.stepOf('gw1', [1, 10]);
  expect([logged(first), first.alerts]).toEqual([['plant/sum sum 10'], []]);
  const second = await host.stepOf('gw2', [1, 10]);
  expect(logged(second)).toEqual(['plant/sum sum 20', 'plant/sum firing']);
  expect(second.alerts).toMatchObject([{ device: 'plant/sum', metric: 'sum', value: 20, source: { name: 'hot' } }]);
  expect(logged(await host.event({ kind: 'presence', online: true, device: 'gw1' }))).toEqual(['gw1 came']);
});

test('it hears of each device that comes, goes and raises alerts; what it raises is its own', async () => {
  const host = gathererHost();
  await host.deploy(await functionOf('sum', sum));
  await host.stepOf('gw1', [1, 10]);
  const away = await host.event({ kind: 'presence', online: false, device: 'gw1' });
  expect(away!.alerts).toMatchObject([{ device: 'plant/sum', source: { name: 'sum' }, state: 'firing' }]);
  expect(host.state('sum')).toEqual({ of: {} });
  const [alert] = away!.alerts;
  const foreign = { ...alert!, device: 'gw2', source: { ...alert!.source, name: 'hot' } };
  expect(logged(await host.event({ kind: 'alerts', alerts: [foreign], device: 'gw2' }))).toEqual(['gw2 firing']);
});
