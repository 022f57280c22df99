import { expect, onTestFinished, test } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import { alertOf, openInMemory, stepOf } from '../spool/spool.fixture.ts';
import type { Spool } from '../spool/spool.ts';
import type { LinkEvents } from './link.ts';
import { Uplink } from './uplink.ts';
import { LIMITS } from './world.fixture.ts';

test('an acknowledgement that the disk did not keep is told to it again, on the same connection', async () => {
  const clock = new TestClock();
  const ops = openInMemory();
  let isFailing = true;
  const call = async (name: keyof typeof ops, ...args: unknown[]) => {
    if (name === 'acknowledge' && isFailing) throw new Error('the disk fails');
    return structuredClone((ops[name] as (...args: unknown[]) => unknown)(...args));
  };
  let links = 0;
  const openLink = (_subscriptions: readonly string[], events: LinkEvents) => {
    links++;
    queueMicrotask(() => events.onOpen());
    return { publish: async () => {}, close: () => {} };
  };
  const around = { clock, random: () => 0.5, onOpen: () => {}, onMessage: () => {}, log: () => {} };
  const spool = { call, close: async () => {} } as unknown as Spool;
  const uplink = new Uplink('gw1', [], { ...around, spool, openLink }, LIMITS);
  onTestFinished(() => uplink.stop());
  const waiting = () => ops.counts().lanes.find(({ lane }) => lane === 'alert')!.items;
  ops.commitStep(stepOf(1, { alerts: [alertOf(1)] }));
  uplink.start();
  await settled();
  await clock.advance(3_000);
  expect(waiting()).toBe(1);
  isFailing = false;
  await clock.advance(3_000);
  expect({ waiting: waiting(), links }).toEqual({ waiting: 0, links: 1 });
});
