/**
 * What can be known of a rule on the devices of a group before it runs there: whether its levels are of the kind of what they
 * are compared with, and whether every device has the tags that it takes levels from.
 */
import {
  type Condition,
  converter,
  kindOf,
  type RulePlan,
  ruleIn,
  rulePlan,
  type Signal,
  signalsOf,
  unitDoubt,
} from '@weir/protocols';
import { globMatches, parseBundle } from '@weir/runtime';
import { readLatest } from '../store/latest.ts';
import type { Store } from '../store/store.ts';
import { getBundle } from './bundles.ts';
import type { DeviceStored } from './devices.ts';
import { FleetError } from './error.ts';
import type { DeploymentRecord } from './fleet.ts';
import { devicesOf } from './groups.ts';
import { deviceKey } from './keys.ts';

/** Devices of one group are of a kind: these many say what the rest would. */
const DEVICES_MAX = 200;
/** What is said at most: a person reads it. */
const WARNINGS_MAX = 5;

interface Found {
  unit: string;
  series: string;
  device: string;
}

/**
 * @returns one sentence for each thing that may not be as meant
 * @throws {FleetError} `unit-mismatch` when the rule could judge nothing of what is known
 */
export async function ruleNotes(
  store: Store,
  { group, hash, config }: Pick<DeploymentRecord, 'group' | 'hash' | 'config'>,
): Promise<string[]> {
  const bytes = await getBundle(store, hash);
  const rule = bytes && ruleIn(parseBundle(bytes));
  if (rule === undefined) return [];
  const plan = rulePlan(rule);
  const untagged = new Map(requiredTags(plan, config).map((tag) => [tag, [] as string[]]));
  const units = new Units(plan);
  let left = DEVICES_MAX;
  for await (const device of devicesOf(store, group)) {
    const tags = ((await store.get(deviceKey(device, 'record')))?.json as DeviceStored | undefined)?.tags ?? {};
    for (const [tag, without] of untagged) if (!Object.hasOwn(tags, tag)) without.push(device);
    for (const { sensor, metric, unit } of await readLatest(store, device)) {
      if (unit !== undefined) units.see({ sensor, metric }, unit, device);
    }
    left -= 1;
    if (left === 0) break;
  }
  const missing = [...untagged].flatMap(([tag, without]) => (without.length === 0 ? [] : [untaggedText(tag, without)]));
  return [...new Set([...units.notes(plan.name), ...missing])].slice(0, WARNINGS_MAX);
}

class Units {
  readonly #signals: readonly Signal[];
  #fitting = new Set<Signal>();
  #other = new Map<Signal, Found>();

  constructor(plan: RulePlan) {
    this.#signals = signalsOf(plan).filter(({ unit, measure }) => unit !== undefined && measure.kind !== 'count');
  }

  see(series: { sensor: string; metric: string }, unit: string, device: string): void {
    for (const signal of this.#signals) {
      if (!globMatches(signal.sensor, series.sensor) || !globMatches(signal.metric, series.metric)) continue;
      if (converter(unit, signal.unit!) !== undefined) this.#fitting.add(signal);
      else if (!this.#other.has(signal)) {
        this.#other.set(signal, { unit, device, series: `${series.sensor}/${series.metric}` });
      }
    }
  }

  notes(rule: string): string[] {
    return this.#signals.flatMap((signal) => {
      const other = this.#other.get(signal);
      const isFitting = this.#fitting.has(signal);
      if (other === undefined) return isFitting ? [] : (unitDoubt(signal.unit!) ?? []);
      const what = `the levels of "${rule}" are in ${named(signal.unit!)}, and ${other.series} of ${other.device} comes in ${named(other.unit)}`;
      if (isFitting) return [`${what}: there it cannot be judged`];
      throw new FleetError('unit-mismatch', what, remedyFor(other.unit));
    });
  }
}

function remedyFor(unit: string): string {
  const meant = unit === 'C' ? 'Cel' : unit === 'F' ? 'degF' : undefined;
  const hint =
    meant === undefined ? '' : `; ${unit} is ${kindOf(unit)}: if degrees are meant, the sensor is to send ${meant}`;
  return `give the levels in a unit of the same kind, e.g. unit: ${unit}, or watch another metric${hint}`;
}

function named(unit: string): string {
  const kind = kindOf(unit);
  return kind === unit ? unit : `${unit} (${kind})`;
}

/** Tags for which neither the rule nor the deployment says what holds without them. */
function requiredTags({ ladder }: RulePlan, config: DeploymentRecord['config']): string[] {
  const bare = ladder.flatMap(({ when, clear }) => [when, ...(clear === undefined ? [] : [clear])].flatMap(bareTags));
  return [...new Set(bare)].filter((tag) => !Object.hasOwn(config, tag));
}

function bareTags(condition: Condition): string[] {
  if (condition.kind === 'of') return condition.conditions.flatMap(bareTags);
  if (condition.kind === 'series' || condition.kind === 'repeated') return bareTags(condition.condition);
  if (condition.kind === 'silent' || condition.kind === 'adaptive') return [];
  const levels = 'levels' in condition ? condition.levels : [condition.level];
  return levels.flatMap((level) =>
    typeof level === 'object' && 'tag' in level && level.default === undefined ? [level.tag] : [],
  );
}

function untaggedText(tag: string, devices: readonly string[]): string {
  const others = devices.length > 1 ? ` and ${devices.length - 1} more` : '';
  const remedy = `weir device tag ${devices[0]} ${tag}=80, --config ${tag}=80 for the group, or a default in the rule`;
  return `${devices[0]}${others} without the tag "${tag}": there the rule has no level; ${remedy}`;
}
