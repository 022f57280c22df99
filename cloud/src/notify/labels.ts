/** By which alerts are routed, grouped, silenced and inhibited. */
import type { AlertTransition } from '@weir/protocols';
import type { Origin } from '../api/events.ts';

export type Labels = Record<string, string>;

/** What the hub knows of a device. */
export interface DeviceFacts {
  groups: readonly string[];
  tags: Readonly<Record<string, string>>;
}

/** What has labels: a transition, or its episode. */
export type Labelled = Pick<AlertTransition, 'source' | 'device' | 'sensor' | 'metric' | 'severity' | 'labels'>;

/** Names that no rule can give another meaning. */
const GROUP = 'group';

/**
 * `alertname` (of the rule or function), `device`, `sensor`, `metric`, `severity`, `origin` (`edge` or `cloud`), `group` (names of the
 * groups of the device, with commas in between), `tag_<name>` for each tag of the device, and what labels the rule has. The ones
 * named here win over those of a rule.
 */
export function alertLabels(transition: Labelled, origin: Origin, facts?: DeviceFacts): Labels {
  const { source, device, sensor, metric, severity } = transition;
  const tags = Object.entries(facts?.tags ?? {}).map(([name, value]) => [`tag_${nameOf(name)}`, value]);
  const groups = [...(facts?.groups ?? [])].sort().join(',');
  return {
    ...transition.labels,
    ...(Object.fromEntries(tags) as Labels),
    alertname: source.name,
    device,
    ...(sensor !== undefined && { sensor }),
    ...(metric !== undefined && { metric }),
    severity,
    origin,
    ...(groups !== '' && { [GROUP]: groups }),
  };
}

/** A device is in several groups: each of them is a value of the label. One that is not there is empty. */
export function valuesOf(labels: Labels, name: string): string[] {
  const value = labels[name] ?? '';
  return name === GROUP ? value.split(',') : [value];
}

/** What all of them say alike. */
export function shared(each: readonly Labels[]): Labels {
  const [first = {}, ...others] = each;
  return Object.fromEntries(
    Object.entries(first).filter(([name, value]) => others.every((labels) => labels[name] === value)),
  );
}

function nameOf(tag: string): string {
  return tag.replace(/[^A-Za-z0-9_]/g, '_');
}
