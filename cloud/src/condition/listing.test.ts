import { parseSelector } from '@weir/protocols';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Control, createControl, enrolDevice } from '../api/control.fixture.ts';
import { type Conditions, createConditions, type Filter } from './condition.ts';

const NOW = 1_795_000_000_000;

let control: Control;
let conditions: Conditions;
/** Those that are connected, and when something came from them last. */
const heard = new Map<string, number>();

beforeEach(async () => {
  control = await createControl({ clock: { now: NOW } });
  heard.clear();
  const connections = {
    get: (device: string) => {
      const heardAt = heard.get(device);
      return heardAt === undefined ? undefined : ({ connected: true, heardAt } as never);
    },
  };
  const life = () => ({ since: 0, returnMs: 0 });
  conditions = createConditions({ store: control.store, connections, life, now: () => NOW });
  await control.fleet.createGroup('ovens');
  for (const device of ['gw1', 'gw2', 'gw3'])
    await enrolDevice(control.fleet, device, device === 'gw3' ? [] : ['ovens']);
  await control.fleet.tag('gw1', { set: { site: 'oslo' } });
  await control.fleet.presence('gw1', true, NOW - 9_000);
  heard.set('gw1', NOW - 1_000);
  await control.fleet.presence('gw2', true, NOW - 9_000);
  const end = { reason: 'MQTT_KEEP_ALIVE_TIMEOUT' as const, heardAt: NOW - 60_000 };
  await control.fleet.presence('gw2', false, NOW - 5_000, end);
  const failed = { kind: 'rule', version: '1', hash: 'a'.repeat(64), state: 'failed' };
  const reported = { agent: { version: '0.0.1', startedAt: 1 }, deployments: { hot: failed } };
  const key = { table: 'shadow', partition: 'gw1', sort: 'weir' };
  await control.store.write([{ put: key, json: { state: { reported }, metadata: {}, version: 1, timestamp: 1 } }]);
});
afterEach(() => control.close());

test.each([
  [{}, ['gw1', 'gw2', 'gw3']],
  [{ group: 'ovens' }, ['gw1', 'gw2']],
  [{ selector: parseSelector('site=oslo') }, ['gw1']],
  [{ selector: parseSelector('!site'), group: 'ovens' }, ['gw2']],
  [{ state: 'silent' }, ['gw2']],
  [{ state: 'never-connected' }, ['gw3']],
  [{ failing: true }, ['gw1']],
  [{ problem: 'silent' }, ['gw2']],
  [{ ailing: false }, ['gw3']],
  [{ version: '0.0.1' }, ['gw1']],
  [{ version: '9.9.9' }, []],
] as [Filter, string[]][])('of devices that are %j there are %j, page by page', async (filter, expected) => {
  const found: string[] = [];
  let after: string | undefined;
  do {
    const page = await conditions.list(filter, { limit: 1, ...(after !== undefined && { after }) });
    found.push(...page.items.map(({ id }) => id));
    after = page.next;
  } while (after !== undefined);
  expect(found).toEqual(expected);
});

test('one that is connected was seen when something came from it last; one that is silent, before it fell silent', async () => {
  const { items } = await conditions.list({}, { limit: 10 });
  expect(items.map(({ lastSeenAt }) => lastSeenAt)).toEqual([NOW - 1_000, NOW - 60_000, undefined]);
  expect(items[0]).toMatchObject({
    state: 'connected',
    version: '0.0.1',
    problems: [{ code: 'deployment-failed' }, { code: 'version-behind' }],
  });
});
