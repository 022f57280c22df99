/** What a channel hears of acknowledgements, and while it is off: from what is committed to what arrives. */
import type { AlertTransition } from '@weir/protocols';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { episodeChanges, raised } from '../alerts/episodes.ts';
import { type Control, createControl, transition } from '../api/control.fixture.ts';
import { type Receiver, startReceiver } from './receiver.fixture.ts';

let control: Control;
let receiver: Receiver;

beforeEach(async () => {
  receiver = await startReceiver();
  control = await createControl();
  await control.notifier.start();
});
afterEach(async () => {
  await control.close();
  await receiver.close();
});

const until = (condition: () => unknown) => vi.waitFor(condition, { timeout: 30_000, interval: 5 });
const now = () => Date.now();
const firing = (episode: string) => transition({ episode, ts: now(), startedAt: now() });
const over = (episode: string) =>
  transition({ episode, seq: 2, state: 'resolved', reason: 'cleared', ts: now() + 1, startedAt: now() });

async function commit(...transitions: AlertTransition[]): Promise<void> {
  for (const each of transitions) {
    const { changes } = await episodeChanges(control.store, raised('edge', [each]), now());
    await control.store.write(changes);
  }
  control.notifier.wake();
}

const bodies = () => receiver.received.map(({ body }) => JSON.parse(body));

test('PagerDuty hears once that somebody looks after an incident, and a webhook does not', async () => {
  const routingKey = 'R0123456789ABCDEF0123456789ABCDE';
  await control.notifier.admin.add('pager', { kind: 'pagerduty', routingKey, url: receiver.url });
  const hook = await startReceiver();
  await control.notifier.admin.add('hook', { kind: 'webhook', url: hook.url });
  await commit(firing('episode0001'));
  await until(() => expect(bodies()).toHaveLength(1));
  for (const id of ['a', 'b']) await control.options.alerts.act(['episode0001'], { id, what: 'ack', by: 'anna' });
  await commit(over('episode0001'));
  await until(() =>
    expect(bodies().map((each) => [each.event_action, each.dedup_key])).toEqual([
      ['trigger', 'episode0001'],
      ['acknowledge', 'episode0001'],
      ['resolve', 'episode0001'],
    ]),
  );
  await until(() => expect(hook.told()).toEqual(['episode0001-1 alert.firing', 'episode0001-2 alert.resolved']));
  await hook.close();
});

test('semantics 2, suppression stops notifications only: a channel that is off hears nothing new; on again it hears the end of what it was told, and what fires still', async () => {
  await control.notifier.admin.add('hook', { kind: 'webhook', url: receiver.url });
  await commit(firing('episode0001'));
  await until(() => expect(receiver.told()).toHaveLength(1));
  await control.notifier.admin.disable('hook');
  await commit(over('episode0001'), firing('episode0002'), over('episode0002'), firing('episode0003'));
  await until(async () => expect((await control.notifier.admin.get('hook')).waiting).toBe(1));
  expect(receiver.told()).toHaveLength(1);
  await control.notifier.admin.enable('hook');
  await until(() =>
    expect(receiver.told().slice(1).sort()).toEqual(['episode0001-2 alert.resolved', 'episode0003-1 alert.firing']),
  );
});
