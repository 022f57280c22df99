/** What a rollout does when something happens. Pure; README.md is its specification. */
import { type Admission, admissionOf } from './admission.ts';
import { goOn, tell } from './phases.ts';
import {
  type Counts,
  type DeviceView,
  type FailedDevice,
  isOpen,
  type Rollout,
  type RolloutEvent,
  type Step,
} from './rollout.ts';
import { countsOf, isOverThreshold, type Stood, standingsOf } from './standing.ts';
import { backText, beginText, devicesText, failedText, isoText, soakText, waveText } from './words.ts';

/** Failed devices that are named. */
const FAILURES_KEPT = 10;

export function step(rollout: Rollout, event: RolloutEvent, now: number): Step {
  switch (event.type) {
    case 'observed':
      return observed(rollout, event.devices, now);
    case 'pause':
      return pause(rollout, now);
    case 'resume':
      return resume(rollout, now);
    case 'abort':
      return abort(rollout, now);
    case 'switch':
      return switchOver(rollout);
    case 'superseded':
      if (!isOpen(rollout)) return same(rollout);
      return same(tell({ ...rollout, phase: 'superseded', endedAt: now }, now, `${event.by} takes over`));
  }
}

const same = (rollout: Rollout): Step => ({ rollout, effects: [] });

function pause(rollout: Rollout, now: number): Step {
  const { phase } = rollout;
  if (phase === 'paused') return same(rollout);
  if (phase === 'scheduled' || phase === 'admitting' || phase === 'soaking' || phase === 'switching') {
    const paused: Rollout = { ...rollout, phase: 'paused', pausedIn: phase };
    return same(tell(paused, now, 'paused: who has it keeps it, nobody else gets it'));
  }
  return refuse(rollout, 'paused', `see how it is with: weir deploy status ${rollout.target.name}`);
}

function resume(rollout: Rollout, now: number): Step {
  const { phase, pausedIn, ...rest } = rollout;
  if (phase === 'paused') return same(tell({ ...rest, phase: pausedIn! }, now, 'resumed'));
  if (isOpen(rollout) && phase !== 'aborting') return same(rollout);
  return refuse(rollout, 'resumed', again('deploy retry', rollout));
}

function abort(rollout: Rollout, now: number): Step {
  const { phase } = rollout;
  if (phase === 'aborting' || phase === 'aborted') return same(rollout);
  if (isOpen(rollout)) return goBack(rollout, 'aborted by an operator', now);
  return refuse(rollout, 'aborted', again('fn rollback', rollout));
}

function switchOver(rollout: Rollout): Step {
  const { phase, options } = rollout;
  if (options.blueGreen === undefined) {
    return refuse(rollout, 'switched', 'only what was deployed with --blue-green runs beside what it replaces');
  }
  if (isOpen(rollout) && phase !== 'aborting') return same({ ...rollout, switchAsked: true });
  return refuse(rollout, 'switched', again('deploy retry', rollout));
}

function again(command: string, { target }: Rollout): string {
  const does = command === 'fn rollback' ? 'go back to what ran before' : 'if it was aborted, begin it anew';
  return `${does} with: weir ${command} ${target.name} --group ${target.group}`;
}

function refuse(rollout: Rollout, what: string, remedy: string): Step {
  const { target, phase, atOnce } = rollout;
  const how = atOnce && phase === 'watching' ? 'went to all devices at once' : `is ${phase}`;
  const message = `the rollout of ${target.name}@${target.version} ${how}, and cannot be ${what}`;
  return { ...same(rollout), refused: { message, remedy } };
}

/** In every phase but the last ones. */
function observed(rollout: Rollout, devices: readonly DeviceView[], now: number): Step {
  if (!isOpen(rollout)) return same(rollout);
  if (rollout.phase === 'aborting') return gatherBack(rollout, devices, now);
  const all = standingsOf(devices, rollout, now);
  const counts = countsOf(all);
  if (isOverThreshold(counts, rollout) && !rollout.atOnce) {
    const failures = failuresOf(all);
    return goBack({ ...rollout, failures, counts }, failedText(counts, failures), now);
  }
  switch (rollout.phase) {
    case 'scheduled':
      return begin(rollout, devices, now);
    case 'watching':
      return watch(rollout, all, counts, now);
    case 'paused':
      return { ...same(rollout), waiting: 'it is paused; go on with: weir deploy resume' };
    default:
      return carry(rollout, all, counts, now);
  }
}

function failuresOf(all: readonly Stood[]): FailedDevice[] {
  const failures: FailedDevice[] = [];
  for (const { view, standing } of all) {
    if (standing.kind === 'failed') failures.push({ device: view.device, reason: standing.reason });
    if (failures.length === FAILURES_KEPT) break;
  }
  return failures;
}

/** Nothing is asked of the devices first: what is wanted of each changes at once, and for those that are offline, too. */
function goBack(rollout: Rollout, why: string, now: number): Step {
  const { pausedIn: _, ...rest } = rollout;
  const text = `${why}; ${backText(rollout)}`;
  const next = tell({ ...rest, phase: 'aborting', why }, now, why.startsWith('aborted') ? text : `aborted: ${text}`);
  return { rollout: next, effects: [{ type: 'go-back' }] };
}

function gatherBack(rollout: Rollout, devices: readonly DeviceView[], now: number): Step {
  const had = devices.filter(({ admission }) => admission !== undefined || rollout.atOnce);
  const open = had.filter(({ connected, isBack, overridden }) => connected && !isBack && !overridden);
  if (open.length > 0) {
    return { ...same(rollout), waiting: `${devicesText(open.length)} still to go back` };
  }
  const away = had.filter(({ connected, isBack }) => !connected && !isBack).length;
  const text = away === 0 ? 'all have gone back' : `${devicesText(away)} will go back when they connect`;
  return same(tell({ ...rollout, phase: 'aborted', endedAt: now }, now, text));
}

function begin(rollout: Rollout, devices: readonly DeviceView[], now: number): Step {
  const { notBefore } = rollout.options;
  if (notBefore !== undefined && now < notBefore) {
    return { ...same(rollout), waiting: `it begins at ${isoText(notBefore)}`, wakeAt: notBefore };
  }
  if (devices.length === 0) return { ...same(rollout), waiting: 'the group has no devices yet' };
  const begun: Rollout = { ...rollout, phase: 'admitting', members: devices.length };
  return same(tell(begun, now, beginText(begun)));
}

/** It stands already: it is looked at only whether it is good, and can be gone back to. */
function watch(rollout: Rollout, all: readonly Stood[], counts: Counts, now: number): Step {
  const failures = failuresOf(all);
  const seen = failures.length === rollout.failures.length ? rollout : { ...rollout, failures };
  if (counts.pending > 0) return { ...same(seen), waiting: `${devicesText(counts.pending)} still to take it` };
  if (counts.running === 0 && counts.failed === 0) {
    return { ...same(seen), waiting: 'no device that can be reached runs it yet' };
  }
  if (counts.running <= counts.failed) return { ...same(seen), waiting: failedText(counts, failures) };
  const done: Rollout = { ...seen, phase: 'done', endedAt: now, counts };
  return same(tell(done, now, soakText({ ...done, options: { ...done.options, soakMs: 0 } }, counts.running)));
}

/** In `admitting`, `soaking` and `switching`. */
function carry(rollout: Rollout, all: readonly Stood[], counts: Counts, now: number): Step {
  const admission = admissionOf(rollout, all, now);
  if (admission.devices.length > 0 && rollout.phase !== 'switching') return admit(rollout, admission, now);
  const seen = { ...rollout, counts, failures: failuresOf(all) };
  const step = goOn(rollout, seen, all, admission, now);
  if (step.rollout.phase === 'done') step.effects.push({ type: 'stand' });
  return step;
}

function admit(rollout: Rollout, { devices, rateAt }: Admission, now: number): Step {
  const isFirst = rollout.admitted === rollout.admittedBefore;
  const next: Rollout = { ...rollout, admitted: rollout.admitted + devices.length };
  if (rateAt !== undefined) next.rateAt = rateAt;
  const begun = isFirst ? tell(next, now, `${waveText(next)} begins with ${devicesText(devices.length)}`) : next;
  return { rollout: begun, effects: [{ type: 'admit', devices, wave: rollout.wave }] };
}
