/** What people do who have no adaptive rule: two levels, with everything else as the adaptive rule has it. */
import { type Judge, type Score, scoreOf } from './scoring.ts';
import type { LabelledTrace } from './synthetic.ts';

/** Over when the value was within for an hour; a single reading beyond is none, as with the adaptive rule. */
const CALM_MS = 3_600_000;
/** Beyond what the learning part has shown, by this share of its range. */
const MARGIN = 0.1;
/** Levels that are tried: at these shares of all values of the trace, on either side. */
const SHARES = [0, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1];

interface Levels {
  below: number;
  above: number;
}

function judgeOf({ below, above }: Levels, from: number): Judge {
  let [isFiring, beyond, calmSince] = [false, 0, 0];
  return (ts, value) => {
    if (ts < from) return undefined;
    const isBeyond = value < below || value > above;
    beyond = isBeyond ? beyond + 1 : 0;
    if (isBeyond) calmSince = 0;
    else if (calmSince === 0) calmSince = ts;
    if (beyond > 1) isFiring = true;
    else if (calmSince !== 0 && ts - calmSince >= CALM_MS) isFiring = false;
    return isFiring;
  };
}

/** Somebody looks at what there was while the adaptive rule learned, and leaves some room. */
export function scoreLearned(trace: LabelledTrace, learnMs: number): Score {
  const until = trace.readings[0]!.ts + learnMs;
  const seen = trace.readings.filter(({ ts }) => ts < until).map(({ value }) => value);
  const [least, greatest] = [Math.min(...seen), Math.max(...seen)];
  const room = MARGIN * (greatest - least);
  return scoreOf(trace, judgeOf({ below: least - room, above: greatest + room }, until));
}

/** Somebody who knows the whole trace and its labels takes the best pair of levels there is; nobody does. */
export function scoreOracle(trace: LabelledTrace, learnMs: number): Score {
  const from = trace.readings[0]!.ts + learnMs;
  const rising = trace.readings.map(({ value }) => value).sort((a, b) => a - b);
  const at = (share: number) => rising[Math.round(share * (rising.length - 1))]!;
  let best = scoreLearned(trace, learnMs);
  for (const below of SHARES.map(at)) {
    for (const above of SHARES.map((share) => at(1 - share))) {
      const score = scoreOf(trace, judgeOf({ below, above }, from));
      if (worth(score) > worth(best)) best = score;
    }
  }
  return best;
}

/** A window found is worth as much as a week without a false alarm. */
function worth({ windows, detected, falseAlarms, weeks }: Score): number {
  return (windows === 0 ? 0 : detected / windows) - falseAlarms / weeks;
}
