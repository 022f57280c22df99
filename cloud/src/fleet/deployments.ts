import { byteLength, type Json, type JsonObject, type WantedDeployment } from '@weir/protocols';
import type { Change, Store } from '../store/store.ts';
import { requireRelease } from '../trust/releases.ts';
import { bundleRecord, describedAs } from './bundles.ts';
import { refuseCircle } from './circles.ts';
import { requireCloudRoom } from './cloud-room.ts';
import { FleetError } from './error.ts';
import type { DeploymentRecord, Where } from './fleet.ts';
import { deploymentsOf, requireGroup } from './groups.ts';
import { deploymentKey, ORDER_KEY } from './keys.ts';
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
}

export async function deploy(store: Store, options: DeployOptions, now: number): Promise<DeploymentRecord> {
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
  await requireRelease(store, describedAs(options.hash, bundle), now);
  return untilWritten(async () => {
    await requireGroup(store, options.group);
    const key = deploymentKey(options.group, bundle.name);
    const existing = await store.get(key);
    const before = existing?.json as DeploymentRecord | undefined;
    if (before === undefined) await requireRoom(store, options.group);
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
    };
    await refuseCircle(store, record);
    await requireCloudRoom(store, record);
    const previous = before && before.hash !== record.hash ? settingOf(before) : before?.previous;
    if (previous !== undefined) record.previous = previous;
    const changes: Change[] = [
      { put: key, json: record, ifVersion: existing?.version ?? 0 },
      { put: ORDER_KEY, json: {}, ifVersion: counter?.version ?? 0 },
    ];
    await store.write(changes);
    return record;
  });
}

function settingOf({ hash, where, config }: DeploymentRecord): NonNullable<DeploymentRecord['previous']> {
  return { hash, where, config };
}

export async function rollback(store: Store, group: string, name: string, now: number): Promise<DeploymentRecord> {
  const current = await requireDeployment(store, group, name);
  if (current.previous === undefined) {
    throw new FleetError(
      'no-previous',
      `"${name}" has run on group "${group}" in one version only`,
      `take it off with: weir fn remove ${name} --group ${group}`,
    );
  }
  return deploy(store, { group, ...current.previous }, now);
}

export async function undeploy(store: Store, group: string, name: string): Promise<void> {
  await requireDeployment(store, group, name);
  await store.write([{ remove: deploymentKey(group, name) }]);
}

async function requireDeployment(store: Store, group: string, name: string): Promise<DeploymentRecord> {
  await requireGroup(store, group);
  const item = await store.get(deploymentKey(group, name));
  if (item !== undefined) return item.json as DeploymentRecord;
  throw new FleetError(
    'deployment-unknown',
    `nothing named "${name}" is deployed to group "${group}"`,
    `see what is: weir group show ${group}`,
  );
}

async function requireRoom(store: Store, group: string): Promise<void> {
  const { length } = await deploymentsOf(store, group);
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
    const { kind, version, hash, bytes, config } = deployment;
    desired[deployment.name] = { kind, version, hash, bytes };
    if (Object.keys(config).length > 0) desired[deployment.name]!.config = config as WantedDeployment['config'] & {};
  }
  return desired;
}
