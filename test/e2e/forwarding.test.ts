/** A forwarding policy on a real gateway: what the hub stores, live changes of it, and a kill with a window open. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, exampleFile, type StoredReading, System } from '../support/system.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
/**
 * Some hours ago. By the lag of its sensor a window of an hour then waits for its readings for up to an hour, however slow
 * the machine is, and for none when the next hour has begun.
 */
const T0 = Math.floor(Date.now() / HOUR) * HOUR - 10 * HOUR;
const system = new System();

interface Stored extends StoredReading {
  metric: string;
  ts: number;
}

beforeAll(async () => {
  system.agentConfig = system.file('agent.yaml', 'deploy: { report: 1s }\n');
  await system.startAll();
});
afterAll(() => system.stop());

async function measure(metric: string, minute: number, value: number, sensor = 'motor1'): Promise<void> {
  const payload = JSON.stringify({ value, ts: T0 + minute * MINUTE });
  expect(await system.publish(`plant/${sensor}/${metric}`, payload)).toMatchObject({ code: 0 });
}

/** `metric value @minute`: a window is told of some seconds after it was opened, so what comes before what hangs on the clock. */
async function stored(): Promise<string[]> {
  const items = (await system.readings('gw1', {})) as Stored[];
  return items.map(({ metric, value, ts }) => `${metric} ${value} @${(ts - T0) / MINUTE}`).sort();
}

const storedIs = (expected: string[]) =>
  eventually(`the hub has ${expected.length} readings`, async () => {
    const found = await stored();
    return found.length >= expected.length ? found : undefined;
  }).then((found) => expect(found).toEqual(expected.toSorted()));

async function apply(...forward: object[]): Promise<string> {
  const file = system.file('thin.yaml', JSON.stringify({ name: 'thin', forward }));
  const args = ['forward', 'apply', file, '--group', 'plant', '--hub-data', system.hubData];
  const { code, stderr } = await system.run('weir', ...args);
  expect(code, stderr).toBe(0);
  return stderr;
}

interface Status {
  lanes: { lane: string; dropped: number }[];
  functions: {
    name: string;
    state: string;
    forwarding?: { entries: { entry: string; taken: number; forwarded: number }[] };
  }[];
}

const expected: string[] = [];

test('what a policy leaves out does not reach the hub, and rules on the gateway have seen it', async () => {
  const rule = (name: string, metric: string) =>
    system.file(`${name}.yaml`, `name: ${name}\nmetric: ${metric}\nabove: 90\n`);
  await system.weir('rule', 'apply', rule('shaken', 'vibration'), '--group', 'plant', '--where', 'cloud');
  await system.weir('rule', 'apply', rule('busy', 'cycle'), '--group', 'plant');
  const told = await apply(
    { metric: 'vibration', every: '1h' },
    { metric: 'temperature', onChange: 0.5 },
    { sensor: 'debug-*', mode: 'none' },
  );
  expect(told).toContain(
    'warning: rule "shaken" in the cloud watches vibration, which the devices do not send as it is',
  );
  const rows = await system.weirJson<{ name: string; state: string }[]>('deploy', 'status', 'thin');
  expect(rows).toMatchObject([{ name: 'thin', state: 'running' }]);
  expect(await system.weir('forward', 'list')).toMatch(/thin +\w+ +plant +edge/);

  for (const [minute, value] of [
    [0, 60],
    [10, 60.4],
    [20, 60.6],
  ] as const)
    await measure('temperature', minute, value);
  await measure('cycle', 20, 95, 'debug-plc');
  for (const [minute, value] of [
    [0, 2],
    [20, 4],
    [40, 3],
    [66, 9],
  ] as const)
    await measure('vibration', minute, value);
  await measure('pressure', 70, 4);
  expected.push('temperature 60 @0', 'temperature 60.6 @20');
  expected.push(
    'vibration.mean 3 @60',
    'vibration.min 2 @60',
    'vibration.max 4 @60',
    'vibration.count 3 @60',
    'pressure 4 @70',
  );
  await storedIs(expected);
  const alerts = await eventually('the alert of the rule on the gateway', async () => {
    const rows = await system.weirJson<{ source: { name: string }; state: string }[]>('alert', 'list');
    return rows.length > 0 ? rows : undefined;
  });
  expect(alerts).toMatchObject([{ source: { name: 'busy' }, state: 'firing' }]);
});

test('a window that is open when the gateway is killed goes on', async () => {
  await measure('vibration', 70, 7);
  await system.kill('agent');
  await system.startAgent();
  await measure('vibration', 80, 5);
  await measure('temperature', 80, 60.7);
  await measure('vibration', 126, 1);
  expected.push('vibration.mean 7 @120', 'vibration.min 5 @120', 'vibration.max 9 @120', 'vibration.count 3 @120');
  await storedIs(expected);
});

test('a policy is changed and removed live: what was open is told, and then everything again', async () => {
  await apply({ metric: 'vibration', every: '1h', values: ['max'] }, { metric: 'temperature', onChange: 0.5 });
  expected.push('vibration.mean 1 @180', 'vibration.min 1 @180', 'vibration.max 1 @180', 'vibration.count 1 @180');
  await storedIs(expected);
  await measure('temperature', 190, 60.8);
  await measure('cycle', 191, 80, 'debug-plc');
  await measure('vibration', 192, 8);
  expected.push('cycle 80 @191');
  await storedIs(expected);
  const { functions } = await system.agentStatus<Status>();
  expect(functions.find(({ name }) => name === 'thin')!.forwarding!.entries).toEqual([
    { entry: 'vibration: max every 1h', taken: 1, forwarded: 0 },
    { entry: 'temperature: on change of 0.5', taken: 5, forwarded: 2 },
  ]);
  const shown = await system.run('weir-agent', 'status', '--data', system.agentData);
  expect(shown.stdout).toMatch(/thin +5 +2 +temperature: on change of 0\.5/);

  await eventually('the hub knows how much was held back', async () => {
    const told = await system.weir('deploy', 'status', 'thin');
    return /6 readings taken, 2 sent/.test(told) ? true : undefined;
  });

  await system.weir('forward', 'remove', 'thin', '--group', 'plant');
  expected.push('vibration.max 8 @240');
  await storedIs(expected);
  await measure('temperature', 200, 60.8);
  await measure('vibration', 201, 8);
  expected.push('temperature 60.8 @200', 'vibration 8 @201');
  await storedIs(expected);
});

test('nothing of it was a gap: items have numbers without a hole, and nobody speaks of a drop', async () => {
  const numbers = new Map<string, number[]>();
  for (const { id } of await system.readings('gw1', {})) {
    const [, lane, , seq] = id.split('/');
    numbers.set(lane!, [...(numbers.get(lane!) ?? []), Number(seq)]);
  }
  for (const [lane, found] of numbers) {
    expect([lane, ...found.sort((a, b) => a - b)]).toEqual([lane, ...found.keys()]);
  }
  const { lanes } = await system.agentStatus<Status>();
  expect(lanes.filter(({ dropped }) => dropped > 0)).toEqual([]);
  expect(await system.weir('device', 'gaps', 'gw1')).toBe('Nothing is missing.\n');
});

test('a file that says nonsense is told of with its line; another can be tried on a trace first', async () => {
  const bad = system.file('bad.yaml', 'name: bad\nforward:\n  - metric: t\n    every: 60s\n    onChange: 1\n');
  const { code, stderr } = await system.run('weir', 'forward', 'apply', bad, '--group', 'plant');
  expect([code, stderr]).toEqual([2, expect.stringMatching(/bad\.yaml:3:\d+: forward\.0\.mode: exactly one of/)]);
  const golden = exampleFile('traces/thin-line.forwarded.jsonl');
  const tried = [
    'forward',
    'test',
    exampleFile('forwarding/thin-line.yaml'),
    '--readings',
    exampleFile('traces/thin-line.csv'),
  ];
  const shown = await system.run('weir', ...tried, '--golden', golden);
  expect(shown.code, shown.stderr).toBe(0);
  expect(shown.stdout).toMatch(/motor1 +temperature +180 +18 +\d+ kB +\d+ kB +0\.5\n/);
  expect(shown.stdout).toMatch(/1601 readings, 85 sent: \d+ kB a day, \d+ kB with it, 9\d\.\d% less/);
});
