import { byteLength, type Json, type JsonObject, type WantedCandidate, type WantedDeployment } from '@weir/protocols';
import type { Change, Store } from '../store/store.ts';
import { requireRelease } from '../trust/releases.ts';
import { bundleRecord, describedAs } from './bundles.ts';
import { refuseCircle } from './circles.ts';
import { requireCloudRoom } from './cloud-room.ts';
import { FleetError } from './error.ts';
import type { DeploymentRecord, Where } from './fleet.ts';
import { requireGroup } from './groups.ts';
import { deploymentKey, ORDER_KEY, rolloutKey } from './keys.ts';
import { isUnderWay, newRollout, replaced } from './rollout/begin.ts';
import { step } from './rollout/machine.ts';
import { isCarried, isOpen, type Rollout, type RolloutOptions } from './rollout/rollout.ts';
import { newestOf } from './rollout/setting.ts';
import { endedChange, getRollout, settingOf, settingsOf } from './rollout/stored.ts';
import { untilWritten } from './turns.ts';
import type { Winner } from './winners.ts';

/** All that is desired of and reported by a device shares the 8 KB of its shadow. */
const CONFIG_BYTES_MAX = 2048;
const DEPLOYMENTS_PER_GROUP_MAX = 32;

export interface DeployOptions {
  group: string;
  /** The name the caller has in mind; the bundle's own name is what counts. */
  name?: string;
  hash: string;
  where: Where;
  config: JsonObject;
  /** Undefined: to all at once. */
  rollout?: RolloutOptions;
}

/** A deployment, and how it comes to the devices. */
export interface Deploying {
  record: DeploymentRecord;
  rollout: Rollout;
}

/** Without waves it stands at once; with waves it stands once they are through, and the rollout is what is written. */
export async function deploy(store: Store, options: DeployOptions, now: number): Promise<Deploying> {
  requireConfig(options.config);
  const bundle = await bundleRecord(store, options.hash);
  if (bundle === undefined) {
    throw new FleetError(
      'bundle-unknown',
      `there is no bundle ${options.hash}`,
      'upload it first: POST /api/v1/bundles',
    );
  }
  if (options.name !== undefined && options.name !== bundle.name) {
    throw new FleetError(
      'name-mismatch',
      `the bundle ${options.hash.slice(0, 12)} is named "${bundle.name}", not "${options.name}"`,
      'deploy it under its own name',
    );
  }
  if (bundle.kind === 'forwarding' && options.where === 'cloud') {
    throw new FleetError(
      'edge-only',
      `"${bundle.name}" is a forwarding policy: it says what devices send, and in the cloud everything has been sent`,
      'deploy it to the devices: where edge',
    );
  }
  if ((bundle.kind === 'rule' || bundle.isRule) && bundle.key === 'function' && options.where === 'edge') {
    throw new FleetError(
      'cloud-only',
      `"${bundle.name}" looks at several devices together (by: group), of which none has the readings of the others`,
      'deploy it to the hub: --where cloud',
    );
  }
  await requireRelease(store, describedAs(options.hash, bundle), options.where, now);
  if (options.rollout?.blueGreen !== undefined && options.where === 'cloud') {
    throw new FleetError(
      'edge-only',
      `"${bundle.name}" cannot run beside what it replaces in the cloud`,
      'leave --blue-green out, or run it on the devices: --where edge',
    );
  }
  return untilWritten(async () => {
    await requireGroup(store, options.group);
    const key = deploymentKey(options.group, bundle.name);
    const existing = await store.get(key);
    const before = existing?.json as DeploymentRecord | undefined;
    if (before === undefined) await requireRoom(store, options.group, bundle.name);
    const counter = await store.get(ORDER_KEY);
    const record: DeploymentRecord = {
      group: options.group,
      name: bundle.name,
      kind: bundle.kind,
      version: bundle.version,
      hash: options.hash,
      bytes: bundle.bytes,
      where: options.where,
      config: options.config,
      setAt: now,
      order: (counter?.version ?? 0) + 1,
      ...(options.where === 'cloud' && bundle.key === 'function' && { gathers: true }),
      ...(bundle.tags !== undefined && { tags: bundle.tags }),
      ...(bundle.isRule && { isRule: true }),
    };
    await refuseCircle(store, record);
    await requireCloudRoom(store, record);
    const previous = before && before.hash !== record.hash ? settingOf(before) : before?.previous;
    if (previous !== undefined) record.previous = previous;
    const found = await getRollout(store, options.group, bundle.name);
    if (found !== undefined && isUnderWay(found.rollout, record, options.rollout)) {
      return { record: found.rollout.target, rollout: found.rollout };
    }
    const rollout = newRollout(record, before, found?.rollout, options.rollout, now);
    const changes: Change[] = [
      { put: ORDER_KEY, json: {}, ifVersion: counter?.version ?? 0 },
      { put: rolloutKey(options.group, bundle.name), json: rollout, ifVersion: found?.version ?? 0 },
    ];
    if (found !== undefined) changes.push(endedChange(replaced(found.rollout, record, now)));
    if (rollout.atOnce) changes.push({ put: key, json: record, ifVersion: existing?.version ?? 0 });
    await store.write(changes);
    return { record, rollout };
  });
}

export async function rollback(store: Store, group: string, name: string, now: number): Promise<Deploying> {
  const current = await requireDeployment(store, group, name);
  const found = await getRollout(store, group, name);
  if (found !== undefined && isCarried(found.rollout)) {
    throw new FleetError(
      'rollout-refused',
      `${name}@${found.rollout.target.version} is still on its way to group "${group}", where ${current.version} stands`,
      `end that with: weir deploy abort ${name} --group ${group}`,
    );
  }
  if (current.previous === undefined) {
    throw new FleetError(
      'no-previous',
      `"${name}" has run on group "${group}" in one version only`,
      `take it off with: weir fn remove ${name} --group ${group}`,
    );
  }
  return deploy(store, { group, ...current.previous }, now);
}

/** @throws {FleetError} `rollout-unknown`, `rollout-refused` */
export async function retry(store: Store, group: string, name: string, now: number): Promise<Deploying> {
  await requireGroup(store, group);
  const found = await getRollout(store, group, name);
  if (found === undefined) {
    const message = `nothing named "${name}" was rolled out to group "${group}"`;
    throw new FleetError('rollout-unknown', message, `see what was: weir deploy history --group ${group}`);
  }
  const { phase, target, options, atOnce } = found.rollout;
  if (phase === 'aborting' || phase === 'aborted') {
    const { hash, where, config } = target;
    return deploy(store, { group, hash, where, config, ...(!atOnce && { rollout: options }) }, now);
  }
  if (isOpen(found.rollout)) return { record: target, rollout: found.rollout };
  const message = `the rollout of ${name}@${target.version} is ${phase}: there is nothing to try again`;
  throw new FleetError('rollout-refused', message, 'deploy another version, or the same anew');
}

export async function undeploy(store: Store, group: string, name: string, now: number): Promise<void> {
  await requireGroup(store, group);
  await untilWritten(async () => {
    const found = await getRollout(store, group, name);
    const existing = await store.get(deploymentKey(group, name));
    if (existing === undefined && !(found !== undefined && isCarried(found.rollout)))
      throw nothingDeployed(group, name);
    const changes: Change[] = [{ remove: deploymentKey(group, name), ifVersion: existing?.version ?? 0 }];
    if (found !== undefined) {
      const { rollout } = step(found.rollout, { type: 'superseded', by: 'nothing' }, now);
      changes.push({ remove: rolloutKey(group, name), ifVersion: found.version }, endedChange(rollout));
    }
    await store.write(changes);
  });
}

async function requireDeployment(store: Store, group: string, name: string): Promise<DeploymentRecord> {
  await requireGroup(store, group);
  const item = await store.get(deploymentKey(group, name));
  if (item !== undefined) return item.json as DeploymentRecord;
  throw nothingDeployed(group, name);
}

export function nothingDeployed(group: string, name: string): FleetError {
  return new FleetError(
    'deployment-unknown',
    `nothing named "${name}" is deployed to group "${group}"`,
    `see what is: weir group show ${group}`,
  );
}

async function requireRoom(store: Store, group: string, name: string): Promise<void> {
  const { length } = newestOf(await settingsOf(store, group)).filter((each) => each.name !== name);
  if (length < DEPLOYMENTS_PER_GROUP_MAX) return;
  throw new FleetError(
    'limit-exceeded',
    `group "${group}" has ${length} deployments, which is the limit`,
    `take one off first: weir fn remove NAME --group ${group}`,
  );
}

function requireConfig(config: JsonObject): void {
  const bytes = byteLength(JSON.stringify(config));
  if (bytes > CONFIG_BYTES_MAX) {
    throw new FleetError(
      'config-invalid',
      `the config has ${bytes} bytes; ${CONFIG_BYTES_MAX} is the limit`,
      'keep large tables in the function itself',
    );
  }
  if (holdsNull(config)) {
    throw new FleetError('config-invalid', 'the config holds a null, which a shadow cannot', 'leave the key out');
  }
}

function holdsNull(value: Json): boolean {
  if (value === null) return true;
  return typeof value === 'object' && Object.values(value).some(holdsNull);
}

/** The `deployments` of the desired section. */
export function desiredDeployments(wanted: Iterable<Winner>): Record<string, WantedDeployment> {
  const desired: Record<string, WantedDeployment> = {};
  for (const { deployment } of wanted) {
    if (deployment.where !== 'edge') continue;
    desired[deployment.name] = { kind: deployment.kind, ...versionOf(deployment) };
    if (deployment.candidate !== undefined) desired[deployment.name]!.candidate = versionOf(deployment.candidate);
  }
  return desired;
}

function versionOf({ version, hash, bytes, config }: NonNullable<DeploymentRecord['candidate']>): WantedCandidate {
  const wanted: WantedCandidate = { version, hash, bytes };
  if (Object.keys(config).length > 0) wanted.config = config as WantedCandidate['config'] & {};
  return wanted;
}
