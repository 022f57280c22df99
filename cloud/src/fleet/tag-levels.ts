/**
 * Levels that devices say by their tags: what a device is to run has, in its configuration, the tags that the rule names, before
 * what the deployment says for all.
 *
 *     tag of the device  >  configuration of the deployment  >  default in the rule
 *
 * So a changed tag is another configuration of the same version: no rollout, and what is open stays open.
 */
import { type Bundle, ruleIn, rulePlan, tagsOf } from '@weir/protocols';
import type { DeploymentRecord } from './fleet.ts';
import type { Winner } from './winners.ts';

/** By which a schedule goes that is in the zone of the device. */
const ZONE_TAG = 'tz';

/** Tags that a bundle wants to know. */
export function tagsNamedBy(bundle: Bundle): string[] {
  const rule = ruleIn(bundle);
  if (rule === undefined) return [];
  const plan = rulePlan(rule);
  const isByDevice = [...plan.schedule, ...plan.maintenance].some(({ zone }) => zone === 'device');
  return [...new Set([...tagsOf(plan), ...(isByDevice ? [ZONE_TAG] : [])])];
}

type Setting = Pick<DeploymentRecord, 'config' | 'tags'>;

/** The configuration of a deployment on a device that has these tags. */
export function configOn({ config, tags = [] }: Setting, has: Readonly<Record<string, string>>): Setting['config'] {
  const named = tags.filter((tag) => Object.hasOwn(has, tag));
  return named.length === 0 ? config : { ...config, ...Object.fromEntries(named.map((tag) => [tag, has[tag]!])) };
}

export function onDevice(winner: Winner, has: Readonly<Record<string, string>>): Winner {
  const config = configOn(winner.deployment, has);
  return config === winner.deployment.config ? winner : { ...winner, deployment: { ...winner.deployment, config } };
}
