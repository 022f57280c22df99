/** What sensors measure, how it comes, and what goes wrong on the way; drawn by lot. */
import type { Value } from '@weir/protocols';
import type { Dice } from '../dice.ts';
import type { Measured } from './measures.ts';
import { MOMENT_MS } from './rules.ts';

export interface Story {
  samples: Measured[];
  deeds: Deed[];
  /** Event time of the first moment, and of the last of which anything is asked. */
  from: number;
  until: number;
  /** Between these the line was cut: what was measured then came afterwards, in order, beside what was new. */
  outage?: Outage;
  /** How far the device's clock is off at first. */
  clockOffMs: number;
}

/** In order of `at`, by a clock that is right. */
export type Deed =
  | { kind: 'samples'; at: number; samples: Measured[] }
  /** The host is killed; with `midway` in the step that comes next, when it was run and not committed. */
  | { kind: 'restart'; at: number; until: number; midway: boolean }
  /** The clock of the device is set right. */
  | { kind: 'clock'; at: number }
  /** The line to the device is cut, or there again, as the hub notices. */
  | { kind: 'presence'; at: number; online: boolean };

/** What is new goes first. */
export const BACKLOG_AFTER_MS = 8_000;

/** A whole number of every window that is drawn, by which windows one after another keep their places. */
const EPOCH_MS = 1_700_006_400_000;
const MOMENTS = 300;
/** At the end nothing comes, and what is due has to fall due by the clock. */
const QUIET_MOMENTS = 50;

const SERIES: [sensor: string, metric: string][] = [
  ['s0', 'm0'],
  ['s1', 'm0'],
  ['s2', 'm0'],
  ['s0', 'm1'],
  ['s1', 'm1'],
  ['s0', 'state'],
];

interface Outage {
  from: number;
  to: number;
}

/** Delays by which samples of one of these do not overtake one another: what was on its way when the line was cut would be in no gap. */
const IN_ORDER_MS = 400;

/** So many of them send in turn. */
const REGULAR = 3;

export interface StoryTerms {
  hasOutage: boolean;
  /** Sensors send in turn, and now and then one sample is missing; else as it comes. */
  isRegular: boolean;
  latenessMs: number;
  /** A rule about silence, or about signals that come late by themselves, is not asked about restarts. */
  hasSilence: boolean;
  /** Windows one after another stand elsewhere by another clock. */
  canMoveClock: boolean;
  /** Other series say something at the same moments, in the same message or, with lateness, in others. */
  isTogether: boolean;
}

export function drawStory(
  dice: Dice,
  { latenessMs, hasSilence, canMoveClock, hasOutage, isRegular, isTogether }: StoryTerms,
): Story {
  const outage = hasOutage ? drawOutage(dice.fork('outage')) : undefined;
  const alone = drawSamples(dice.fork('samples'), outage, isRegular);
  const beside = isTogether ? dice.fork('beside') : undefined;
  const moments = beside === undefined ? alone.map((each) => [each]) : drawBeside(beside, alone);
  const samples = moments.flat();
  const until = EPOCH_MS + MOMENTS * MOMENT_MS;
  const deeds = drawArrivals(
    dice.fork('arrivals'),
    beside === undefined ? moments : drawMessages(beside, moments, latenessMs),
    latenessMs,
    isRegular ? IN_ORDER_MS : Number.POSITIVE_INFINITY,
    outage,
  );
  if (outage !== undefined) {
    const noticedAt = outage.from + dice.int(0, 3_000);
    deeds.push({ kind: 'presence', at: noticedAt, online: false }, { kind: 'presence', at: outage.to, online: true });
  }
  const faults = dice.fork('faults');
  const restarts = hasSilence || faults.chance(0.3) ? 0 : faults.int(1, 12);
  for (let each = 0; each < restarts; each++) {
    const at = EPOCH_MS + faults.int(1, MOMENTS) * MOMENT_MS + 100;
    const downMs = faults.chance(0.5) ? 0 : faults.int(1, 40) * 1_000;
    deeds.push({ kind: 'restart', at, until: at + downMs, midway: faults.chance(0.5) });
  }
  const isClockOff = canMoveClock && !hasOutage && faults.chance(0.2);
  if (isClockOff) deeds.push({ kind: 'clock', at: EPOCH_MS + faults.int(1, MOMENTS) * MOMENT_MS + 50 });
  deeds.sort((a, b) => a.at - b.at);
  return {
    samples,
    deeds,
    ...(outage && { outage }),
    from: EPOCH_MS,
    until,
    clockOffMs: isClockOff ? faults.pick([-7_200_000, 14_400_000]) : 0,
  };
}

function drawOutage(dice: Dice): Outage {
  const from = EPOCH_MS + dice.int(20, MOMENTS - QUIET_MOMENTS - 100) * MOMENT_MS + 150;
  return { from, to: from + dice.int(20, 90) * MOMENT_MS };
}

/** One at a moment. */
function drawSamples(dice: Dice, outage: Outage | undefined, isRegular: boolean): Measured[] {
  const samples: Measured[] = [];
  const density = isRegular ? 0.95 : dice.pick([0.3, 0.6, 0.95]);
  const values = SERIES.map(() => dice.int(5, 15));
  const gone = SERIES.map(() => dice.int(0, MOMENTS));
  // Of each something is known before anything can go wrong, and as soon as the line is there again.
  const back = outage === undefined ? 0 : Math.ceil((outage.to - EPOCH_MS) / MOMENT_MS);
  const isSure = (at: number) =>
    at < SERIES.length || (outage !== undefined && at >= back && at < back + SERIES.length);
  for (let at = 0; at < MOMENTS - QUIET_MOMENTS; at++) {
    if (!isSure(at) && !dice.chance(density)) continue;
    const turn = isRegular ? at % REGULAR : dice.int(0, SERIES.length - 1);
    const which = isSure(at) ? (at < SERIES.length ? at : at - back) : turn;
    // Each is silent for a while, once.
    if (!isRegular && !isSure(at) && at >= gone[which]! && at < gone[which]! + 60) continue;
    const [sensor, metric] = SERIES[which]!;
    values[which] = Math.min(20, Math.max(0, values[which]! + dice.int(-4, 4)));
    const sample: Measured = {
      sensor,
      metric,
      ts: EPOCH_MS + at * MOMENT_MS,
      value: measuredAs(dice, metric, values[which]!, isSure(at)),
    };
    if (!isSure(at) && dice.chance(0.03)) sample.quality = 'bad';
    samples.push(sample);
  }
  return samples;
}

/** What other series say at the moments of some. */
function drawBeside(dice: Dice, samples: readonly Measured[]): Measured[][] {
  const share = dice.pick([0.2, 0.5, 0.9]);
  const values = SERIES.map(() => dice.int(5, 15));
  return samples.map((first) => {
    const moment = [first];
    if (!dice.chance(share)) return moment;
    SERIES.forEach(([sensor, metric], which) => {
      if ((sensor === first.sensor && metric === first.metric) || !dice.chance(0.4)) return;
      values[which] = Math.min(20, Math.max(0, values[which]! + dice.int(-5, 5)));
      moment.push({ sensor, metric, ts: first.ts, value: measuredAs(dice, metric, values[which]!, false) });
    });
    return moment;
  });
}

/** In any order of names; where a rule waits for what is late, some come one by one. */
function drawMessages(dice: Dice, moments: readonly Measured[][], latenessMs: number): Measured[][] {
  return moments.flatMap((moment) => {
    const message = [...moment];
    for (let at = message.length - 1; at > 0; at--) {
      const other = dice.int(0, at);
      [message[at], message[other]] = [message[other]!, message[at]!];
    }
    return latenessMs > 0 && dice.chance(0.5) ? message.map((each) => [each]) : [message];
  });
}

function measuredAs(dice: Dice, metric: string, value: number, isSure: boolean): Value {
  if (metric === 'state') return value > 12 ? 'jam' : value > 5 ? 'ok' : 'idle';
  return !isSure && dice.chance(0.02) ? 'unavailable' : value;
}

/** Late within the bound, out of order, in batches, some twice. */
function drawArrivals(
  dice: Dice,
  messages: readonly Measured[][],
  latenessMs: number,
  delayMsMax: number,
  outage?: Outage,
): Deed[] {
  const arrivals = messages.map((samples) => ({
    samples,
    at: samples[0]!.ts + dice.int(0, Math.min(delayMsMax, Math.max(0, latenessMs - 1_001))),
  }));
  for (const [place, each] of arrivals.entries()) {
    if (outage === undefined || each.at < outage.from || each.at >= outage.to) continue;
    // A backlog comes four times as fast as it grew.
    each.at =
      outage.to + BACKLOG_AFTER_MS + Math.max(0, Math.round((each.samples[0]!.ts - outage.from) / 4)) + place / 1_000;
  }
  for (const { samples, at } of [...arrivals]) {
    if (!dice.chance(0.1)) continue;
    // What comes twice may come much later: nothing is new about it.
    const again = at + dice.int(1, dice.chance(0.3) ? 30_000 : 3_000);
    arrivals.push({ samples, at: again });
  }
  arrivals.sort((a, b) => a.at - b.at);
  const deeds: Extract<Deed, { kind: 'samples' }>[] = [];
  let begunAt = 0;
  for (const { samples, at } of arrivals) {
    const batch = deeds.at(-1);
    const joins =
      latenessMs > 0 && outage === undefined && batch !== undefined && at - batch.at < 1_000 && dice.chance(0.4);
    // The first of it must not come too late because of the last.
    if (joins && at - begunAt < 1_000 && !batch.samples.includes(samples[0]!)) {
      batch.samples.push(...samples);
      // A batch comes when the last of it has come.
      batch.at = at;
    } else {
      deeds.push({ kind: 'samples', at, samples: [...samples] });
      begunAt = at;
    }
  }
  return deeds;
}
