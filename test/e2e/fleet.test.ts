import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, System } from '../support/system.ts';

const KEEPALIVE_MS = 5_000;

interface Shown {
  id: string;
  state: string;
  stateSince: number;
  lastSeenAt: number;
  version?: string;
  groups: string[];
  problems: { code: string }[];
  health?: { disk?: { free: number }; memory?: { agent: number }; certificate?: { validTo: number } };
}

/** A line that can be cut without either side being told: it takes what is sent, and hands nothing on. */
class Line {
  #server: Server | undefined;
  readonly #pairs = new Set<Socket>();
  #isCut = false;

  async start(target: number): Promise<string> {
    this.#server = createServer((near) => {
      const far = connect(target, '127.0.0.1');
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#pairs.add(from);
        from.on('data', (chunk) => void (this.#isCut || to.write(chunk)));
        from.on('error', () => {});
        from.on('close', () => void (this.#isCut || to.destroy()));
      }
    });
    await new Promise<void>((resolve) => this.#server!.listen(0, '127.0.0.1', resolve));
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(): void {
    this.#isCut = true;
  }

  mend(): void {
    this.#isCut = false;
    // What was lost is missing in the middle of both streams.
    for (const socket of this.#pairs) socket.destroy();
    this.#pairs.clear();
  }

  stop(): void {
    this.mend();
    this.#server?.close();
  }
}

const system = new System();
const line = new Line();

const show = () => system.weirJson<Shown>('device', 'show', 'gw1');
const stateIs = (state: string) =>
  eventually(`gw1 to be ${state}`, async () => {
    const shown = await show();
    return shown.state === state ? shown : undefined;
  });
const connectivityAlerts = async () =>
  (await system.weirJson<{ state: string; source: { name: string }; summary: string }[]>('alert', 'list')).filter(
    ({ source }) => source.name === 'weir.connectivity',
  );
const alertIs = (state: string) =>
  eventually(`the alert to be ${state}`, async () => (await connectivityAlerts()).find((each) => each.state === state));

beforeAll(async () => {
  system.hubConfig = system.file('hub.yaml', 'connectivity: { alertAfter: 1s }\n');
  system.agentConfig = system.file('agent.yaml', 'uplink: { keepalive: 5s }\ndeploy: { report: 1s }\n');
  await system.startHub();
  system.endpoint = await line.start(system.hubPorts.mqtt);
  await system.weir('group', 'create', 'plant');
  const { token } = await system.weirJson<{ token: string }>('token', 'create', '--group', 'plant');
  await system.join('gw1', token);
  expect(await show()).toMatchObject({ state: 'never-connected' });
  await system.startAgent();
  await stateIs('connected');
});
afterAll(async () => {
  line.stop();
  await system.stop();
});

test('a tag brings what its group has deployed, with why, and takes it away again', async () => {
  const rule = system.file('hot.yaml', 'name: oven-hot\nversion: 1.0.0\nsensor: "*"\nmetric: temperature\nabove: 80\n');
  await system.weir('group', 'create', 'oslo', '--selector', 'site=oslo, !spare', '--priority', '10');
  await system.weir('rule', 'apply', rule, '--group', 'oslo', '--no-wait');
  await system.weir('device', 'tag', 'gw1', 'site=oslo', 'model=v2');
  await eventually('the rule to run', async () => {
    const [row] = await system.weirJson<{ state: string }[]>('deploy', 'status', '--device', 'gw1');
    return row?.state === 'running' || undefined;
  });
  const text = await system.weir('device', 'show', 'gw1');
  expect(text).toContain('plant');
  expect(text).toContain('oslo (by tags)');
  expect(text).toContain('oven-hot@1.0.0 is what group oslo wants: only group oslo wants it');
  expect(await system.weirJson('group', 'members', 'oslo')).toEqual([{ device: 'gw1', listed: false, matched: true }]);
  expect(
    (await system.weirJson<Shown[]>('device', 'list', '--selector', 'model in (v2, v3)')).map(({ id }) => id),
  ).toEqual(['gw1']);
  await system.weir('device', 'tag', 'gw1', 'site-');
  await eventually('the rule to be gone', async () => {
    const rows = await system.weirJson<unknown[]>('deploy', 'status', '--device', 'gw1');
    return rows.length === 0 || undefined;
  });
  const wrong = await system.run('weir', 'group', 'set', 'oslo', '--selector', 'site=', '--hub-data', system.hubData);
  expect(wrong.code).toBe(2);
  expect(wrong.stderr).toContain('a value is wanted at character 6');
});

test('a device tells of its disk, its memory and the end of its certificate', async () => {
  const shown = await eventually('its health', async () => {
    const found = await show();
    return found.health?.disk === undefined ? undefined : found;
  });
  expect(shown.health).toMatchObject({
    disk: { free: expect.any(Number) },
    memory: { agent: expect.any(Number) },
    certificate: { validTo: expect.any(Number) },
  });
  expect(shown.version).toMatch(/^\d+\.\d+\.\d+/);
});

describe('one that nothing comes from is silent within two keepalives, and somebody is told until it is back', () => {
  const check = async (shown: Shown) => {
    expect(shown.stateSince - shown.lastSeenAt).toBeLessThanOrEqual(2 * KEEPALIVE_MS);
    expect(shown.problems.map(({ code }) => code)).toContain('silent');
    expect((await alertIs('firing')).summary).toContain('gw1 is silent');
    expect((await system.weirJson<Shown[]>('device', 'list', '--silent')).map(({ id }) => id)).toEqual(['gw1']);
  };

  test('its process stands still, and its connection seems to be there', async () => {
    system.signal('agent', 'SIGSTOP');
    await check(await stateIs('silent'));
    system.signal('agent', 'SIGCONT');
    await stateIs('connected');
    await eventually(
      'no alert',
      async () => (await connectivityAlerts()).every(({ state }) => state === 'resolved') || undefined,
    );
  });

  test('its line is cut and nobody is told', async () => {
    line.cut();
    await check(await stateIs('silent'));
    line.mend();
    await stateIs('connected');
    await eventually(
      'no alert',
      async () => (await connectivityAlerts()).every(({ state }) => state === 'resolved') || undefined,
    );
  });
});

test('one that ends says goodbye or closes its connection: it is offline, not silent', async () => {
  await system.kill('agent');
  expect((await stateIs('offline')).problems.map(({ code }) => code)).not.toContain('silent');
  expect((await alertIs('firing')).summary).toContain('gw1 is offline');
  await system.startAgent();
  await stateIs('connected');
});

test('a hub that is started again does not call its devices silent: they have time to come back', async () => {
  await system.kill('hub');
  await system.kill('agent');
  await system.startHub();
  expect(await show()).toMatchObject({ state: 'returning', problems: [] });
  await system.startAgent();
  await stateIs('connected');
});
