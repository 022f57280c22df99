/** The fleet over the store. It is one file because each method is a line or two here, and does its work elsewhere. */
import { type Bundle, type Gatherer, gathererId, type JsonObject, type ReportedDeployment } from '@weir/protocols';
import { systemClock } from '../clock/clock.ts';
import type { Store } from '../store/store.ts';
import { getBundle, putBundle } from './bundles.ts';
import { certificateUsed, renewCertificate } from './certificates.ts';
import { CloudFolds, setCloudReported } from './cloud-folds.ts';
import {
  type Deploying,
  type DeployOptions,
  deploy,
  desiredDeployments,
  retry,
  rollback,
  undeploy,
} from './deployments.ts';
import { enrol, forgetConnections, getDevice, keepAllHeard, listDevices, setPresence, tagDevice } from './devices.ts';
import { FleetError } from './error.ts';
import type {
  CloudDeployments,
  ConnectionEnd,
  DeploymentSet,
  DeploymentStatus,
  DeviceRecord,
  EnrolOptions,
  Fleet,
  FleetPorts,
  GroupMember,
  GroupRecord,
  GroupSettings,
  GroupSummary,
  IssuedToken,
  PageOf,
  PageOptions,
  RefusedRecord,
  RenewOptions,
  ShownCertificate,
  StatusOptions,
  TagChange,
  TokenOptions,
  TokenSummary,
} from './fleet.ts';
import { takeForgotten } from './forgotten.ts';
import { forwardingWarnings } from './forwarding-warnings.ts';
import { gatherersOf } from './gatherers.ts';
import {
  createGroup,
  devicesOf,
  getGroup,
  listGroups,
  memberPage,
  removeGroup,
  requireGroup,
  setExcluded,
  setGroup,
  setMember,
} from './groups.ts';
import { Reconciler } from './reconciler.ts';
import { RefusedMessages, refusedMessage } from './refused.ts';
import { reportsIn, wantedEvents } from './reports.ts';
import { removeDevice, revokeDevice } from './revocation.ts';
import { rolloutPorts } from './rollout/ports.ts';
import { Rollouts } from './rollout/rollouts.ts';
import { newestOf } from './rollout/setting.ts';
import { settingsOf } from './rollout/stored.ts';
import { pastNotes } from './rollout/words.ts';
import { ruleNotes } from './rule-notes.ts';
import { statuses } from './statuses.ts';
import { Sweep } from './sweep.ts';
import { createToken, listTokens, revokeToken } from './tokens.ts';
import { Turns } from './turns.ts';
import { unknownDevice } from './unknown-device.ts';
import { wantedOf } from './wanted.ts';

export function createFleet(ports: FleetPorts): Fleet {
  return new StoredFleet(ports);
}

class StoredFleet implements Fleet {
  #ports: FleetPorts;
  #store: Store;
  #presence = new Turns();
  /** By device, since this hub has started. */
  readonly #toldAt = new Map<string, number>();
  #refused: RefusedMessages;
  #cloud: CloudFolds;
  #reconciler: Reconciler;
  #sweep: Sweep;
  readonly rollouts: Rollouts;
  /** Devices whose shadow could not be written, and why. */
  #problems = new Map<string, string>();

  constructor(ports: FleetPorts) {
    this.#ports = ports;
    this.#store = ports.store;
    this.#refused = new RefusedMessages(ports.store);
    this.#cloud = new CloudFolds(ports.store, async (device) => (await wantedOf(this.#store, device)) ?? new Map());
    const { store, now, sleep = systemClock.sleep } = ports;
    this.#sweep = new Sweep({ store, now, sleep, onMoved: (device) => this.#moved(device) });
    this.#reconciler = new Reconciler({
      downlink: ports.downlink,
      wanted: async (device) => {
        const wanted = await wantedOf(this.#store, device);
        const deployments = wanted && (desiredDeployments(wanted.values()) as JsonObject);
        return deployments && { deployments, ...(await ports.hints?.(device)) };
      },
      changed: (device, patch) => {
        for (const event of wantedEvents(device, patch, now())) ports.events?.emit(event);
      },
      outcome: (device, error) => {
        if (error === undefined) this.#problems.delete(device);
        else this.#problems.set(device, error.message);
      },
      sleep: ports.sleep ?? systemClock.sleep,
      chance: () => Buffer.from(ports.random(4)).readUInt32LE() / 2 ** 32,
    });
    this.rollouts = new Rollouts({
      ...rolloutPorts(ports),
      follow: (devices) => {
        for (const device of devices) this.#follow(device);
      },
      followGroup: (group, name, except) => this.#followAll({ group, name }, false, except),
    });
  }

  async createToken(options: TokenOptions): Promise<IssuedToken> {
    for (const group of options.groups) await requireGroup(this.#store, group);
    return createToken(this.#store, options, this.#ports.random, this.#ports.now());
  }

  async enrol(options: EnrolOptions): Promise<void> {
    await enrol(this.#store, options);
    this.#ports.onCertificates?.(options.device);
    this.#moved(options.device);
  }

  tokens(): Promise<TokenSummary[]> {
    return listTokens(this.#store, this.#ports.now());
  }

  revokeToken(id: string): Promise<TokenSummary> {
    return revokeToken(this.#store, id, this.#ports.now());
  }

  async revoke(device: string): Promise<string[]> {
    const groups = await revokeDevice(this.#store, device, this.#ports.now());
    this.#ports.onCertificates?.(device);
    return groups;
  }

  /** Revoked first: what is forgotten is not written again, and if this is cut off it can be repeated. */
  async remove(device: string): Promise<void> {
    await this.revoke(device);
    await this.#ports.forget?.(device);
    await this.#presence.run(device, () => removeDevice(this.#store, device));
    this.#problems.delete(device);
    this.#toldAt.delete(device);
    this.#cloud.invalidate(device);
    this.#ports.onCloud?.(device);
  }

  renew(options: RenewOptions): Promise<void> {
    return renewCertificate(this.#store, options);
  }

  certificateUsed(device: string, serial: string): Promise<void> {
    return certificateUsed(this.#store, device, serial, this.#ports.now());
  }

  takeForgotten(shown: ShownCertificate): Promise<void> {
    return takeForgotten(this.#ports, shown);
  }

  device(id: string): Promise<DeviceRecord | undefined> {
    return getDevice(this.#store, id);
  }

  devices(page?: PageOptions): Promise<PageOf<DeviceRecord>> {
    return listDevices(this.#store, page);
  }

  async presence(device: string, connected: boolean, at: number, end?: ConnectionEnd): Promise<void> {
    const changed = await this.#presence.run(device, () =>
      setPresence(this.#store, device, { connected, at, end }, this.#toldAt),
    );
    if (!changed) return;
    const reason = end && { reason: end.reason };
    this.#ports.events?.emit({ type: 'presence', at, device, connected, ...reason });
    this.rollouts.changed(device);
  }

  shadowTold(topic: string, payload: string): void {
    const told = reportsIn(topic, payload, this.#ports.now());
    if (told === undefined) return;
    for (const event of told.events) this.#ports.events?.emit(event);
    this.rollouts.changed(told.device);
  }

  heard(devices: ReadonlyMap<string, number>): Promise<void> {
    return keepAllHeard(this.#store, this.#presence, devices);
  }

  refused(device: string, reason: string, detail: string, payload: Uint8Array): Promise<void> {
    const at = this.#ports.now();
    this.#ports.events?.emit({ type: 'refused', at, device, reason });
    return this.#refused.add(device, refusedMessage(at, reason, detail, payload));
  }

  refusedBy(device: string): Promise<RefusedRecord> {
    return this.#refused.of(device);
  }

  async createGroup(name: string, settings: GroupSettings = {}): Promise<void> {
    await createGroup(this.#store, name, this.#ports.now(), settings);
    if (typeof settings.selector === 'string') this.#sweep.request();
  }

  async setGroup(name: string, settings: GroupSettings): Promise<void> {
    const { before, after } = await setGroup(this.#store, name, settings);
    const { selector, priority } = after;
    const isOther = priority !== before.priority;
    if (selector !== before.selector || (isOther && selector !== undefined)) this.#sweep.request();
    if (!isOther) return;
    for await (const device of devicesOf(this.#store, name)) this.#follow(device);
  }

  async removeGroup(name: string, force: boolean): Promise<void> {
    await requireGroup(this.#store, name);
    const wanted = newestOf(await settingsOf(this.#store, name));
    if (wanted.length > 0 && !force) {
      throw new FleetError(
        'group-in-use',
        `${wanted.length} deployed to group "${name}": ${wanted.map((each) => each.name).join(', ')}`,
        'take that off first, or with it: weir group delete GROUP --force',
      );
    }
    for (const each of wanted) await this.undeploy(name, each.name);
    await removeGroup(this.#store, name);
    this.#sweep.request();
  }

  async group(name: string): Promise<GroupRecord | undefined> {
    const group = await getGroup(this.#store, name);
    const placing = this.#sweep.progress;
    return group === undefined || placing === undefined ? group : { ...group, placing };
  }

  members(group: string, page: PageOptions = {}): Promise<PageOf<GroupMember>> {
    return memberPage(this.#store, group, page);
  }

  groups(page?: PageOptions): Promise<PageOf<GroupSummary>> {
    return listGroups(this.#store, page);
  }

  async addToGroup(group: string, device: string): Promise<void> {
    if (await setMember(this.#store, group, device, true, this.#ports.now())) this.#moved(device);
  }

  async removeFromGroup(group: string, device: string): Promise<void> {
    if (await setMember(this.#store, group, device, false, this.#ports.now())) this.#moved(device);
  }

  async exclude(group: string, device: string, excluded: boolean): Promise<void> {
    if (await setExcluded(this.#store, group, device, excluded, this.#ports.now())) this.#moved(device);
  }

  async tag(device: string, change: TagChange): Promise<DeviceRecord> {
    if (await tagDevice(this.#store, device, change, this.#ports.now())) this.#moved(device);
    else this.#retagged(device);
    const record = await this.device(device);
    if (record === undefined) throw unknownDevice(device);
    return record;
  }

  settled(): Promise<void> {
    return this.#sweep.settled();
  }

  async groupChanged(group: string): Promise<void> {
    for await (const device of devicesOf(this.#store, group)) this.#reconciler.request(device);
  }

  async allChanged(): Promise<void> {
    for await (const device of this.#everyDevice()) this.#reconciler.request(device);
  }

  bundle(hash: string): Promise<Uint8Array | undefined> {
    return getBundle(this.#store, hash);
  }

  cloudBundle(hash: string): Promise<Bundle | undefined> {
    return this.#cloud.bundle(hash);
  }

  putBundle(bytes: Uint8Array, release?: string): Promise<{ hash: string; bundle: Bundle }> {
    return putBundle(this.#store, bytes, release, this.#ports.now());
  }

  async deploy(options: DeployOptions): Promise<DeploymentSet> {
    const notes = await ruleNotes(this.#store, options);
    return this.#set(await deploy(this.#store, options, this.#ports.now()), notes);
  }

  async undeploy(group: string, name: string): Promise<void> {
    await undeploy(this.#store, group, name, this.#ports.now());
    await this.#followAll({ group, name }, true);
    this.rollouts.begun(group, name);
  }

  async rollback(group: string, name: string): Promise<DeploymentSet> {
    return this.#set(await rollback(this.#store, group, name, this.#ports.now()));
  }

  async retry(group: string, name: string): Promise<DeploymentSet> {
    return this.#set(await retry(this.#store, group, name, this.#ports.now()));
  }

  status(options: StatusOptions = {}): Promise<PageOf<DeploymentStatus>> {
    const problemOf = (device: string) => this.#problems.get(device);
    return statuses({ ports: this.#ports, cloud: this.#cloud, problemOf }, options);
  }

  cloudDeployments(device: string): Promise<CloudDeployments> {
    return this.#cloud.of(device);
  }

  async cloudStatus(device: string, reported: Readonly<Record<string, ReportedDeployment>>): Promise<void> {
    const at = this.#ports.now();
    await setCloudReported(this.#store, device, reported);
    this.rollouts.changed(device);
    for (const [name, { version, state, reason }] of Object.entries(reported)) {
      const event = { type: 'deployment' as const, at, device, name, version, state };
      this.#ports.events?.emit(reason === undefined ? event : { ...event, reason });
    }
  }

  reconcile(device: string): Promise<void> {
    return this.#reconciler.once(device);
  }

  async start(): Promise<void> {
    this.#toldAt.clear();
    for await (const device of this.#everyDevice()) {
      await this.#presence.run(device, () => forgetConnections(this.#store, device, this.#ports.now()));
      this.#reconciler.request(device);
    }
    this.#sweep.request();
    this.startRollouts();
  }

  startRollouts(): void {
    this.rollouts.start();
  }

  async *#everyDevice(): AsyncGenerator<string> {
    for (let after: string | undefined; ; ) {
      const page = await this.#store.partitions('device', after === undefined ? {} : { after });
      yield* page.names;
      if (page.next === undefined) return;
      after = page.next;
    }
  }

  async stop(): Promise<void> {
    await this.#sweep.stop();
    this.#reconciler.stop();
    await this.rollouts.stop();
  }

  async #set({ record, rollout }: Deploying, notes: readonly string[] = []): Promise<DeploymentSet> {
    await this.#followAll(record, record.where === 'cloud');
    this.rollouts.begun(record.group, record.name);
    const set: DeploymentSet = { ...record, atOnce: rollout.atOnce };
    const warnings = [...notes, ...pastNotes(rollout), ...(await forwardingWarnings(this.#store, record))];
    return warnings.length === 0 ? set : { ...set, warnings };
  }

  /** Something about this device changed. @param isCloud also what runs for it in the cloud */
  #follow(device: string, isCloud = false): void {
    this.#cloud.invalidate(device);
    if (isCloud) this.#ports.onCloud?.(device);
    this.#reconciler.request(device);
  }

  /** Rules may take their levels from its tags. */
  #retagged(device: string): void {
    this.#follow(device);
    this.rollouts.changed(device);
  }

  /** It is in other groups than before. */
  #moved(device: string): void {
    this.#follow(device, true);
    // What cannot be read now is found when rollouts are looked at next.
    getDevice(this.#store, device).then(
      (record) => this.rollouts.moved(device, record?.groups ?? []),
      () => {},
    );
  }

  /** What a group wants under a name has changed, but of some of its devices. */
  async #followAll({ group, name }: Gatherer, isCloud: boolean, except: ReadonlySet<string> = new Set()) {
    for await (const device of devicesOf(this.#store, group)) if (!except.has(device)) this.#follow(device, isCloud);
    const known = new Set(await gatherersOf(this.#store, group));
    for (const gatherer of new Set([...known, gathererId({ group, name })])) {
      const isAsked = this.#cloud.invalidate(gatherer);
      if (isAsked || known.has(gatherer)) this.#ports.onGatherer?.(gatherer);
    }
  }
}
