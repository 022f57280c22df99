/**
 * A cloud rule that watches what devices do not send never fires. Where that can be known when a policy or such a rule
 * is deployed, it is said then.
 */
import { describeForwarding, type ForwardingEntry, forwardingMode, rulePlan, signalsOf } from '@weir/protocols';
import { globMatches, globsMeet, parseBundle } from '@weir/runtime';
import type { Store } from '../store/store.ts';
import { getBundle } from './bundles.ts';
import type { DeviceStored } from './devices.ts';
import type { DeploymentRecord } from './fleet.ts';
import { devicesOf } from './groups.ts';
import { deviceKey } from './keys.ts';
import { newestOf } from './rollout/setting.ts';
import { settingsOf } from './rollout/stored.ts';
import { winners } from './winners.ts';

interface Selector {
  sensor: string;
  metric: string;
}

/** What is said at most: a person reads it. */
const WARNINGS_MAX = 10;

/** @param next what was deployed just now @returns one sentence for each watcher that misses something */
export async function forwardingWarnings(store: Store, next: DeploymentRecord): Promise<string[]> {
  if (next.kind !== 'forwarding' && next.where !== 'cloud') return [];
  const warnings = new Set<string>();
  for await (const wanted of wantedBeside(store, next.group)) {
    const policies = wanted.filter(({ kind }) => kind === 'forwarding').sort((a, b) => (a.name < b.name ? -1 : 1));
    const entries = (await Promise.all(policies.map((policy) => entriesOf(store, policy)))).flat();
    for (const watcher of wanted.filter(({ where }) => where === 'cloud')) {
      for (const selector of await selectorsOf(store, watcher)) {
        const missed = missedOf(entries, selector);
        if (missed === undefined || (missed.policy !== next.name && watcher.name !== next.name)) continue;
        warnings.add(sentence(watcher, selector, missed));
        if (warnings.size === WARNINGS_MAX) return [...warnings];
      }
    }
  }
  return [...warnings];
}

type PolicyEntry = ForwardingEntry & { policy: string };

/** The first entry by which readings that the selector wants do not reach the hub as they are. */
function missedOf(entries: readonly PolicyEntry[], selector: Selector): PolicyEntry | undefined {
  for (const entry of entries) {
    const mode = forwardingMode(entry);
    if (!globsMeet(entry.sensor, selector.sensor)) continue;
    const coversSensors = globMatches(entry.sensor, selector.sensor);
    // What is told of windows is sent, whatever comes below.
    const told =
      mode.kind === 'windows' ? mode.values.find((value) => selector.metric.endsWith(`.${value}`)) : undefined;
    const source = told === undefined ? undefined : selector.metric.slice(0, -told.length - 1);
    if (source !== undefined && coversSensors && globMatches(entry.metric, source)) return undefined;
    if (!globsMeet(entry.metric, selector.metric)) continue;
    if (mode.kind === 'none' || mode.kind === 'windows') return entry;
    // Stars of the selector are characters to the entry's: it covers whatever they stand for.
    if (coversSensors && globMatches(entry.metric, selector.metric)) return undefined;
  }
  return undefined;
}

function sentence({ kind, name }: DeploymentRecord, { sensor, metric }: Selector, missed: PolicyEntry): string {
  const watched = sensor === '*' ? metric : `${sensor}/${metric}`;
  const how = `${kind} "${name}" in the cloud watches ${watched}, which the devices do not send as it is: policy "${missed.policy}" has "${describeForwarding(missed)}"`;
  const remedy =
    missed.every === undefined ? 'run it on the devices' : `run it on the devices, or have it watch ${metric}.max, say`;
  return `${how}; ${remedy}`;
}

/** What each kind of device of the group wants: most are in the same groups. */
async function* wantedBeside(store: Store, group: string): AsyncGenerator<DeploymentRecord[]> {
  const known = new Set<string>();
  const wantedBy = async (groups: readonly string[]) =>
    [...winners((await Promise.all(groups.map((each) => settingsOf(store, each)))).flatMap(newestOf)).values()].map(
      ({ deployment }) => deployment,
    );
  for await (const device of devicesOf(store, group)) {
    const item = await store.get(deviceKey(device, 'record'));
    const groups = (item?.json as DeviceStored | undefined)?.groups ?? [group];
    if (known.has(groups.join())) continue;
    known.add(groups.join());
    yield await wantedBy(groups);
  }
  if (known.size === 0) yield await wantedBy([group]);
}

async function entriesOf(store: Store, { hash, name }: DeploymentRecord): Promise<PolicyEntry[]> {
  const bytes = await getBundle(store, hash);
  const bundle = bytes && parseBundle(bytes);
  return bundle?.kind === 'forwarding' ? bundle.forwarding.forward.map((entry) => ({ ...entry, policy: name })) : [];
}

/** Who takes everything is content with what there is. */
async function selectorsOf(store: Store, { hash }: DeploymentRecord): Promise<readonly Selector[]> {
  const bytes = await getBundle(store, hash);
  const bundle = bytes && parseBundle(bytes);
  if (bundle?.kind === 'rule') return signalsOf(rulePlan(bundle.rule));
  return bundle?.kind === 'function' ? bundle.manifest.inputs : [];
}
