import { parseGatherer } from '@weir/protocols';
import { type CloudFolds, cloudReported } from './cloud-folds.ts';
import { devicePage, gatherersAmong } from './device-page.ts';
import type { DeploymentStatus, DeviceRecord, FleetPorts, PageOf, StatusOptions } from './fleet.ts';
import { reportedIn } from './reports.ts';
import { shadowOf } from './rollout/ports.ts';
import { deploymentStatus } from './status.ts';
import { wantedOf } from './wanted.ts';
import { winnerAlone } from './winners.ts';

interface Known {
  ports: Pick<FleetPorts, 'store' | 'downlink' | 'shadow'>;
  cloud: CloudFolds;
  /** Why a device's shadow could not be written. */
  problemOf(device: string): string | undefined;
}

/** Every deployment on every device of a page, and behind the last device the functions that gather. */
export async function statuses(
  known: Known,
  { name, group, device, ...page }: StatusOptions,
): Promise<PageOf<DeploymentStatus>> {
  const { store } = known.ports;
  const devices = await devicePage(store, { group, device, ...page });
  const rows = await Promise.all(devices.items.map((record) => statusOf(known, record)));
  const gatherers = devices.next === undefined ? await gatherersAmong(store, { group, device }) : [];
  rows.push(...(await Promise.all(gatherers.map((each) => statusOfGatherer(known, each)))));
  const ofGroup = ({ wanted, overridden }: DeploymentStatus) =>
    group === undefined || wanted === undefined || wanted.group === group || overridden.includes(group);
  const items = rows.flat().filter((row) => (name === undefined || row.name === name) && ofGroup(row));
  return devices.next === undefined ? { items } : { items, next: devices.next };
}

async function statusOf({ ports, cloud, problemOf }: Known, record: DeviceRecord): Promise<DeploymentStatus[]> {
  const [wanted, document, inCloud] = await Promise.all([
    wantedOf(ports.store, record.id),
    shadowOf(ports, record.id),
    cloudReported(ports.store, record.id),
  ]);
  return deploymentStatus({
    device: record.id,
    connected: record.presence?.connected ?? false,
    wanted: new Map([...(wanted ?? [])].filter(([, { deployment }]) => !deployment.gathers)),
    reconcileError: problemOf(record.id),
    reported: { edge: reportedIn(document), cloud: inCloud },
    refusalOf: (hash) => cloud.refusalOf(hash),
  });
}

async function statusOfGatherer({ ports, cloud }: Known, gatherer: string): Promise<DeploymentStatus[]> {
  const { run } = await cloud.gathering(parseGatherer(gatherer)!);
  return deploymentStatus({
    device: gatherer,
    connected: true,
    wanted: new Map(run.map(({ deployment }) => [deployment.name, winnerAlone(deployment)])),
    reconcileError: undefined,
    reported: { edge: new Map(), cloud: await cloudReported(ports.store, gatherer) },
    refusalOf: (hash) => cloud.refusalOf(hash),
  });
}
