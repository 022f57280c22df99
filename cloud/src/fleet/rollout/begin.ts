import { isDeepStrictEqual } from 'node:util';
import type { DeploymentRecord } from '../fleet.ts';
import { step } from './machine.ts';
import { atOnceOptions } from './options.ts';
import { isCarried, isOpen, type Rollout, type RolloutOptions } from './rollout.ts';
import { isSameSetting } from './stored.ts';

/** Versions of superseded rollouts that devices may keep meanwhile; whose is older goes back to what stands. */
const EARLIER_MAX = 8;

/**
 * The rollout with which a deployment begins.
 *
 * @param standing what stands under the name
 * @param before the newest rollout of the name
 * @param options undefined: to all at once
 */
export function newRollout(
  target: DeploymentRecord,
  standing: DeploymentRecord | undefined,
  before: Rollout | undefined,
  options: RolloutOptions | undefined,
  now: number,
): Rollout {
  // What has not been seen to do well is nothing to go back to, if there is anything else.
  const lastGood = before?.phase === 'watching' ? (before.lastGood ?? standing) : standing;
  const isAtOnce = options === undefined || target.gathers === true;
  const rollout: Rollout = {
    order: target.order,
    target,
    options: isAtOnce ? atOnceOptions() : options,
    atOnce: isAtOnce,
    phase: isAtOnce ? 'watching' : 'scheduled',
    createdAt: now,
    wave: 0,
    members: 0,
    admitted: 0,
    admittedBefore: 0,
    switched: 0,
    earlier: before === undefined || isAtOnce ? [] : keptOf(before),
    failures: [],
    told: [{ at: now, text: beginning(target, standing, options) }],
  };
  if (lastGood !== undefined) rollout.lastGood = lastGood;
  return rollout;
}

function beginning(target: DeploymentRecord, standing?: DeploymentRecord, waves?: object): string {
  const { name, version, gathers } = target;
  const from = standing === undefined ? '' : `, where ${standingText(target, standing)}`;
  if (waves === undefined) return `${name}@${version} is wanted of all at once${from}`;
  if (gathers) return `${name}@${version} runs in one place for the whole group: at once, without waves${from}`;
  return `${name}@${version} is to come${from}`;
}

/** Of one number there may be different code, and different configurations of one. */
function standingText(target: DeploymentRecord, standing: DeploymentRecord): string {
  if (standing.version !== target.version) return `${standing.version} stands`;
  if (standing.hash !== target.hash) return 'other code of the same version stands';
  return isSameSetting(target, standing) ? 'the same stands' : 'the same stands with another configuration';
}

function keptOf(before: Rollout): DeploymentRecord[] {
  if (!isCarried(before)) return [];
  // Blue/green, and not switched yet: it has only run beside what stands.
  const hasTaken = before.admitted > 0 && (before.options.blueGreen === undefined || before.switched > 0);
  return (hasTaken ? [...before.earlier, before.target] : before.earlier).slice(-EARLIER_MAX);
}

/** A rollout that a newer one replaces, as it goes among those that have been. */
export function replaced(before: Rollout, by: DeploymentRecord, now: number): Rollout {
  return step(before, { type: 'superseded', by: `${by.name}@${by.version}` }, now).rollout;
}

/** Whether it is on its way already, in the same manner: to ask for it again changes nothing. */
export function isUnderWay(
  before: Rollout | undefined,
  target: DeploymentRecord,
  options: RolloutOptions | undefined,
): boolean {
  if (before === undefined || options === undefined || !isOpen(before) || before.phase === 'aborting') return false;
  return isSameSetting(before.target, target) && isDeepStrictEqual(before.options, options);
}
