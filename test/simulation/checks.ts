/**
 * What must hold when everything has healed, of what the system promises:
 *
 *     1  what was acknowledged is stored once, or is in a gap that was told and counted exactly; in order; nothing else
 *     2  what was raised was told to people, and so was its end, each under one key
 *     6  the device went on while the hub was away; this shows in that 1 and 2 hold although it was
 *     7  what is bad was counted and kept aside, and stopped nothing
 */
import { type HistoryReading, readHistory, readTotals } from '@weir/cloud';
import type { AlertTransition } from '@weir/protocols';
import type { Device } from './device.ts';
import {
  checkBudget,
  checkCommands,
  checkForwarding,
  checkNoticed,
  countStored,
  hasOwnNumbers,
  isForwarded,
  isOfWindow,
  isUncounted,
  isUnderNumberOfCopy,
  lostUnnumbered,
  lostWithTheDisk,
  type Numbers,
  type Violate,
} from './disaster-checks.ts';
import type { Sent } from './ledger.ts';
import { isOfCopy, numberedBy } from './old-image.ts';
import { followPressures, type Pressure } from './pressures.ts';
import type { World } from './world.ts';

export interface Checked {
  stored: number;
  gaps: number;
  alerts: number;
  /** Of the schedule of every hour, those that are stored. */
  schedules: number;
  violations: string[];
}

export async function check(world: World): Promise<Checked> {
  const violations: string[] = [];
  const violate: Violate = (text) => {
    if (violations.length < 50) violations.push(text);
  };
  let stored = 0;
  let gaps = 0;
  /** Gone with a disk that was put back: of these the hub may know. */
  let lost = 0;
  let schedules = 0;
  const pressures = new Map<string, Pressure>();
  for (const device of world.devices) await countDropped(device);
  for (const device of world.devices) {
    const history = await historyOf(world, device.id);
    stored += history.length;
    schedules += history.filter(({ metric }) => metric === 'hours').length;
    followPressures(device.id, history, pressures);
    const missing = await checkReadings(world, device, history, violate);
    gaps += missing.holes;
    lost += missing.lost;
    await checkBadInput(world, device, violate);
    checkForwarding(world, device, history, violate);
    await checkCommands(world, device, history, violate);
    checkBudget(device, world.dayEnd, violate);
  }
  if (!world.devices.some((device) => isUncounted(device))) await checkHubTotals(world, gaps, lost, violate);
  checkAlerts(world, pressures, violate);
  return { stored, gaps, alerts: world.receiver.delivered.size, schedules, violations };
}

async function historyOf(world: World, device: string): Promise<HistoryReading[]> {
  const { store } = world.hub.operators!;
  const all: HistoryReading[] = [];
  let after: string | undefined;
  do {
    const page = await readHistory(store, device, after === undefined ? {} : { after });
    all.push(...page.readings);
    after = page.next;
  } while (after !== undefined);
  return all;
}

/** A clock is set by an answer of the hub, which is waited for so long (`clock.hubWait`), and tells whole seconds. */
const CLOCK_MS = 6_000;

/**
 * A sensor's time that is that of its arrival to the millisecond is taken for the device's own. It is moved then by what that
 * clock, which agreed with the sensor's, was found to be away.
 */
const COINCIDENCE_MS = 1_000;

/** Metrics that functions make, by what they are made of. */
const DERIVED = new Set(['flow_tally', 'flow_echo', 'flow_taken', 'hours', 'obeyed']);

async function checkReadings(
  world: World,
  device: Device,
  history: readonly HistoryReading[],
  violate: Violate,
): Promise<Missing> {
  const { ledger } = world;
  const seen = new Set<string>();
  const ids = new Set<string>();
  let others = 0;
  let covered = 0;
  const twice: string[] = [];
  const numbers = new Map<string, Map<number, HistoryReading>>();
  for (const reading of history) {
    const { id, sensor, metric, value } = reading;
    const name = `${device.id}/${sensor}/${metric}/${value}`;
    const [, lane, epoch, seq] = id.split('/') as [string, string, string, string];
    const sent = ledger.find({ device: device.id, sensor, metric, value: value as number });
    if (seen.has(name) && !mayComeAgain(device, metric)) {
      if (sent !== undefined && hasOwnNumbers(device, sent)) covered++;
      else twice.push(`stored twice: ${name} (${id})`);
    }
    seen.add(name);
    if (isUnderNumberOfCopy(device, { lane, epoch, seq: Number(seq) }, sent)) covered++;
    if (ids.has(id)) violate(`two readings have the number ${id}`);
    ids.add(id);
    // Of two under one number the device that was put back has this one, the other is of the way that it left.
    const run = device.putBack && numberedBy(device.putBack, epoch);
    const ofEpoch = numbers.get(`${lane}/${run ?? epoch}`) ?? new Map<number, HistoryReading>();
    numbers.set(`${lane}/${run ?? epoch}`, ofEpoch);
    const isOther = ofEpoch.has(Number(seq));
    if (isOther) others++;
    if (!isOther || run !== undefined) ofEpoch.set(Number(seq), reading);
    if (DERIVED.has(metric) || isOfWindow(metric)) continue;
    if (sent === undefined) violate(`stored, and never sent: ${name}`);
    else checkTime(device, sent, reading, violate);
  }
  // What an old image had not numbered is numbered again, and stored twice; so is what was numbered anew since.
  if (twice.length > (device.putBack?.copied.unnumbered ?? 0) + others) for (const text of twice) violate(text);
  checkOrder(device, numbers, violate);
  checkDerived(world, device, history, violate);
  await checkNoticed(world, device, numbers, violate);
  return await checkGaps(world, device, { seen, numbers, covered }, violate);
}

/** Functions of a device that was put back, or lost their state, count from there; windows of one end may be alike. */
function mayComeAgain({ putBack, damagedAt }: Device, metric: string): boolean {
  if (isOfWindow(metric)) return true;
  return DERIVED.has(metric) && (putBack !== undefined || damagedAt !== undefined);
}

/** What the sensor said, or what the clock of the device was set right to; where it could not be, that is said. */
function checkTime(device: Device, { ts, at, acknowledgedAt }: Sent, reading: HistoryReading, violate: Violate): void {
  const name = `${device.id}/${reading.sensor}/${reading.metric}/${reading.value}`;
  if (ts !== undefined) {
    if (Math.abs(ts - reading.ts) > COINCIDENCE_MS) violate(`stored with another time than the sensor's: ${name}`);
    return;
  }
  // A clock that nobody says is right or wrong is believed.
  if (!['right', 'none'].includes(device.plan.clock) || reading.quality === 'clock') return;
  const isRight = reading.ts >= at - CLOCK_MS && reading.ts <= (acknowledgedAt ?? Number.POSITIVE_INFINITY) + CLOCK_MS;
  if (!isRight) violate(`stored with a time that is ${Math.round(reading.ts - at)} ms away: ${name}`);
}

/** In the order of their numbers the readings of a series stand as they were sent. */
function checkOrder(device: Device, numbers: ReadonlyMap<string, Map<number, HistoryReading>>, violate: Violate): void {
  for (const [key, readings] of numbers) {
    // What functions in the hub emit is in the order in which it arrives there: what is fresh before the backlog.
    if (key.startsWith('cloud/')) continue;
    const [lane, epoch] = key.split('/') as [string, string];
    const last = new Map<string, number>();
    for (const [seq, { sensor, metric, value }] of [...readings].sort(([a], [b]) => a - b)) {
      if (isOfWindow(metric)) continue;
      if (hasOwnNumbers(device) && isOfCopy(device.putBack!, lane, epoch, seq)) continue;
      const series = `${sensor}/${metric}`;
      const n = (value as number) % 1_000_000;
      const before = last.get(series) ?? 0;
      if (n <= before) violate(`${device.id} ${key}: ${series} ${n} comes after ${before}`);
      last.set(series, n);
    }
  }
}

/** A function has seen each reading once, in order: what it counted is 1, 2, 3, … */
function checkDerived(world: World, device: Device, history: readonly HistoryReading[], violate: Violate): void {
  const tally = world.options.deployments.find(({ name }) => name === 'tally');
  // Whether limits, an old image or damage may have made it miss something, or count anew.
  const isExact = device.dropped === 0 && device.putBack === undefined && device.damagedAt === undefined;
  if (tally === undefined || !isExact) return;
  // On the device it sees also what a policy keeps back.
  const seesMore = tally.where === 'edge' && isForwarded(world, 'flow');
  for (const sensor of new Set(history.filter(({ metric }) => metric === 'flow').map((each) => each.sensor))) {
    const of = (metric: string) =>
      history.filter((each) => each.metric === metric && each.sensor === sensor).map(({ value }) => value as number);
    const flows = new Set(of('flow'));
    const echoes = new Set(of('flow_echo'));
    const name = `${device.id}/${sensor}`;
    for (const value of flows) if (!echoes.has(value)) violate(`${name}: tally has not seen flow ${value}`);
    for (const value of echoes) {
      if (!flows.has(value) && !seesMore) violate(`${name}: tally saw flow ${value}, which is not stored`);
    }
    const wrong = of('flow_tally')
      .sort((a, b) => a - b)
      .find((n, at) => n !== at + 1);
    if (wrong !== undefined) violate(`${name}: tally did not count 1, 2, 3, …, but came to ${wrong} out of turn`);
  }
}

interface Stored {
  seen: ReadonlySet<string>;
  numbers: Numbers;
  /** Stored under the number of another reading, which is missing and makes no hole. */
  covered: number;
}

interface Missing {
  /** Numbers of a device of which no reading is stored … */
  holes: number;
  /** … and those that went with its disk. */
  lost: number;
}

async function countDropped(device: Device): Promise<void> {
  const { lanes } = await device.agent!.status();
  device.dropped = lanes.reduce((sum, { dropped }) => sum + dropped, 0);
  device.droppedAlerts = lanes.find(({ lane }) => lane === 'alert')!.dropped;
}

async function checkGaps(world: World, device: Device, stored: Stored, violate: Violate): Promise<Missing> {
  const { seen, numbers, covered } = stored;
  const { lanes, refused } = await device.agent!.status();
  const missing: Sent[] = [];
  for (const sent of world.ledger.all()) {
    if (sent.device !== device.id || sent.acknowledgedAt === undefined || device.mayLose(sent)) continue;
    if (isForwarded(world, sent.metric) || isUncounted(device, sent)) continue;
    if (!seen.has(`${sent.device}/${sent.sensor}/${sent.metric}/${sent.value}`)) missing.push(sent);
  }
  let dropped = 0;
  let numbered = 0;
  for (const { lane, nextSeq, dropped: count } of lanes) {
    if (lane !== 'live' && lane !== 'backfill') continue;
    dropped += count;
    numbered += nextSeq;
  }
  const { kept, leftBehind } = countStored(device, numbers);
  const holes = numbered - kept;
  // What was given up while it was on its way may have arrived all the same.
  if ((holes < 0 || holes > dropped) && !isUncounted(device)) {
    violate(`${device.id}: ${numbered} readings had a number, ${kept} are stored, ${dropped} were counted as dropped`);
  }
  if (missing.length > Math.max(0, holes) + covered + lostUnnumbered(device, refused)) {
    const some = missing.slice(0, 3).map(({ sensor, metric, value }) => `${sensor}/${metric}/${value}`);
    violate(`${device.id}: acknowledged and lost: ${missing.length} readings, ${holes} holes; ${some.join(', ')}`);
  }
  // Where the account of numbers was damaged, more are stored than it says were given.
  return { holes: Math.max(0, holes), lost: lostWithTheDisk(device, leftBehind) };
}

/** What the hub knows to be missing is what is missing, and all of it was told of. */
async function checkHubTotals(
  { hub, options, devices }: World,
  holes: number,
  lost: number,
  violate: Violate,
): Promise<void> {
  const totals = await readTotals(hub.operators!.store, options.logPartitions);
  const isPutBack = devices.some(({ putBack }) => putBack !== undefined);
  let told = 0;
  let untold = 0;
  for (const { lane, dropped, open, ended } of totals) {
    if (lane === 'live' || lane === 'backfill') {
      told += dropped;
      untold += open + ended;
    } else if (open + ended > 0 && !isPutBack) {
      violate(`the hub misses ${open + ended} items in lane ${lane} that nobody told of`);
    }
  }
  if (untold > lost)
    violate(`the hub misses ${untold} readings that nobody told of, of ${lost} that a disk took along`);
  if (told < holes || told > holes + lost) violate(`${holes} readings are missing, of ${told} the hub was told`);
}

async function checkBadInput(world: World, device: Device, violate: Violate): Promise<void> {
  const { sent, acknowledged } = world.ledger.badOf(device.id);
  const { refused } = await device.agent!.status();
  const count = Object.entries(refused).reduce((sum, [why, each]) => sum + (why === 'journal-damaged' ? 0 : each), 0);
  if ((count < acknowledged && !device.mayForget) || count > sent) {
    violate(`${device.id}: ${sent} bad payloads sent, ${acknowledged} acknowledged, ${count} counted`);
  }
  const atHub = await world.hub.operators!.fleet.refusedBy(device.id);
  for (const [reason, times] of Object.entries(atHub.counts)) {
    violate(`${device.id}: the hub refused ${times} of its messages: ${reason} ${atHub.last[0]?.detail ?? ''}`);
  }
}

function checkAlerts(world: World, pressures: ReadonlyMap<string, Pressure>, violate: Violate): void {
  const { receiver, devices } = world;
  for (const contradiction of receiver.contradictions) violate(`two things under one key: ${contradiction}`);
  const { told, summedUp, leftOut } = tellings(receiver.delivered.values());
  for (const [episode, transitions] of told) {
    const { droppedAlerts, dropped, mayForget, damagedAt, putBack } = devices.find(
      ({ id }) => id === transitions[0]!.device,
    )!;
    // What a rule knew of its episodes may have been on a page that was damaged.
    if (damagedAt !== undefined) continue;
    // A rule in the hub whose last reading was given up does not know that it is over.
    const mayMiss = transitions[0]!.source.name === 'pressed' ? dropped : droppedAlerts;
    for (const state of ['firing', 'resolved'] as const) {
      // A digest of what was over says both in one.
      const count = transitions.filter((each) => each.state === state).length + (summedUp.has(episode) ? 1 : 0);
      if (count !== 1 && (count > 1 || (mayMiss === 0 && !mayForget))) {
        violate(`episode ${episode}: ${state} was told ${count} times`);
      }
    }
    if (putBack === undefined || mayMiss > 0 || summedUp.has(episode)) continue;
    const states = new Set(transitions.map(({ state }) => state));
    const isOpen = states.has('firing') && !states.has('resolved');
    if (isOpen && mustEnd(world, transitions[0]!, { told, pressures }))
      violate(`episode ${episode}: its end was never told`);
  }
  for (const { observed, droppedAlerts, mayForget } of devices) {
    const untold = [...observed.alerts].filter(
      ([key, { state, episode }]) => state !== 'pending' && !receiver.delivered.has(key) && !summedUp.has(episode),
    );
    // Of those that a digest only counts it is not known which they are: a firing and an end each.
    if (untold.length <= droppedAlerts + 2 * leftOut || mayForget) continue;
    for (const [key, { state, source }] of untold) violate(`never told: ${source.name} ${state} ${key}`);
  }
  checkExcursions(world, { told, leftOut, pressures }, violate);
}

/**
 * Of a device that was put back: what the hub was told after it went back, or what a later end of the same rule says. What the
 * sensor has said before is gone with the disk.
 */
function mustEnd(
  { devices, ledger }: World,
  { device, sensor, source, startedAt }: AlertTransition,
  { told, pressures }: Pick<Told, 'told' | 'pressures'>,
): boolean {
  const { putBack } = devices.find(({ id }) => id === device)!;
  const isHeardOf = [...ledger.all()].some(
    (sent) => sent.device === device && sent.sensor === sensor && (sent.acknowledgedAt ?? 0) > putBack!.at,
  );
  // Its clock may have been put back, too: what it says then is older than what fires, and ends nothing.
  if (source.name === 'pressed') return isHeardOf && pressures.get(`${device}/${sensor}`)!.belowAt > startedAt;
  return [...told.values()].some(([first]) => {
    const isSame = first!.device === device && first!.sensor === sensor && first!.source.name === source.name;
    return isSame && first!.startedAt > startedAt && first!.ts > putBack!.at;
  });
}

interface Summary {
  why: string;
  leftOut: number;
  alerts: AlertTransition[];
}

/** What people were told: each transition by itself, or what was over before they could be told summed up. */
function tellings(delivered: Iterable<{ body: string }>) {
  const told = new Map<string, AlertTransition[]>();
  const summedUp = new Set<string>();
  let leftOut = 0;
  for (const { body } of delivered) {
    const { data } = JSON.parse(body) as { data: AlertTransition | Summary };
    if (!('alerts' in data)) {
      told.set(data.episode, [...(told.get(data.episode) ?? []), data]);
      continue;
    }
    leftOut += data.leftOut;
    for (const alert of data.alerts) {
      summedUp.add(alert.episode);
      told.set(alert.episode, [...(told.get(alert.episode) ?? []), { ...alert, state: 'pending' }]);
    }
  }
  return { told, summedUp, leftOut };
}

interface Told {
  told: ReadonlyMap<string, AlertTransition[]>;
  leftOut: number;
  pressures: ReadonlyMap<string, Pressure>;
}

/** A level that was passed for certain has made one episode, no more and no less. */
function checkExcursions(world: World, { told, leftOut, pressures }: Told, violate: Violate): void {
  for (const { device, sensor, begun, ended } of world.ledger.excursions.values()) {
    const { plan: device_, droppedAlerts, mayForget } = world.devices.find(({ id }) => id === device)!;
    const plan = device_.sensors.find(({ name }) => name === sensor)!;
    const episodes = [...told.values()].filter(([first]) => first!.device === device && first!.sensor === sensor);
    if (begun !== ended) violate(`${device}/${sensor}: ${begun} excursions begun, ${ended} ended: the sensor is wrong`);
    // A rule in the hub sees what arrives there, and that in another order: what is fresh goes before the backlog.
    if (mayForget) continue;
    const isExact = plan.kind === 'level' && droppedAlerts === 0;
    // Of those that a digest only counts it is not known which they are.
    const most = Math.max(begun, pressures.get(`${device}/${sensor}`)?.passed ?? 0);
    const isRight = episodes.length <= most && (!isExact || episodes.length + leftOut >= begun);
    if (!isRight) {
      violate(
        `${device}/${sensor}: passed its level ${most} times, and people were told ${episodes.length} times, and ${leftOut} of some`,
      );
    }
  }
}
