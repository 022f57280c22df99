/** What a driver knows of the devices of a rollout, and how the machine is to look at it. */
import { configDigest, isUnderWay, type ReportedDeployment } from '@weir/protocols';
import type { DeploymentRecord } from '../fleet.ts';
import { configOn } from '../tag-levels.ts';
import type { DeviceReport, DeviceView, Rollout } from './rollout.ts';
import type { Admission } from './stored.ts';

export interface Facts {
  device: string;
  connected: boolean;
  /** Since when, ms since epoch; 0: never connected. */
  since: number;
  zone?: string;
  /** Of the device: some are in the configuration that it reports. */
  tags: Readonly<Record<string, string>>;
  /** When it came to the group. */
  joinedAt: number;
  /** To this rollout, or to one before. */
  admission?: Admission;
  /** Under the name, on the device or in the cloud, wherever the target runs. */
  reported?: ReportedDeployment;
  overridden: boolean;
}

type Version = Pick<DeploymentRecord, 'hash' | 'config' | 'tags'>;

export function viewOf(facts: Facts, rollout: Rollout): DeviceView {
  const { device, connected, since, zone, tags, joinedAt, admission, reported, overridden } = facts;
  const view: DeviceView = {
    ...{ device, connected, since, overridden },
    isLate: joinedAt > rollout.createdAt && rollout.members > 0,
    report: reportOf(facts, rollout),
    isBack: reported === undefined || !isOf(reported, rollout.target, tags) || isAlso(rollout, reported, tags),
  };
  if (zone !== undefined) view.zone = zone;
  if (admission?.order === rollout.order) {
    const { wave, at, ranAt } = admission;
    view.admission = ranAt === undefined ? { wave, at } : { wave, at, ranAt };
  }
  return view;
}

/** What is gone back to is the same as what was rolled out. */
function isAlso({ lastGood }: Rollout, reported: ReportedDeployment, tags: Facts['tags']): boolean {
  return lastGood !== undefined && isOf(reported, lastGood, tags);
}

function reportOf({ admission, reported, tags }: Facts, rollout: Rollout): DeviceReport {
  if (reported === undefined) return { kind: 'none' };
  const { target, options, switched, order, lastGood } = rollout;
  // Blue/green, and not switched yet. Where nothing stands there is nothing to run beside.
  const isBeside =
    options.blueGreen !== undefined &&
    lastGood !== undefined &&
    admission?.order === order &&
    admission.wave >= switched;
  if (isBeside && !isOf(reported, target, tags)) {
    const { candidate } = reported;
    if (candidate === undefined || !isOf(candidate, target, tags)) return { kind: 'none' };
    const { errors, state, reason } = candidate;
    // What stands fails at the same input: that is not the candidate's fault.
    return outcomeOf(state, reason, Math.max(0, errors.green - errors.blue));
  }
  if (!isOf(reported, target, tags)) return { kind: 'none' };
  if (reported.running !== undefined) {
    const why = reported.reason ?? reported.state;
    return { kind: 'failed', reason: `${why}; ${reported.running.version} runs in its place` };
  }
  return outcomeOf(reported.state, reported.reason, reported.errors ?? 0);
}

function outcomeOf(state: string, reason: string | undefined, errors: number): DeviceReport {
  if (state === 'running') return { kind: 'running', errors };
  if (isUnderWay(state)) return { kind: 'taking' };
  return { kind: 'failed', reason: reason ?? state };
}

export function isOf(
  reported: { hash: string; config?: string | undefined },
  version: Version,
  tags: Facts['tags'],
): boolean {
  return reported.hash === version.hash && reported.config === configDigest(configOn(version, tags));
}

/**
 * What is to be noted with the admission, for it was not seen before.
 *
 * @returns undefined when nothing is
 */
export function notedOf(facts: Facts, rollout: Rollout, now: number): Admission | undefined {
  const { admission, reported, tags } = facts;
  if (admission === undefined || admission.takenAt !== undefined) return undefined;
  if (reported?.state === 'running' && reported.running === undefined) {
    const setting = [rollout.target, ...rollout.earlier].find(({ order }) => order === admission.order);
    if (setting !== undefined && isOf(reported, setting, tags)) return { ranAt: now, ...admission, takenAt: now };
  }
  const runsBeside = admission.order === rollout.order && reportOf(facts, rollout).kind === 'running';
  return runsBeside && admission.ranAt === undefined ? { ...admission, ranAt: now } : undefined;
}
