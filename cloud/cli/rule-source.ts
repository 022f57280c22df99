/** Which rule is meant, over which devices, with which configuration: what trying and explaining it begin with. */
import { statSync } from 'node:fs';
import type { JsonObject, Rule } from '@weir/protocols';
import type { BuiltBundle } from '@weir/runtime';
import type { Deployment, Device, GroupMember } from './answers.ts';
import type { HubClient } from './client.ts';
import { deploymentsOf, parseConfig } from './commands/deploy.ts';
import { Failure, Misuse } from './failure.ts';
import { path } from './session.ts';

export interface RuleSource {
  built: Pick<BuiltBundle, 'bundle' | 'hash'>;
  rule: Rule;
  /** `oven-hot@1.2.0` */
  identity: string;
  /** Of this name, on any group; empty when no hub was asked. */
  deployments: Deployment[];
}

interface Releases {
  items: { release: number; version: string; hash: string }[];
}

/**
 * @param text a file; or the name of a rule that is deployed, with `@VERSION` behind it for one that was released
 * @param hub undefined: only files
 * @throws {Misuse}
 */
export async function ruleFrom(text: string, hub: HubClient | undefined): Promise<RuleSource> {
  if (statSync(text, { throwIfNoEntry: false })?.isFile()) {
    const { buildRuleBundle } = await import('@weir/runtime');
    const built = await buildRuleBundle(text);
    const source = await sourceOf(built, []);
    return hub === undefined ? source : { ...source, deployments: await deploymentsNamed(hub, source.rule.name) };
  }
  if (hub === undefined || /[/\\]|\.(ya?ml|json|ts)$/.test(text)) throw new Misuse(`there is no file ${text}`);
  const [name = '', version] = text.split('@');
  const deployments = await deploymentsNamed(hub, name);
  const hash = version === undefined ? deployments[0]?.hash : await hashOf(hub, name, version);
  if (hash === undefined) {
    throw new Misuse(
      `no rule ${name} is deployed, and there is no file of this name`,
      'see which there are: weir rule list',
    );
  }
  return sourceOf(await bundleOf(hub, hash), deployments);
}

/** The bundle of a version of a rule. @throws {Misuse} when it was never released, or the hub does not have it any more */
export async function hashOf(hub: HubClient, name: string, version: string): Promise<string> {
  const { items } = await hub.get<Releases>(path`/functions/${name}/releases`);
  const found = items.find((each) => each.version === version || each.hash.startsWith(version));
  if (found !== undefined) return found.hash;
  throw new Misuse(`${name} has no version ${version} at this hub`, `see which it has: weir fn releases ${name}`);
}

export async function bundleOf(hub: HubClient, hash: string): Promise<Pick<BuiltBundle, 'bundle' | 'hash'>> {
  const { parseBundle } = await import('@weir/runtime');
  return { bundle: parseBundle(await hub.bytes(path`/bundles/${hash}`)), hash };
}

export async function sourceOf(
  built: Pick<BuiltBundle, 'bundle' | 'hash'>,
  deployments: Deployment[],
): Promise<RuleSource> {
  const { bundleIdentity, ruleIn } = await import('@weir/protocols');
  const { bundle, hash } = built;
  const { name, version } = bundleIdentity(bundle, hash);
  const rule = ruleIn(bundle);
  if (rule === undefined) throw new Misuse(`${name} is a ${bundle.kind}, no rule`);
  return { built, rule, identity: `${name}@${version}`, deployments };
}

async function deploymentsNamed(hub: HubClient, name: string): Promise<Deployment[]> {
  return (await deploymentsOf(hub)).filter((each) => each.name === name && each.kind !== 'forwarding');
}

export interface ChosenDevices {
  device?: string[];
  group?: string;
}

/** Those that were asked for, or those on which the rule is. In order. @throws {Misuse} when there is none */
export async function devicesFor(
  hub: HubClient,
  { device, group }: ChosenDevices,
  source: RuleSource,
): Promise<string[]> {
  if (device !== undefined) return [...new Set(device)];
  const groups = group === undefined ? source.deployments.map((each) => each.group) : [group];
  if (groups.length === 0) {
    throw new Misuse(
      `${source.rule.name} is not deployed: over which devices?`,
      'give --device DEVICE or --group GROUP',
    );
  }
  const members = await Promise.all(groups.map((each) => hub.all<GroupMember>(path`/groups/${each}/devices`)));
  const devices = [...new Set(members.flat().map((member) => member.device))].sort();
  if (devices.length > 0) return devices;
  throw new Failure(`there are no devices in ${groups.join(', ')}`);
}

/**
 * What the rule would find in its configuration on a device: what was given, over the tags of the device that it names,
 * over what the deployment says. Tags are those of now.
 */
export async function configsFor(
  hub: HubClient,
  devices: readonly string[],
  { rule, deployments }: RuleSource,
  given: readonly string[] = [],
): Promise<Map<string, JsonObject>> {
  const { rulePlan, tagsOf } = await import('@weir/protocols');
  const named = new Set([...tagsOf(rulePlan(rule)), 'tz']);
  const extra = parseConfig(given);
  const configs = new Map<string, JsonObject>();
  for (const id of devices) {
    const { tags, groups } = await deviceOf(hub, id);
    const base = deployments.find(({ group }) => groups.includes(group))?.config ?? {};
    const own = Object.fromEntries(Object.entries(tags).filter(([tag]) => named.has(tag)));
    configs.set(id, { ...(base as JsonObject), ...own, ...extra });
  }
  return configs;
}

/** What a device was tagged with before, nobody has kept. @returns undefined when no level comes from a tag */
export async function levelsOfNow(rules: readonly Rule[]): Promise<string | undefined> {
  const { rulePlan, tagsOf } = await import('@weir/protocols');
  const tags = new Set(rules.flatMap((rule) => [...tagsOf(rulePlan(rule))]));
  return tags.size === 0
    ? undefined
    : `Its levels from ${[...tags].join(', ')} are those of now, for all of this time.`;
}

/** What a device measured stays when it is gone. */
async function deviceOf(hub: HubClient, id: string): Promise<Pick<Device, 'tags' | 'groups'>> {
  try {
    return await hub.get<Pick<Device, 'tags' | 'groups'>>(path`/devices/${id}`);
  } catch (error) {
    if (error instanceof Misuse) return { tags: {}, groups: [] };
    throw error;
  }
}

/** `30d`, `36h`, or a time; ms since epoch. @throws {Misuse} */
export async function momentOf(option: string, text: string, now: number): Promise<number> {
  const { parseDuration } = await import('@weir/protocols');
  const ago = parseDuration(text);
  if (ago !== undefined) return now - ago;
  const at = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(at)) return at;
  throw new Misuse(
    `${option} ${text} is neither a duration nor a time`,
    'give one such as 30d, 12h or 2026-11-01T08:00:00Z',
  );
}
