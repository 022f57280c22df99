import { setTimeout } from 'node:timers/promises';
import { type BundleKind, isUnderWay, type JsonObject } from '@weir/protocols';
import type { BuiltBundle } from '@weir/runtime';
import type { Command } from 'commander';
import type { Deployment, DeploymentStatus, Group } from '../answers.ts';
import type { HubClient } from '../client.ts';
import { Failure, Misuse } from '../failure.ts';
import { type RemoveOptions, removeFrom } from '../removing.ts';
import { listing, oneOf, pair, path, type Session } from '../session.ts';
import { clockTime, plain } from '../table.ts';
import { type ReleaseOptions, releasedBy, uploadReleased, withReleaseOptions } from './release.ts';
import { followRollout } from './rollout-live.ts';
import { type RolloutFlags, rolloutOf, withRolloutOptions } from './rollout-options.ts';
import { detailOf } from './status-rows.ts';

/** An agent that is connected fetches and starts a bundle within a second or two. */
const TIMEOUT_DEFAULT = '60s';
const POLL_MS = 500;
/** Of more devices than fit on a screen how they do is told in numbers. */
const LINES_MAX = 50;

export interface WaitOptions {
  wait: boolean;
  /** A duration as people write it. */
  timeout?: string;
}

export interface DeployOptions extends WaitOptions, ReleaseOptions, RolloutFlags {
  group: string;
  where: 'edge' | 'cloud';
  config?: string[];
}

export function withWaitOptions(command: Command): Command {
  return command
    .option('--no-wait', 'do not wait until the connected devices run it')
    .option(
      '--timeout <duration>',
      `how long to wait (default: ${TIMEOUT_DEFAULT}; with waves until they are through)`,
    );
}

/** The options that `fn deploy` and `rule apply` share. */
export function withDeployOptions(command: Command): Command {
  command
    .requiredOption('--group <group>', 'group of devices it is for')
    .option(
      '--where <place>',
      'on the devices (edge), or in the hub over their readings (cloud)',
      oneOf('edge', 'cloud'),
      'edge',
    );
  return withRolloutOptions(withWaitOptions(withReleaseOptions(command)));
}

/** @param file undefined: `--release` says what */
export async function deployBundle(
  session: Session,
  file: string | undefined,
  build: (file: string) => Promise<BuiltBundle>,
  options: DeployOptions,
): Promise<void> {
  const waitMs = await waitMsOf(options);
  const config = parseConfig(options.config ?? []);
  const rollout = rolloutOf(options);
  const released = await releasedBy(session, file, build, options);
  const hub = session.hub();
  const { hash, name } = await uploadReleased(hub, released);
  const body = { hash, where: options.where, config, ...(rollout !== undefined && { rollout }) };
  const made = await hub.send<Deployment>('PUT', path`/groups/${options.group}/deployments/${name}`, body);
  const how = made.atOnce ? 'is wanted on' : 'is rolled out to';
  session.note(`${made.kind} ${name}@${made.version} ${how} group ${options.group} (${made.where})\n`);
  for (const warning of made.warnings ?? []) session.note(`warning: ${warning}\n`);
  if (made.atOnce) await follow(session, hub, made, waitMs);
  else if (waitMs > 0) await followRollout(session, hub, made, options.timeout === undefined ? undefined : waitMs);
}

/** 0: not at all. */
export async function waitMsOf({ wait, timeout = TIMEOUT_DEFAULT }: WaitOptions): Promise<number> {
  const { parseDuration } = await import('@weir/protocols');
  const ms = parseDuration(timeout);
  if (ms === undefined) throw new Misuse(`--timeout ${timeout} is no duration`, 'give one such as 30s or 5m');
  return wait ? ms : 0;
}

/** `limit=80` is a number, `unit=Cel` a text: a value is JSON where it can be read as such. */
export function parseConfig(pairs: readonly string[]): JsonObject {
  return Object.fromEntries(
    pairs.map((text) => {
      const [key, json] = pair(text, 'a config value');
      const value = parsed(json);
      verifyKeys({ [key]: value });
      return [key, value];
    }),
  );
}

function parsed(text: string): JsonObject[string] {
  try {
    return JSON.parse(text) as JsonObject[string];
  } catch {
    return text;
  }
}

/** The hub takes no JSON with such a key, at any depth: what reads it carelessly would change its prototypes. */
function verifyKeys(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, inner] of Object.entries(value)) {
    if (key === '__proto__' || (key === 'constructor' && Object.hasOwn(Object(inner), 'prototype'))) {
      throw new Misuse(`a config value cannot be named "${key}"`, 'choose another name, e.g. --config limit=80');
    }
    verifyKeys(inner);
  }
}

/** Tells of each device once its state changes, until all that are connected run it, or one cannot. */
export async function follow(session: Session, hub: HubClient, wanted: Deployment, waitMs: number): Promise<void> {
  const group = await hub.get<Group>(path`/groups/${wanted.group}`);
  if (group.devices.length === 0) {
    session.note('The group has no devices yet; those that join get it.\n');
    return;
  }
  if (wanted.gathers) {
    const { group, name } = wanted;
    session.note(`It runs in the hub, once for all of them, as ${group}/${name}: weir deploy status ${name}\n`);
    return;
  }
  if (wanted.where === 'cloud') {
    session.note('It runs in the hub, from the next readings of each device on.\n');
    return;
  }
  if (waitMs === 0) return;
  if (group.devices.length > LINES_MAX) return followRollout(session, hub, wanted, waitMs);
  const told = new Map<string, string>();
  const deadline = Date.now() + waitMs;
  for (;;) {
    const statuses = await hub.all<DeploymentStatus>('/deployments', { name: wanted.name, group: wanted.group });
    for (const status of statuses) {
      const line = `  ${status.device.padEnd(20)}  ${status.state.padEnd(11)}  ${plain(detailOf(status))}`.trimEnd();
      if (told.get(status.device) !== line) session.out(`${line}\n`);
      told.set(status.device, line);
    }
    // Where another group won the name, ours is not what runs.
    const ours = statuses.filter((status) => status.wanted?.hash === wanted.hash);
    const broken = ours.filter(({ state }) => state === 'failed' || state === 'quarantined');
    const open = ours.filter(({ state, connected }) => connected && (state === 'pending' || isUnderWay(state)));
    if (open.length === 0 && broken.length === 0) return;
    if (open.length === 0) throw notRunning(broken, 'look at it with: weir device show DEVICE');
    if (Date.now() >= deadline) {
      throw notRunning(open, 'they go on without us; see them with: weir deploy status');
    }
    await setTimeout(POLL_MS);
  }
}

function notRunning(statuses: readonly DeploymentStatus[], remedy: string): Failure {
  const devices = statuses.map(({ device }) => device).join(', ');
  return new Failure(`${statuses[0]!.name} does not run on ${devices}`, remedy);
}

const WORDS: Record<BundleKind, { one: string; family: string; deploy: string; afterwards: string }> = {
  function: { one: 'function', family: 'fn', deploy: 'deploy', afterwards: 'What it had firing is told as ended.' },
  rule: { one: 'rule', family: 'rule', deploy: 'apply', afterwards: 'What it had firing is told as ended.' },
  forwarding: { one: 'policy', family: 'forward', deploy: 'apply', afterwards: 'Its devices send everything again.' },
};

/** Deployments of one kind over all groups, or one. */
export async function listDeployments(
  session: Session,
  kind: BundleKind,
  options: { group?: string; json?: boolean },
): Promise<void> {
  const wanted = await deploymentsOf(session.hub(), options.group);
  const items = wanted.filter((each) => kindOf(each) === kind);
  const tells = ({ dryRun = false }: Deployment) => (dryRun ? 'nobody: dry run' : 'yes');
  listing(session, options, items, {
    empty: `No ${WORDS[kind].one} is deployed. Deploy one: weir ${WORDS[kind].family} ${WORDS[kind].deploy} FILE --group GROUP`,
    heading: [
      WORDS[kind].one.toUpperCase(),
      'VERSION',
      'GROUP',
      'WHERE',
      ...(kind === 'rule' ? ['TELLS'] : []),
      'SET',
      'HASH',
    ],
    row: (each) => [
      each.name,
      each.version,
      each.group,
      each.where,
      ...(kind === 'rule' ? [tells(each)] : []),
      clockTime(each.setAt),
      each.hash.slice(0, 12),
    ],
  });
}

/** What is wanted on a group, or on all. */
export async function deploymentsOf(hub: HubClient, group?: string): Promise<Deployment[]> {
  const names = group === undefined ? await hub.all<{ name: string }>('/groups') : [{ name: group }];
  const groups = await Promise.all(names.map(({ name }) => hub.get<Group>(path`/groups/${name}`)));
  return groups.flatMap(({ deployments }) => deployments);
}

/** @throws {Misuse} when what has this name there is of another kind: a rule is not taken off as if it were a function */
export async function removeDeployment(
  session: Session,
  kind: BundleKind,
  name: string,
  { group, ...options }: RemoveOptions & { group: string },
): Promise<void> {
  const hub = session.hub();
  await removeFrom(session, options, {
    what: { group, name, kind },
    remove: async () => {
      const found = (await deploymentsOf(hub, group)).find((each) => each.name === name);
      const is = found === undefined ? kind : kindOf(found);
      if (is !== kind) {
        throw new Misuse(
          `"${name}" on group ${group} is a ${WORDS[is].one}, not a ${WORDS[kind].one}`,
          `if it is what is meant: weir ${WORDS[is].family} remove ${name} --group ${group}`,
        );
      }
      await hub.send('DELETE', path`/groups/${group}/deployments/${name}`);
    },
    gone: `${name} is no longer wanted on group ${group}. ${WORDS[kind].afterwards}`,
  });
}

/** As people think of it: a function that is the condition of a rule is a rule. */
function kindOf({ isRule, kind }: Deployment): BundleKind {
  return isRule ? 'rule' : (kind as BundleKind);
}
