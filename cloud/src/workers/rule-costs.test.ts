import { columnsOf, type RuleInput, ruleSchema } from '@weir/protocols';
import { createFoldHost, type Deployed, type FunctionSandbox } from '@weir/runtime';
import { expect, test } from 'vitest';
import { registryOf } from '../metrics/metric.ts';
import { ruleMetrics } from '../metrics/rule-metrics.ts';
import { RULES_MAX, RuleCosts } from './rule-costs.ts';

const T0 = Date.parse('2026-01-05T00:00:00Z');
const sandbox: FunctionSandbox = {
  load: () => expect.fail('no functions'),
  step: () => expect.fail('no functions'),
  drop: () => {},
};

function deployed(name: string, hash: string, rule: Partial<RuleInput> = {}): Deployed {
  const given = { name, sensor: 'oven*', metric: 'temperature', above: 80, ...rule };
  return { name, hash, config: {}, bundle: { weir: 1, kind: 'rule', rule: ruleSchema.parse(given) } };
}

/** Each step with a rule takes half a second by its clock. */
function watched(costs: RuleCosts, device: string) {
  let elapsed = 0;
  let number = 0;
  const host = costs.watch(createFoldHost({ device, sandbox, elapsedMs: () => (elapsed += 500) }));
  return {
    dispose: () => host.dispose(),
    deploy: (...wanted: Deployed[]) => host.deploy(wanted, new Map(), `d${++number}`, T0),
    read: (...values: number[]) => {
      const at = ++number * 1_000;
      const columns = columnsOf(
        values.map((value, n) => ({ sensor: `oven${n}`, metric: 'temperature', value, ts: T0 + at })),
      );
      return host.step({ position: `s${number}`, receivedAt: T0 + at, columns });
    },
  };
}

const text = (costs: RuleCosts) => registryOf(ruleMetrics(costs)).metrics();

test('what a rule costs is added up over the devices that it runs for', async () => {
  const costs = new RuleCosts();
  const [one, two] = [watched(costs, 'gw1'), watched(costs, 'gw2')];
  for (const device of [one, two]) await device.deploy(deployed('hot', 'a'));
  await one.read(90, 20);
  await two.read(95, 96, 10);
  const said = await text(costs);
  expect(said).toContain('weir_rule_evaluations_total{rule="hot"} 5\n');
  expect(said).toContain('weir_rule_subjects{rule="hot"} 5\n');
  expect(said).toContain('weir_rule_active{rule="hot"} 3\n');
  expect(Number(/weir_rule_seconds_total\{rule="hot"\} (.*)/.exec(said)![1])).toBeGreaterThanOrEqual(1);
  expect(Number(/weir_rule_state_bytes\{rule="hot"\} (.*)/.exec(said)![1])).toBeGreaterThan(500);
  expect(await text(costs)).toBe(said);
});

test('counters never go back: not with another version, nor when a device is put away or its rule is gone', async () => {
  const costs = new RuleCosts();
  const evaluations = () => costs.all().get('hot')?.evaluations;
  const device = watched(costs, 'gw1');
  await device.deploy(deployed('hot', 'a'));
  await device.read(20, 20, 20);
  // Nobody has asked meanwhile.
  await device.deploy(deployed('hot', 'b', { above: 70 }));
  await device.read(20, 20, 20, 20);
  expect(evaluations()).toBe(7);
  await device.deploy();
  expect(evaluations()).toBe(7);
  await device.deploy(deployed('hot', 'b'));
  await device.read(20);
  device.dispose();
  await Promise.resolve();
  expect(costs.all().get('hot')).toMatchObject({ evaluations: 8, subjects: 0, active: 0, stateBytes: 0 });
  const again = watched(costs, 'gw1');
  await again.deploy(deployed('hot', 'b'));
  await again.read(20);
  await Promise.resolve();
  expect(costs.all().get('hot')).toMatchObject({ evaluations: 9, subjects: 1 });
});

test('further rules are counted together', async () => {
  const costs = new RuleCosts();
  const device = watched(costs, 'gw1');
  await device.deploy(...Array.from({ length: RULES_MAX + 5 }, (_, at) => deployed(`r${at}`, `${at}`)));
  await device.read(20);
  expect(costs.all().size).toBe(RULES_MAX + 1);
  expect(costs.all().get('*')).toMatchObject({ evaluations: 5, subjects: 5 });
});
