import type { DeploymentRecord } from '../fleet.ts';
import { isCarried, isOpen, type Rollout } from './rollout.ts';
import type { Admission, GroupWants } from './stored.ts';

/**
 * What a device should run of what is rolled out, by the wave that it was let in with.
 *
 * @param standing what stands under the name
 * @param admission the device's, to this rollout or to one before
 */
export function settingFor(
  rollout: Rollout,
  standing: DeploymentRecord | undefined,
  admission: Admission | undefined,
): DeploymentRecord | undefined {
  if (!isCarried(rollout) || admission === undefined) return standing;
  const { target, options, switched, earlier } = rollout;
  if (admission.order !== rollout.order) {
    // What it runs of a superseded rollout it keeps: the way to the next is not by the one before. What it had not taken
    // yet it skips.
    const kept = earlier.find(({ order }) => order === admission.order);
    return admission.takenAt === undefined ? standing : (kept ?? standing);
  }
  if (options.blueGreen === undefined || standing === undefined || admission.wave < switched) return target;
  const { version, hash, bytes, config } = target;
  return { ...standing, candidate: { version, hash, bytes, config } };
}

/** For each name the newest that any device of the group may come to run. */
export function newestOf({ standing, rollouts }: GroupWants): DeploymentRecord[] {
  const newest = new Map(standing.map((record) => [record.name, record]));
  for (const rollout of rollouts) {
    if (isOpen(rollout) && rollout.phase !== 'aborting') newest.set(rollout.target.name, rollout.target);
  }
  return [...newest.values()];
}
