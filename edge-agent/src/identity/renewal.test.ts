import { expect, onTestFinished, test, vi } from 'vitest';
import { settled, TestClock } from '../clock/clock.fixture.ts';
import type { LinkEvents } from '../uplink/link.ts';
import { makeAuthority } from './authority.fixture.ts';
import { Credentials, linksWith } from './credentials.ts';
import type { Identity, KeyAndCertificate } from './identity.ts';
import { Renewal } from './renewal.ts';

const DAY = 86_400_000;

async function setUp() {
  const ca = await makeAuthority('CA');
  const first = await ca.issue('gw1');
  const identity: Identity = {
    ...{ version: 1, device: 'gw1', ...first, ca: ca.pem, mqtt: { host: 'hub', port: 8883 }, hub: 'https://hub:8443' },
  };
  const kept: Identity[] = [];
  const card = { isFull: false };
  const credentials = new Credentials(identity, {
    async keep(changed) {
      if (card.isFull) throw new Error('no space left');
      kept.push(structuredClone(changed));
    },
    log: () => {},
  });
  return { ca, first, credentials, kept, card };
}

type SetUp = Awaited<ReturnType<typeof setUp>>;

/** A hub that takes what is in `taken`. */
function linksOf({ credentials }: SetUp, taken: Set<string>) {
  const shown: string[] = [];
  let link: LinkEvents | undefined;
  const open = linksWith(credentials, ({ certificate }: KeyAndCertificate) => (_subscriptions, events) => {
    shown.push(certificate);
    link = events;
    if (taken.has(certificate)) events.onOpen();
    else events.onClosed('not authorized');
    return { publish: async () => {}, close: () => {} };
  });
  const events = { onOpen: vi.fn(), onMessage: vi.fn(), onClosed: vi.fn() };
  return { shown, events, connect: () => open([], events), lose: () => link!.onClosed('lost') };
}

test('the new one is shown once it is kept; when the hub has taken it the old one is forgotten', async () => {
  const all = await setUp();
  const { ca, first, credentials, kept, card } = all;
  const next = await ca.issue('gw1');
  const links = linksOf(all, new Set([first.certificate, next.certificate]));
  card.isFull = true;
  await expect(credentials.renewed(next)).rejects.toThrow('no space left');
  expect(credentials.toShow()).toEqual(first);
  card.isFull = false;
  await credentials.renewed(next);
  expect(kept).toMatchObject([{ ...first, next }]);
  expect(credentials.inForce).toEqual(first);
  links.connect();
  expect(links.shown).toEqual([next.certificate]);
  expect(credentials.inForce).toEqual(next);
  expect(kept.at(-1)).toMatchObject(next);
  expect(kept.at(-1)!.next).toBeUndefined();
});

test('a hub that does not know the new one, e.g. restored from a backup, is shown the old one', async () => {
  const all = await setUp();
  const { ca, first, credentials, kept } = all;
  const next = await ca.issue('gw1');
  await credentials.renewed(next);
  const links = linksOf(all, new Set([first.certificate]));
  links.connect();
  links.connect();
  expect(links.shown).toEqual([next.certificate, first.certificate]);
  expect(links.events.onOpen).toHaveBeenCalledOnce();
  // A line that was down may have been the reason: neither is given up.
  expect(kept.at(-1)).toMatchObject({ ...first, next });
  links.lose();
  links.connect();
  expect(links.shown.at(-1)).toBe(next.certificate);
});

test('after a crash between keeping it and using it the new one is shown, and after one while the hub made it the old one', async () => {
  const { ca, first, credentials, kept } = await setUp();
  await credentials.renewed(await ca.issue('gw1'));
  const again = new Credentials(kept.at(-1)!, { keep: async () => {}, log: () => {} });
  expect(again.toShow()).toEqual(kept.at(-1)!.next);
  expect(again.inForce).toEqual(first);
});

test('what is not for this key, not for this device or not from its hub is not kept', async () => {
  const { ca, first, credentials, kept } = await setUp();
  const other = await ca.issue('gw2');
  const foreign = await (await makeAuthority('CA')).issue('gw1');
  const mine = await ca.issue('gw1');
  await expect(credentials.renewed({ ...mine, key: first.key })).rejects.toThrow('for another key');
  await expect(credentials.renewed(other)).rejects.toThrow('for CN=gw2, not for gw1');
  await expect(credentials.renewed(foreign)).rejects.toThrow("not from the hub's CA");
  expect(kept).toEqual([]);
});

function renewalOf({ ca, credentials }: SetUp, clock: TestClock) {
  const asked: string[] = [];
  const hub = { isAway: false };
  const log: string[] = [];
  const made: KeyAndCertificate[] = [];
  const renewal = new Renewal({
    ...{ clock, random: () => 0.5, credentials },
    async makeKey() {
      const pair = await ca.issue('gw1');
      made.push(pair);
      return { key: pair.key, csr: `request ${made.length}` };
    },
    async request(csr) {
      asked.push(csr);
      if (hub.isAway) throw new Error('connect ECONNREFUSED');
      return made.at(-1)!.certificate;
    },
    log: (_level, message) => log.push(message),
  });
  const onRenewed = vi.fn();
  renewal.start(onRenewed);
  onTestFinished(() => renewal.stop());
  return { renewal, asked, hub, log, onRenewed };
}

/** Signing runs in threads of its own. */
async function advance(clock: TestClock, ms: number, isDone: () => boolean): Promise<void> {
  await clock.advance(ms);
  await vi.waitFor(() => expect(isDone()).toBe(true), { timeout: 20_000 });
  await settled();
}

test('it is renewed when two thirds of its time are over, not before', async () => {
  const all = await setUp();
  const { validFrom, validTo } = renewalOf(all, new TestClock()).renewal.status();
  const clock = new TestClock(validFrom + (validTo - validFrom) * (2 / 3) - 2 * DAY);
  const { asked, onRenewed } = renewalOf(all, clock);
  await clock.advance(DAY);
  expect(asked).toEqual([]);
  await advance(clock, DAY + 3_600_000, () => onRenewed.mock.calls.length > 0);
  expect(asked[0]).toBe('request 1');
  expect(all.credentials.isChanging).toBe(true);
});

test('without the hub it is tried again each hour, and more often once it has expired', async () => {
  const all = await setUp();
  const { validTo } = renewalOf(all, new TestClock()).renewal.status();
  // Where signing takes its time, looks are at full hours from here: none is at the very moment at which it expires.
  const clock = new TestClock(validTo - DAY + 1_000);
  const { asked, hub, log, onRenewed } = renewalOf(all, clock);
  hub.isAway = true;
  for (let hour = 0; hour < 10; hour++) await advance(clock, 3_600_000, () => asked.length === hour + 1);
  expect(log.at(-1)).toContain('could not be renewed: connect ECONNREFUSED');
  await clock.advance(DAY - 9.5 * 3_600_000);
  const before = asked.length;
  for (let minute = 0; minute < 5; minute++) await advance(clock, 60_000, () => asked.length > before + minute);
  hub.isAway = false;
  await advance(clock, 60_000, () => onRenewed.mock.calls.length > 0);
});

test('a clock that shows a year to come does not renew it again and again', async () => {
  const all = await setUp();
  const clock = new TestClock(Date.UTC(2100, 0, 1));
  const { asked, onRenewed, log } = renewalOf(all, clock);
  await advance(clock, 60_000, () => onRenewed.mock.calls.length > 0);
  all.credentials.taken(all.credentials.toShow());
  await clock.advance(3_600_000);
  expect(asked.length).toBe(1);
  expect(log).toContain('the hub signs certificates for another time than the clock of this device shows');
});

test('of a new one that the hub does not take another is asked for, with the old one', async () => {
  const all = await setUp();
  const { validFrom, validTo } = renewalOf(all, new TestClock()).renewal.status();
  const clock = new TestClock(validTo - (validTo - validFrom) / 10);
  const { asked, onRenewed } = renewalOf(all, clock);
  await advance(clock, 60_000, () => onRenewed.mock.calls.length > 0);
  all.credentials.notTaken(all.credentials.toShow());
  const before = onRenewed.mock.calls.length;
  await advance(clock, 10_000, () => onRenewed.mock.calls.length > before);
  expect(asked.length).toBe(1);
  await advance(clock, 600_000, () => asked.length > 1);
});
