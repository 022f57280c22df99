/** From wave to wave: what has to be so that a rollout goes on. */
import type { Admission } from './admission.ts';
import type { Rollout, Step, Told } from './rollout.ts';
import type { Stood } from './standing.ts';
import { limitOf } from './waves.ts';
import { devicesText, isoText, soakText, waveText } from './words.ts';

/** Lines that are kept: 20 waves with what may happen in each. */
const TOLD_MAX = 100;

export function tell(rollout: Rollout, at: number, text: string): Rollout {
  const line: Told = { at, text };
  return { ...rollout, told: [...rollout.told, line].slice(-TOLD_MAX) };
}

/** Of the devices of a wave. */
interface Wave {
  /** Have said how it goes. */
  reported: number;
  /** Of these, connected now, and of those that run it only such as have done so for the soak. */
  proven: number;
  /** When the first of those that run it will have done so, ms since epoch. */
  provenAt?: number;
  running: number;
  pending: number;
  /** Devices that it was to have, as far as can be told. */
  planned: number;
  /** There is nobody who could say how it goes: everybody has had it before, or runs another group's. */
  isEmpty: boolean;
}

function waveOf({ wave, options, members, admittedBefore }: Rollout, all: readonly Stood[], now: number): Wave {
  const own = all.filter(({ view }) => view.admission?.wave === wave);
  const reporting = own.filter(
    ({ standing: { kind } }) => kind === 'running' || kind === 'failed' || kind === 'silent',
  );
  const running = own.filter(({ standing }) => standing.kind === 'running');
  const soaks = running.filter(({ view }) => view.connected).map(({ view }) => view.admission?.ranAt ?? now);
  const provenAt = Math.min(...soaks) + options.soakMs;
  const hasSoaked = ({ view }: Stood) => view.connected && (view.admission?.ranAt ?? now) + options.soakMs <= now;
  const limit = limitOf(options.waves, wave, members);
  const isLast = !Number.isFinite(limit);
  const isUsedUp = all.every(({ view }) => view.admission !== undefined);
  const planned = Number.isFinite(limit) ? Math.min(limit, members) - admittedBefore : own.length;
  return {
    reported: reporting.length,
    proven: (running.length === 0 ? reporting.filter(({ view }) => view.connected) : running.filter(hasSoaked)).length,
    ...(Number.isFinite(provenAt) && provenAt > now && { provenAt }),
    running: running.length,
    pending: own.filter(({ standing }) => standing.kind === 'pending').length,
    planned,
    isEmpty: planned <= 0 || (own.every(({ view }) => view.overridden) && (own.length > 0 || isLast || isUsedUp)),
  };
}

/**
 * Nobody is to be let in just now.
 *
 * @param rollout what is written as long as nothing comes of it
 * @param seen the same with what was seen last, to be written with what comes of it
 */
export function goOn(rollout: Rollout, seen: Rollout, all: readonly Stood[], admission: Admission, now: number): Step {
  const wave = waveOf(rollout, all, now);
  if (admission.left > 0) return waitForAdmission(rollout, admission);
  if (wave.isEmpty) {
    const { running = 0, failed = 0, silent = 0 } = seen.counts ?? {};
    const hasSaid = rollout.wave < rollout.options.waves.length - 1 || running + failed + silent > 0;
    return hasSaid
      ? endWave(seen, now)
      : wait(rollout, `on all its devices another group's ${rollout.target.name} runs`);
  }
  if (wave.pending > 0) return wait(rollout, `${waveText(rollout)}: ${devicesText(wave.pending)} still to take it`);
  const missing = missingOf(rollout, wave);
  if (missing !== undefined) return wait(rollout, missing);
  switch (rollout.phase) {
    case 'admitting':
      return soak(seen, wave, now);
    case 'soaking':
      return endSoak(rollout, seen, wave, now);
    default:
      return endWave(seen, now);
  }
}

function wait(rollout: Rollout, waiting: string, wakeAt?: number): Step {
  return { rollout, effects: [], waiting, ...(wakeAt !== undefined && { wakeAt }) };
}

function waitForAdmission(rollout: Rollout, { left, why, opensAt }: Admission): Step {
  const until = why?.startsWith('the window') ? ` until ${isoText(opensAt!)}` : '';
  return wait(rollout, `${waveText(rollout)}: ${devicesText(left)} to be let in; ${why}${until}`, opensAt);
}

/** What has to be heard of a wave. @returns undefined when it has been */
function missingOf(rollout: Rollout, { reported, planned }: Wave): string | undefined {
  if (reported === 0) return `${waveText(rollout)}: no device that has it can be reached; it goes on when one connects`;
  const needed = Math.ceil((rollout.options.minReportPercent * planned) / 100);
  if (reported >= needed) return undefined;
  return `${waveText(rollout)}: ${reported} of ${devicesText(planned)} have taken it, ${needed} must; the others are offline`;
}

function soak(seen: Rollout, wave: Wave, now: number): Step {
  const { soakMs } = seen.options;
  const soaking: Rollout = { ...seen, phase: 'soaking', soakUntil: now + soakMs };
  return { rollout: tell(soaking, now, `${waveText(seen)}: ${soakText(seen, wave.running)}`), effects: [] };
}

function endSoak(rollout: Rollout, seen: Rollout, wave: Wave, now: number): Step {
  const { soakUntil, options, switchAsked } = rollout;
  if (now < soakUntil!) {
    return wait(rollout, `${waveText(rollout)}: it runs until ${clockText(soakUntil!)}`, soakUntil!);
  }
  if (wave.proven === 0) {
    const text = `${waveText(rollout)}: no device that can be reached has run it so long`;
    return wait(rollout, text, wave.provenAt);
  }
  if (options.blueGreen === undefined) return endWave(seen, now);
  if (options.blueGreen === 'asked' && !switchAsked) {
    return wait(rollout, `${waveText(rollout)}: both run; the new one takes over with: weir deploy switch`);
  }
  const { switchAsked: _, soakUntil: __, ...rest } = seen;
  const switching: Rollout = { ...rest, phase: 'switching', switched: rollout.wave + 1 };
  const text = `${waveText(rollout)}: ${rollout.target.version} takes over from what stands`;
  return { rollout: tell(switching, now, text), effects: [{ type: 'follow' }] };
}

function clockText(at: number): string {
  return `${new Date(at).toISOString().slice(11, 19)}Z`;
}

function endWave(seen: Rollout, now: number): Step {
  const { soakUntil: _, switchAsked: __, ...rest } = seen;
  const { wave, options, admitted, counts, target } = rest;
  if (wave < options.waves.length - 1) {
    return { rollout: { ...rest, phase: 'admitting', wave: wave + 1, admittedBefore: admitted }, effects: [] };
  }
  const { offline = 0, failed = 0 } = counts ?? {};
  const away = offline === 0 ? '' : `; ${devicesText(offline)} will get it when they connect`;
  const broken = failed === 0 ? '' : `; ${devicesText(failed)} failed, and run what they had`;
  const done: Rollout = { ...rest, phase: 'done', endedAt: now, switched: wave + 1 };
  return { rollout: tell(done, now, `done: ${target.version} stands in the group${broken}${away}`), effects: [] };
}
