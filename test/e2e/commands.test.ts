import { get } from 'node:http';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

/** Emits the payload of each command that it runs: a command that was run twice is in the store twice. */
const VALVE = `
export default {
  name: 'valve',
  version: '1',
  inputs: [],
  timeoutMs: 5000,
  state: () => ({ sum: 0 }),
  command({ name, payload }, ctx) {
    if (name === 'break') throw new Error('the valve is stuck');
    // Some tenths of a second: long enough to be killed in.
    let sum = 0;
    for (let i = 0; name === 'slow' && i < 2e8; i++) sum = (sum + i) % 7;
    ctx.state.sum = sum;
    ctx.emit({ sensor: 'valve', metric: 'ran', value: payload, ts: ctx.now });
  },
};
`;

/** In the hub, and on the device: both tell the valve. */
const GUARD = `
export default {
  name: 'guard',
  version: '1',
  inputs: [{ metric: 'temperature' }],
  reading({ value }, ctx) {
    if (value > 80) ctx.command('open', value, { function: 'valve' });
  },
};
`;
const RELAY = `
export default {
  name: 'relay',
  version: '1',
  inputs: [{ metric: 'level' }],
  reading({ value }, ctx) {
    ctx.command('open', value);
  },
};
`;

interface Command {
  id: string;
  name: string;
  state: string;
  detail?: string;
}

const system = new System();

beforeAll(async () => {
  await system.startAll();
  await system.weir('fn', 'deploy', system.file('valve.ts', VALVE), '--group', 'plant');
});
afterAll(() => system.stop());

const send = (...args: string[]) => system.weirJson<Command>('device', 'command', 'gw1', ...args);
const list = () => system.weirJson<Command[]>('device', 'commands', 'gw1');

function ended(id: string): Promise<Command> {
  return eventually(`the end of ${id}`, async () => {
    const command = (await list()).find((each) => each.id === id);
    return command?.state === 'waiting' ? undefined : command;
  });
}

/** How often commands with this payload were run, as the hub knows it. */
async function runs(payload: number): Promise<number> {
  return (await system.readings('gw1', { sensor: 'valve' })).filter(({ value }) => value === payload).length;
}

interface AgentStatus {
  commands: { waiting: number };
  functions: { name: string; steps: number }[];
}

/** By the agent's socket: its own command takes longer to start than a command takes to run. */
function agentStatus(): Promise<AgentStatus> {
  return new Promise((resolve, reject) => {
    const asked = get({ socketPath: join(system.agentData, 'agent.sock'), path: '/status' }, (response) => {
      json(response).then((status) => resolve(status as AgentStatus), reject);
    });
    asked.on('error', reject);
  });
}

const waitingAtAgent = async () => (await agentStatus()).commands.waiting;

const taken = () =>
  eventually('the agent has the command', async () => ((await waitingAtAgent()) > 0 ? true : undefined));
const run = () => eventually('the agent has run it', async () => ((await waitingAtAgent()) === 0 ? true : undefined));

test('a device that is there is told at once, and the command waits for what became of it', async () => {
  expect(await send('open', '--payload', '1', '--wait')).toMatchObject({ name: 'open', state: 'done' });
  expect(await send('weir.ping', '--wait')).toMatchObject({ state: 'done' });
  await eventually('its reading in the store', async () => ((await runs(1)) === 1 ? true : undefined));
});

test.each([
  [['break'], 'break is failed on gw1: valve threw: Error: the valve is stuck'],
  [['open', '--function', 'pump'], 'open is unknown-function on gw1: no function pump here runs and handles commands'],
  [['weir.fly'], 'weir.fly is unknown-function on gw1: this agent knows no command weir.fly'],
])('%j fails, and says why', async (args, why) => {
  const { code, stderr } = await system.run(
    'weir',
    'device',
    'command',
    'gw1',
    ...args,
    '--wait',
    '--hub-data',
    system.hubData,
  );
  expect([code, stderr]).toEqual([1, expect.stringContaining(why)]);
});

test('a device that is away is told when it is back, in order; what expired meanwhile is not run', async () => {
  await system.kill('agent', 'SIGTERM');
  const expiring = ['device', 'command', 'gw1', 'open', '--payload', '2', '--expires', '1s', '--wait'];
  const { code, stderr } = await system.run('weir', ...expiring, '--hub-data', system.hubData);
  expect([code, stderr]).toEqual([1, expect.stringContaining('open is expired on gw1')]);
  const made = [];
  for (const payload of ['3', '4', '5']) made.push(await send('open', '--payload', payload));
  expect((await list()).slice(-3).map(({ state }) => state)).toEqual(['waiting', 'waiting', 'waiting']);
  await system.startAgent();
  for (const { id } of made) expect((await ended(id)).state).toBe('done');
  await eventually('their readings in the store', async () => ((await runs(5)) === 1 ? true : undefined));
  expect([await runs(2), await runs(3), await runs(4), await runs(5)]).toEqual([0, 1, 1, 1]);
});

test('killed with kill -9 between receipt and run, the agent runs it once', async () => {
  const { id } = await send('slow', '--payload', '6');
  await taken();
  await system.kill('agent');
  await system.startAgent();
  expect((await ended(id)).state).toBe('done');
  await eventually('its reading in the store', async () => ((await runs(6)) > 0 ? true : undefined));
  expect(await runs(6)).toBe(1);
});

test('a hub that was killed before it heard of the end sends it again; the device answers, and does not run it', async () => {
  const { id } = await send('slow', '--payload', '7');
  await taken();
  await system.kill('hub');
  await run();
  await system.startHub();
  expect((await ended(id)).state).toBe('done');
  await eventually('its reading in the store', async () => ((await runs(7)) > 0 ? true : undefined));
  expect(await send('open', '--payload', '8', '--wait')).toMatchObject({ state: 'done' });
  expect(await runs(7)).toBe(1);
});

test('a function in the hub tells the device what to do, once for each reading that asks for it', async () => {
  await system.weir('fn', 'deploy', system.file('guard.ts', GUARD), '--group', 'plant', '--where', 'cloud');
  for (const value of ['70', '90', '91']) await system.publish('plant/oven1/temperature', value);
  await eventually('its readings in the store', async () => ((await runs(91)) > 0 ? true : undefined));
  expect([await runs(70), await runs(90), await runs(91)]).toEqual([0, 1, 1]);
  const made = (await list()).filter(({ id }) => id.startsWith('guard:'));
  expect(made.map(({ name, state }) => `${name} ${state}`)).toEqual(['open done', 'open done']);
});

test('a function on the device tells another there what to do, with no hub', async () => {
  await system.weir('fn', 'deploy', system.file('relay.ts', RELAY), '--group', 'plant');
  await system.kill('hub');
  const before = (await agentStatus()).functions.find(({ name }) => name === 'valve')!.steps;
  await system.publish('plant/tank1/level', '55');
  await eventually('the valve was told', async () => {
    const { steps } = (await agentStatus()).functions.find(({ name }) => name === 'valve')!;
    return steps > before ? true : undefined;
  });
  await system.startHub();
  await eventually('its reading in the store', async () => ((await runs(55)) > 0 ? true : undefined));
  expect(await runs(55)).toBe(1);
});
