/**
 * Traces of the families with known faults, of a size that a person would see in a plot. The method was developed with seeds
 * below a hundred; those from there on are for judging it, and nothing was chosen by them.
 */
import { FAMILIES, type Family } from './families.ts';
import { START } from './shapes.ts';
import { among, between, type Draw, drawn, type LabelledTrace, normal } from './synthetic.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

export type FaultName =
  | 'spike'
  | 'shift'
  | 'stuck'
  | 'drift'
  | 'slow_drift'
  | 'noise'
  | 'flat'
  | 'phase'
  | 'collapse'
  | 'amplitude';

interface Fault {
  hours: [least: number, most: number];
  /** @param range what the series spans, 1st to 99th percentile. @param by drawn, 0.5 to 1, or as much downwards */
  does(value: number, share: number, range: number, by: number, draw: Draw): number;
}

const FAULTS: Record<FaultName, Fault> = {
  spike: { hours: [0.3, 3], does: (value, _share, range, by) => value + 2 * Math.abs(by) * range },
  shift: { hours: [12, 36], does: (value, _share, range, by) => value + by * range },
  stuck: { hours: [24, 40], does: (value) => value },
  drift: { hours: [48, 96], does: (value, share, range, by) => value + 1.5 * by * range * share },
  slow_drift: { hours: [240, 336], does: (value, share, range, by) => value + 2 * by * range * share },
  noise: {
    hours: [12, 30],
    does: (value, _share, range, by, draw) => value + 0.7 * Math.abs(by) * range * normal(draw),
  },
  flat: { hours: [24, 40], does: (value) => value },
  phase: { hours: [24, 40], does: (value) => value },
  collapse: { hours: [6, 30], does: () => 0 },
  amplitude: { hours: [24, 40], does: (value) => value },
};

/** After what was wrong: it comes back. */
const TAIL_MS = 2 * HOUR_MS;

export interface FaultyTrace extends LabelledTrace {
  /** By window. */
  faults: FaultName[];
}

/** One trace that is well and two with faults, for each family. */
export function familyTraces(seed: number, families = Object.keys(FAMILIES)): FaultyTrace[] {
  return families.flatMap((name) => {
    const of = seed * 7_919 + Object.keys(FAMILIES).indexOf(name) * 131;
    const traces = [familyTrace(name, of, []), familyTrace(name, of + 1), familyTrace(name, of + 2)];
    if (FAMILIES[name]!.faults.includes('slow_drift')) traces.push(familyTrace(name, of + 3, ['slow_drift']));
    return traces;
  });
}

const isShort = (fault: FaultName) => fault !== 'slow_drift';

/** @param faults that may be: none, and all is well */
export function familyTrace(
  name: string,
  seed: number,
  faults: readonly FaultName[] = FAMILIES[name]!.faults.filter(isShort),
): FaultyTrace {
  const family = FAMILIES[name]!;
  const draw = drawn(seed ^ 0x2545f491);
  const intervalMs = among(draw, family.intervalMs);
  const times: number[] = [];
  const until = START + family.days * DAY_MS;
  const { irregular = 0 } = family;
  for (let at = START; at < until; at += intervalMs * (1 + irregular * (2 * draw() - 1))) {
    if (irregular === 0 || Math.round(at) % (9 * DAY_MS) > 9 * HOUR_MS) times.push(Math.round(at));
  }
  const [series, shifted] = [family.make(drawn(seed)), family.make(drawn(seed))];
  const values = times.map(series);
  const rising = [...values].sort((a, b) => a - b);
  const at = (share: number) => rising[Math.floor(share * (rising.length - 1))]!;
  const range = Math.max(at(0.99) - at(0.01), 0.02 * Math.abs(at(0.5)), 1e-6);
  const trace: FaultyTrace = { name: `${name}/${seed}`, readings: [], windows: [], faults: [] };
  const plans = faults.length === 0 ? [] : plansOf(family, faults, draw, range, at(0.01));
  const phaseMs = between(draw, 5, 12) * HOUR_MS;
  let held = 0;
  for (const [index, ts] of times.entries()) {
    const other = shifted(ts + phaseMs);
    let value = values[index]!;
    const plan = plans.find(({ from, to }) => ts >= from && ts < to);
    if (plan === undefined) held = value;
    else if (plan.name === 'stuck') value = held;
    else if (plan.name === 'phase') value = other;
    else if (plan.name === 'flat') value = at(0.2) + 0.02 * range * normal(draw);
    else if (plan.name === 'amplitude') value = at(0.5) + (value - at(0.5)) * 2.2;
    else value = FAULTS[plan.name].does(value, (ts - plan.from) / (plan.to - plan.from), range, plan.by, draw);
    trace.readings.push({ ts, value });
  }
  for (const { from, to, name: fault } of plans) {
    trace.windows.push([from, to + TAIL_MS]);
    trace.faults.push(fault);
  }
  return trace;
}

/** A fault in each two weeks or so, the first of them after a week and more. */
function plansOf({ days }: Family, faults: readonly FaultName[], draw: Draw, range: number, least: number) {
  const count = faults.length === 1 ? 1 : Math.max(1, Math.min(4, Math.floor((days - 7) / 7)));
  const eachMs = ((days - 8.5) / count) * DAY_MS;
  return Array.from({ length: count }, (_, index) => {
    const possible = faults.filter((each) => {
      if (faults.length > 1 && FAULTS[each].hours[1] * HOUR_MS > 0.7 * eachMs) return false;
      return each !== 'collapse' || Math.abs(least) > 0.3 * range;
    });
    const name = among(draw, possible);
    const ms = between(draw, ...FAULTS[name].hours) * HOUR_MS;
    const from = START + 8 * DAY_MS + index * eachMs + draw() * (eachMs - ms - 12 * HOUR_MS);
    const sign = name === 'shift' || name === 'drift' || name === 'slow_drift' ? (draw() < 0.5 ? -1 : 1) : 1;
    return { name, from, to: from + ms, by: sign * between(draw, 0.35, 1) };
  });
}
