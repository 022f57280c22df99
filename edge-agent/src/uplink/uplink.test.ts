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

test('why attempts fail is logged once for each reason, until the uplink was up', async () => {
  const clock = new TestClock();
  const ops = openInMemory();
  const spool = {
    call: async (name: keyof typeof ops) => (name === 'nextBatches' ? [] : undefined),
  } as unknown as Spool;
  let answer = 'connect ECONNREFUSED';
  let closeIt = (_reason: string) => {};
  const openLink = (_subscriptions: readonly string[], events: LinkEvents) => {
    closeIt = events.onClosed;
    queueMicrotask(() => (answer === '' ? events.onOpen() : events.onClosed(answer)));
    return { publish: async () => {}, close: () => {} };
  };
  const lines: string[] = [];
  const log = (_level: string, message: string) => void lines.push(message);
  const around = { clock, random: () => 0.5, onOpen: () => {}, onMessage: () => {}, log };
  const uplink = new Uplink('gw1', [], { ...around, spool, openLink }, LIMITS);
  onTestFinished(() => uplink.stop());
  uplink.start();
  for (const next of ['connect ECONNREFUSED', 'not authorised', 'connect ECONNREFUSED', '']) {
    answer = next;
    await clock.advance(120_000);
  }
  answer = 'connect ECONNREFUSED';
  closeIt('the connection was closed');
  await clock.advance(120_000);
  expect(lines).toEqual([
    'the hub cannot be reached: connect ECONNREFUSED',
    'the hub cannot be reached: not authorised',
    'the uplink is up',
    'the uplink is down: the connection was closed',
    'the hub cannot be reached: connect ECONNREFUSED',
  ]);
});
