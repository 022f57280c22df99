import { spawn } from 'node:child_process';
import { connectAsync } from 'mqtt';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bins, eventually, System } from '../support/system.ts';

const system = new System();

beforeAll(() => system.startAll());
afterAll(() => system.stop());

interface Letter {
  id: string;
  function: string;
  version: string;
  readings: number;
  replays: number;
  where: string;
  error: { message: string; place: string };
}

/** Writes down each reading that it can take, and how many these are: one that is taken twice would count twice. */
function ledger(name: string, version: string, refuses: string): string {
  return system.file(
    `${name}.ts`,
    `import { defineFunction } from '@weir/runtime/author';

export default defineFunction<{ count: number }>({
  name: '${name}',
  version: '${version}',
  inputs: [{ sensor: 'counter', metric: 'n' }],
  state: () => ({ count: 0 }),
  reading(reading, ctx) {
    const n = Number(reading.value);
    if (${refuses}) throw new RangeError(\`no page for \${n}\`);
    ctx.state.count++;
    ctx.log('wrote down', n);
    ctx.emit({ sensor: '${name}', metric: 'taken', value: n });
    ctx.emit({ sensor: '${name}', metric: 'count', value: ctx.state.count });
  },
});
`,
  );
}

/** On a device that is there: of one that is not, nobody waits until it runs what it should. */
async function deploy(file: string, where: 'edge' | 'cloud'): Promise<void> {
  await eventually('gw1 is connected', async () => {
    const [gw1] = await system.weirJson<{ presence?: { connected: boolean } }[]>('device', 'list');
    return gw1?.presence?.connected || undefined;
  });
  await system.weir('fn', 'deploy', file, '--group', 'plant', '--where', where);
}

let sent = 0;
/** Publishes the next numbers, and waits until the gateway has taken them. */
async function count(numbers: number): Promise<void> {
  const login = { username: 'sensor', password: system.sensorPassword, reconnectPeriod: 0 };
  const client = await connectAsync(`mqtt://127.0.0.1:${system.brokerPort}`, login);
  try {
    for (let left = numbers; left > 0; left--) await client.publishAsync('plant/counter/n', `${++sent}`, { qos: 1 });
  } finally {
    client.end(true);
  }
}

const upTo = (n: number) => Array.from({ length: n }, (_, at) => at + 1);
const letters = (name: string) => system.weirJson<Letter[]>('fn', 'dead-letters', 'list', name, '--limit', '500');

async function stored(sensor: string, metric: string): Promise<number[]> {
  return (await system.readings('gw1', { sensor, metric })).map(({ value }) => value).sort((a, b) => a - b);
}

async function expectTaken(name: string, numbers: number[]): Promise<void> {
  await eventually(`${numbers.length} numbers written down by ${name}`, async () => {
    const taken = await stored(name, 'taken');
    if (taken.length < numbers.length) throw new Error(`${taken.length} so far`);
    return true;
  });
  expect(await stored(name, 'taken')).toEqual(numbers);
  expect(await stored(name, 'count')).toEqual(upTo(numbers.length));
}

const refused = async (name: string, readings: number) => {
  await eventually(`${readings} readings in dead letters of ${name}`, async () => {
    const found = (await letters(name)).reduce((sum, letter) => sum + letter.readings, 0);
    if (found !== readings) throw new Error(`${found} so far`);
    return true;
  });
};

test('what a function throws on is listed, also when the device is off; after a fix and a replay it has its effects once', async () => {
  await deploy(ledger('book', '1.0.0', 'n % 5 === 0'), 'edge');
  await count(20);
  await expectTaken(
    'book',
    upTo(20).filter((n) => n % 5 !== 0),
  );
  await refused('book', 4);

  const status = await system.agentStatus<{ deadLetters: { waiting: { function: string; count: number }[] } }>();
  expect(status.deadLetters.waiting).toMatchObject([{ function: 'book' }]);
  await system.kill('agent');
  const [newest] = await letters('book');
  expect(newest).toMatchObject({
    version: '1.0.0',
    where: 'edge',
    error: { message: 'RangeError: no page for 20', place: expect.stringMatching(/^book\.ts:10:\d+$/) },
  });
  const shown = await system.weir('fn', 'dead-letters', 'show', newest!.id);
  expect(shown).toMatch(/RangeError: no page for 20 at book\.ts:10:\d+/);
  expect(shown).toMatch(/counter\/n +20/);

  const asked = await system.run(
    'weir',
    'fn',
    'dead-letters',
    'replay',
    '--id',
    newest!.id,
    '--hub-data',
    system.hubData,
  );
  expect(asked).toMatchObject({ code: 0, stderr: expect.stringContaining('gw1 is offline') });
  await system.startAgent();
  await eventually(
    'it failed again',
    async () => (await letters('book')).some(({ replays }) => replays === 1) || undefined,
  );

  await deploy(ledger('book', '2.0.0', 'n === 15'), 'edge');
  const again = await system.run('weir', 'fn', 'dead-letters', 'replay', 'book', '--all', '--hub-data', system.hubData);
  expect(again).toMatchObject({ code: 1, stdout: expect.stringContaining('failed again: RangeError: no page for 15') });
  await refused('book', 1);

  await deploy(ledger('book', '3.0.0', 'false'), 'edge');
  await system.weir('fn', 'dead-letters', 'replay', 'book', '--all');
  expect(await letters('book')).toEqual([]);
  await expectTaken('book', upTo(20));
});

test('the agent killed with kill -9 while it replays: each letter has its effects exactly once', {
  timeout: 240_000,
}, async () => {
  await deploy(ledger('book', '4.0.0', 'n % 2 === 0'), 'edge');
  await count(120);
  await refused('book', 60);
  await deploy(ledger('book', '5.0.0', 'false'), 'edge');
  const replay = system.run(
    'weir',
    'fn',
    'dead-letters',
    'replay',
    'book',
    '--all',
    '--timeout',
    '120s',
    '--hub-data',
    system.hubData,
  );
  for (let round = 0; round < 4; round++) {
    // Some of it is done, and of the rest no more than is on its way.
    await eventually('some letters run again', async () => {
      const left = (await letters('book')).length;
      return left <= 60 - 10 * (round + 1) || undefined;
    });
    await system.kill('agent');
    await system.startAgent();
  }
  expect((await replay).code).toBe(0);
  await expectTaken('book', upTo(140));
  expect(await letters('book')).toEqual([]);
});

test('a function in the hub: its letters are run again there, also when the hub is killed meanwhile', {
  timeout: 240_000,
}, async () => {
  await deploy(ledger('cloud-book', '1.0.0', 'n % 2 === 0'), 'cloud');
  const first = sent + 1;
  await count(40);
  await refused('cloud-book', 20);
  await deploy(ledger('cloud-book', '2.0.0', 'false'), 'cloud');
  await system.weir('fn', 'dead-letters', 'replay', 'cloud-book', '--all', '--no-wait');
  await system.kill('hub');
  await system.startHub();
  await eventually('all letters run again', async () => (await letters('cloud-book')).length === 0 || undefined);
  await expectTaken(
    'cloud-book',
    upTo(40).map((n) => first + n - 1),
  );
});

test('logs show what functions say and where they throw, those of the device and those of the hub, as it comes', async () => {
  await deploy(ledger('diary', '1.0.0', `n === ${sent + 2}`), 'edge');
  await deploy(ledger('cloud-book', '3.0.0', `n === ${sent + 2}`), 'cloud');
  await count(2);
  await refused('diary', 1);
  await refused('cloud-book', 1);
  expect(await system.weir('fn', 'logs', 'diary')).toMatch(
    new RegExp(
      `info +gw1 +diary +wrote down ${sent - 1}\\n.*error +gw1 +diary +RangeError: no page for ${sent} at diary.ts:10:`,
    ),
  );
  expect(await system.weir('fn', 'logs', 'cloud-book')).toContain(
    `hub/gw1  cloud-book  RangeError: no page for ${sent}`,
  );

  const following = follow('device', 'logs', 'gw1');
  await eventually('what was kept', () => following.printed.includes(`no page for ${sent}`) || undefined);
  await count(1);
  await eventually(
    'what comes',
    () =>
      ['gw1  diary', 'hub/gw1  cloud-book'].every((from) =>
        following.printed.includes(`${from}  wrote down ${sent}`),
      ) || undefined,
  );
  expect(await following.stop()).toBe(0);

  await system.kill('agent');
  const off = await eventually('the device is off', async () => {
    const ran = await system.run('weir', 'fn', 'logs', 'diary', '--hub-data', system.hubData);
    return ran.stderr.includes('gw1 is offline') ? ran : undefined;
  });
  expect(off).toMatchObject({ code: 0, stdout: expect.stringContaining('wrote down') });
});

function follow(...args: string[]): { printed: string; stop: () => Promise<number | null> } {
  const child = spawn(process.execPath, [bins.weir, ...args, '--follow', '--hub-data', system.hubData]);
  const gone = new Promise<number | null>((resolve) => child.once('close', resolve));
  const following = {
    printed: '',
    stop: () => {
      child.kill('SIGINT');
      return gone;
    },
  };
  child.stdout.on('data', (chunk: Buffer) => (following.printed += chunk));
  return following;
}
