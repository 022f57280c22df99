/**
 * The fleet: who may join, which devices there are, what they should run, and what they say about it.
 *
 *     token --spent by--> device --member of--> group --wants--> deployment --> shadow `weir` (edge) or workers (cloud)
 *
 * The store holds the truth. What a device should run is derived from its groups every time; the shadow follows by
 * {@link Fleet.reconcile}, which is repeated until it has worked.
 */
import type {
  Bundle,
  BundleKind,
  DeploymentState,
  Handler,
  JsonObject,
  Manifest,
  ReportedDeployment,
} from '@weir/protocols';
import type { Deployed } from '@weir/runtime';
import type { DisconnectReason } from '../front/front.ts';
import type { Renewal } from './certificates.ts';
import type { DeployOptions } from './deployments.ts';
import type { GroupMember, GroupRecord, GroupSettings, GroupSummary, TagChange } from './group.ts';
import type { Rollouts } from './rollout/rollouts.ts';
import type { Loser } from './winners.ts';

export type { GroupMember, GroupRecord, GroupSettings, GroupSummary, TagChange } from './group.ts';

export type Where = 'edge' | 'cloud';

/** A fleet asked for by one person at a time: more than this belongs in a page. */
export const PAGE_LIMIT_MAX = 500;

export interface PageOptions {
  limit?: number;
  /** `next` of the page before. */
  after?: string;
}

export interface PageOf<T> {
  items: T[];
  next?: string;
}

export interface TokenOptions {
  groups: string[];
  ttlMs: number;
  uses: number;
  /** Lets a device that exists join again, if it is in one of `groups`: its old certificate ends with that. */
  replace?: boolean;
  /** Given to the devices that join with it. */
  tags?: Record<string, string>;
}

export interface IssuedToken {
  /** Names the token in lists and logs; says nothing about the secret. */
  id: string;
  /** 128 bits, base64url; the store keeps only its SHA-256. */
  secret: string;
  expiresAt: number;
}

/** A token as it is kept: its secret is known to nobody. */
export interface TokenSummary {
  id: string;
  groups: string[];
  tags: Record<string, string>;
  replace: boolean;
  uses: number;
  usesLeft: number;
  createdAt: number;
  expiresAt: number;
  state: 'usable' | 'spent' | 'expired' | 'revoked';
}

export interface EnrolOptions {
  secret: string;
  device: string;
  certificateSerial: string;
  /** SPKI, base64. Absent: what is encrypted to the device cannot be. */
  publicKey?: string;
  /** When it begins, ms since epoch. Absent: no other is ever taken for a later one that was forgotten. */
  validFrom?: number;
  now: number;
}

export interface RenewOptions {
  device: string;
  /** Serial of the certificate with which the renewal was asked for. */
  shown: string;
  /** Of the new one. */
  certificateSerial: string;
  /** Of the new one: SPKI, base64. */
  publicKey?: string;
  /** The same, as when a device joins. */
  validFrom?: number;
  now: number;
}

/** A certificate that the CA of this hub has signed, and whose key was shown. */
export interface ShownCertificate {
  device: string;
  /** Hexadecimal, upper case. */
  serial: string;
  /** ms since epoch */
  validFrom: number;
  /** SPKI, base64. */
  publicKey(): string;
  /** From where it was shown. */
  address: string;
}

export interface Presence {
  connected: boolean;
  /** Since when it is so, ms since epoch. */
  since: number;
  /** Why the last connection ended. */
  reason?: DisconnectReason;
}

/** How a connection ended. */
export interface ConnectionEnd {
  reason: DisconnectReason;
  /** When something came from the device last, ms since epoch. */
  heardAt: number;
}

export interface DeviceRecord {
  id: string;
  /** All that it is in. */
  groups: string[];
  /** Those of `groups` whose selector takes its tags. */
  matched?: string[];
  /** Those that leave it out, whatever its tags are. */
  excluded?: string[];
  /** Those that would take it, were it not in as many as it can be. */
  over?: string[];
  tags: Record<string, string>;
  /** Only the certificate with this serial may speak for the device, but for a renewal. @see certificates.ts */
  certificateSerial: string;
  /** Of that certificate: SPKI, base64. Absent: the device was enrolled before it was kept. */
  publicKey?: string;
  renewal?: Renewal;
  /** When the latest certificate begins that was made for it, ms since epoch. @see forgotten.ts */
  latestCertificateFrom?: number;
  /** Since when none of its certificates speaks for it, ms since epoch. */
  revokedAt?: number;
  enrolledAt: number;
  /** Undefined: it has never connected. */
  presence?: Presence;
  /** ms since epoch; undefined: never. */
  lastSeenAt?: number;
}

export interface RefusedMessage {
  at: number;
  reason: string;
  detail: string;
  /** Size of the whole message. */
  bytes: number;
  /** Its first 256 bytes, base64. */
  head: string;
}

export interface RefusedRecord {
  counts: Record<string, number>;
  /** Newest first. */
  last: RefusedMessage[];
}

export interface DeploymentRecord {
  group: string;
  name: string;
  kind: BundleKind;
  version: string;
  hash: string;
  bytes: number;
  where: Where;
  config: JsonObject;
  /** ms since epoch. */
  setAt: number;
  /** Counts all settings in the fleet: of two groups of one priority that want the same name, the higher one wins. */
  order: number;
  /** Of the group, filled in where it is read; absent: 0. */
  priority?: number;
  /** In the cloud, with one state for the whole group. */
  gathers?: true;
  /** Of the device, which it takes levels from. @see tag-levels.ts */
  tags?: string[];
  /** A function that is the condition of a rule. */
  isRule?: true;
  /** Of a rule, filled in where a group is read: what it would tell is told to nobody. */
  dryRun?: boolean;
  /** What ran before under this name, for a rollback. */
  previous?: { hash: string; where: Where; config: JsonObject };
  /** Of what is wanted on one device: what is tried beside it. */
  candidate?: Pick<DeploymentRecord, 'version' | 'hash' | 'bytes' | 'config'>;
}

/** A deployment that was set just now. */
export interface DeploymentSet extends DeploymentRecord {
  /** False: a rollout carries it to the devices, and it stands once that is done. */
  atOnce: boolean;
  /** What will not be as whoever did it may expect; undefined: nothing is known of. */
  warnings?: string[];
}

/** A function that gathers what comes from a device, or from another such function. */
export interface Feed {
  /** Its name in place of a device's. */
  gatherer: string;
  /** That take any of it: of the version that is wanted, and of the one before, which may have to run in its place. */
  handlers: Handler[];
  /** Empty: all. */
  inputs: Manifest['inputs'];
}

/** What runs in the cloud for a device, or is a gatherer. */
export interface CloudDeployments {
  /** Changes whenever the rest does. */
  revision: number;
  deployed: CloudDeployed[];
  /** Absent: none. */
  feeds?: Feed[];
}

export interface StatusOptions extends PageOptions {
  name?: string;
  group?: string;
  device?: string;
}

/** One deployment on one device: what is wanted beside what is reported. */
export interface DeploymentStatus {
  /** Of one that gathers, the gatherer. */
  device: string;
  connected: boolean;
  name: string;
  where: Where;
  /** Undefined: it should not be there any more. */
  wanted?: { group: string; kind: BundleKind; version: string; hash: string };
  /** Groups that want the same name and lose. */
  overridden: string[];
  /** Why this one runs, in one sentence; absent where nothing is wanted. */
  why?: string;
  /** The wishes of those groups, and why not they. */
  lost?: Loser[];
  /** What the device, or the cloud worker for it, said last; undefined: nothing yet. */
  reported?: Omit<ReportedDeployment, 'kind'>;
  /**
   * `running` only when what is wanted runs, not when the last good version does; `pending` until the device says anything about it;
   * `removing` while one that is not wanted is still reported.
   */
  state: DeploymentState | 'pending' | 'removing';
  /** Why it does not get there, where the hub knows. */
  problem?: string;
}

/** What is wanted in the cloud. */
export interface CloudDeployed extends Deployed {
  /** Counts the settings of deployments: to set the same again is to give it another chance. */
  wish?: number;
}

export type { DeployOptions } from './deployments.ts';
export { FleetError } from './error.ts';

export interface Fleet {
  createToken(options: TokenOptions): Promise<IssuedToken>;
  /**
   * Checks and spends a token and registers the device in its groups, in one write; then reconciles it.
   * @throws {FleetError} `token-invalid`, `token-expired`, `token-revoked`, `token-spent`, `device-exists`, `key-revoked`
   */
  enrol(options: EnrolOptions): Promise<void>;
  /** Newest first; those that ended are forgotten after a week. */
  tokens(): Promise<TokenSummary[]>;
  /** Nobody joins with it any more; who has joined stays. @throws {FleetError} `token-unknown` */
  revokeToken(id: string): Promise<TokenSummary>;

  /**
   * Notes a new certificate of a device beside the one that it has.
   * @throws {FleetError} `certificate-replaced` when that is not in force any more
   */
  renew(options: RenewOptions): Promise<void>;
  /** The device has shown this one. If it is the new one, the old one ends after an overlap. */
  certificateUsed(device: string, serial: string): Promise<void>;
  /**
   * Takes a certificate into force that this hub gave out before its data was put back to an old copy; the one that was in
   * force ends after an overlap. Of any other, and of a device that is revoked, nothing happens. @see forgotten.ts
   */
  takeForgotten(shown: ShownCertificate): Promise<void>;

  /**
   * None of its certificates speaks for the device any more, from when this resolves; its connections end. A join with
   * a token that lets devices join again brings it back. Idempotent. @returns its groups. @throws {FleetError} `device-unknown`
   */
  revoke(device: string): Promise<string[]>;
  /** The same, and the device is forgotten, with its shadows; what it measured stays. @throws {FleetError} `device-unknown` */
  remove(device: string): Promise<void>;

  device(id: string): Promise<DeviceRecord | undefined>;
  /** In order of id. */
  devices(page?: PageOptions): Promise<PageOf<DeviceRecord>>;
  /** Called by the front. One that is older than what it has told since the start is ignored. */
  presence(device: string, connected: boolean, at: number, end?: ConnectionEnd): Promise<void>;
  /** Devices that are connected, and when something came from each last; kept in case the hub ends without a word. */
  heard(devices: ReadonlyMap<string, number>): Promise<void>;
  /** A bad message of a device, from front or worker: counted by reason, the last few kept. */
  refused(device: string, reason: string, detail: string, payload: Uint8Array): Promise<void>;
  refusedBy(device: string): Promise<RefusedRecord>;

  /** @throws {FleetError} `group-exists`, `selector-invalid`, `limit-exceeded` */
  createGroup(name: string, settings?: GroupSettings): Promise<void>;
  /** Devices follow within seconds. @throws {FleetError} `group-unknown`, `selector-invalid`, `limit-exceeded` */
  setGroup(name: string, settings: GroupSettings): Promise<void>;
  /** @param force also while something is deployed to it. @throws {FleetError} `group-in-use` */
  removeGroup(name: string, force: boolean): Promise<void>;
  group(name: string): Promise<GroupRecord | undefined>;
  groups(page?: PageOptions): Promise<PageOf<GroupSummary>>;
  /** In order of id. */
  members(group: string, page?: PageOptions): Promise<PageOf<GroupMember>>;
  addToGroup(group: string, device: string): Promise<void>;
  /** @throws {FleetError} `member-by-tags` when it is in the group by its tags, too */
  removeFromGroup(group: string, device: string): Promise<void>;
  /** Leaves a device out of a group whatever its tags are, or ends that. */
  exclude(group: string, device: string, excluded: boolean): Promise<void>;
  /** Changes the tags of a device, and with them its groups. @throws {FleetError} `tag-invalid` */
  tag(device: string, change: TagChange): Promise<DeviceRecord>;
  /** Resolves when all devices follow the selectors. */
  settled(): Promise<void>;

  /** What {@link FleetPorts.hints} say of devices of the group has changed; they are told in the background. */
  groupChanged(group: string): Promise<void>;
  /** The same of all devices. */
  allChanged(): Promise<void>;

  bundle(hash: string): Promise<Uint8Array | undefined>;
  /** To run here: what may not is not given. @returns undefined: it is not here, or somebody has changed it */
  cloudBundle(hash: string): Promise<Bundle | undefined>;
  /**
   * @param release text of its release statement, without which nothing is taken once there is a root file
   * @throws {FleetError} `bundle-invalid`, `bundle-too-large`
   * @throws {TrustError} `release-missing`, `release-refused`, `root-missing`
   */
  putBundle(bytes: Uint8Array, release?: string): Promise<{ hash: string; bundle: Bundle }>;

  /** Sets what a group wants under the bundle's name; the devices follow. */
  deploy(options: DeployOptions): Promise<DeploymentSet>;
  undeploy(group: string, name: string): Promise<void>;
  /** Sets what ran before under this name. @throws {FleetError} `no-previous` */
  rollback(group: string, name: string): Promise<DeploymentSet>;
  /** Begins an aborted rollout anew. @throws {FleetError} `rollout-unknown`, `rollout-refused` */
  retry(group: string, name: string): Promise<DeploymentSet>;
  /** What is on its way to the devices, and what was. */
  readonly rollouts: Pick<Rollouts, 'list' | 'get' | 'history' | 'act'>;
  /** Every deployment on every device of a page of devices; `limit` counts devices. */
  status(options?: StatusOptions): Promise<PageOf<DeploymentStatus>>;

  /** What runs in the cloud for this device, or gatherer, now; cached. */
  cloudDeployments(device: string): Promise<CloudDeployments>;
  /** What was just published of a shadow, of whatever kind: reports of deployments are read off it. */
  shadowTold(topic: string, payload: string): void;
  /** How what is wanted in the cloud for a device, or gatherer, is doing, by name; called by the worker when that changed. */
  cloudStatus(device: string, reported: Readonly<Record<string, ReportedDeployment>>): Promise<void>;

  /**
   * Makes the device's `desired` in shadow `weir` what its groups want, through the Downlink. Idempotent; calls for
   * one device never overlap. @throws {DownlinkError} when it did not work this time
   */
  reconcile(device: string): Promise<void>;
  /**
   * To be called before the front listens: nobody is connected yet. Every device is reconciled in the background,
   * and again after each failure.
   */
  start(): Promise<void>;
  /** Carries rollouts on without being where devices come in: beside a hub that is. */
  startRollouts(): void;
  /** Ends the background work; idempotent. */
  stop(): Promise<void>;
}

export type { FleetPorts } from './ports.ts';
export { createFleet } from './stored-fleet.ts';
