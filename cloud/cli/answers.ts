/** What the API answers, as far as the commands look at it. */
import type { ReportedDeployment, WeirReported } from '@weir/protocols';

export interface Device {
  id: string;
  groups: string[];
  matched?: string[];
  excluded?: string[];
  over?: string[];
  tags: Record<string, string>;
  certificateSerial: string;
  revokedAt?: number;
  enrolledAt: number;
  presence?: { connected: boolean; since: number; reason?: string };
  lastSeenAt?: number;
  state: string;
  stateSince: number;
  version?: string;
  problems: { code: string; text: string }[];
  health?: Partial<NonNullable<WeirReported['health']>>;
}

export interface JoinTokenSummary {
  id: string;
  groups: string[];
  replace: boolean;
  uses: number;
  usesLeft: number;
  createdAt: number;
  expiresAt: number;
  state: string;
}

export interface DeploymentStatus {
  device: string;
  connected: boolean;
  name: string;
  where: string;
  wanted?: { group: string; kind: string; version: string; hash: string };
  overridden: string[];
  why?: string;
  lost?: { group: string; version: string; why: string }[];
  reported?: Omit<ReportedDeployment, 'kind'>;
  state: string;
  problem?: string;
}

interface Reading {
  sensor: string;
  metric: string;
  value: number | boolean | string;
  ts: number;
  unit?: string;
  quality?: string;
}

export interface DeadLetter {
  id: string;
  device: string;
  where: 'edge' | 'cloud';
  function: string;
  version: string;
  hash: string;
  at: number;
  replays: number;
  error: { kind: string; message: string; place?: string };
  readings?: number;
  handler?: string;
  asked?: { what: 'replay' | 'remove'; at: number; expiresAt: number };
  answer?: { at: number; detail: string };
}

export interface DeadLetterDetail extends DeadLetter {
  stack: string;
  input?: Reading[];
  value?: string;
}

export interface LogEntry {
  device: string;
  where: 'edge' | 'cloud';
  function: string;
  level: string;
  text: string;
  ts: number;
  at: number;
  left: number;
}

export type LogEvent =
  | ({ type: 'line' } & LogEntry)
  | { type: 'following'; devices: string[] }
  | { type: 'device'; device: string; state: 'asked' | 'told' }
  | { type: 'device'; device: string; state: 'offline'; since?: number }
  | { type: 'device'; device: string; state: 'failed'; detail: string };

export interface DeviceDetail extends Device {
  connection?: {
    source: { address: string; port: number };
    disconnectReason?: string;
    flapping?: { since: number; takeovers: number; addresses: string[] };
  };
  shadow?: { reported?: Record<string, unknown>; desired?: Record<string, unknown>; version: number };
  deployments: DeploymentStatus[];
  refused: { counts: Record<string, number>; last: { at: number; reason: string; detail: string; bytes: number }[] };
  deadLetters: { waiting: number; dropped: number };
  gaps: GapSummary;
  latest: Reading[];
}

export interface GapSummary {
  lanes: { lane: string; dropped: number; waiting: number; unexplained: number; ended: number }[];
  told: Record<string, Record<string, number>>;
  lives: { count: number; current?: string; last: { life: string; at: number }[] };
  older: { missing: number; dropped: number };
  restored: { count: number; last: Restored[] };
}

export interface DeviceGaps {
  device: string;
  dropped: number;
  waiting: number;
  unexplained: number;
  ended: number;
}

export interface Restored {
  at: number;
  life: string;
  run: string;
  lane: string;
  seq: number;
  reached: number;
  wasOver: boolean;
}

export interface Gap {
  lane: string;
  life: string;
  run?: string;
  seq: number;
  through: number;
  missing: number;
  dropped: number;
  state: string;
  noticedAt: number;
  reasons?: Record<string, number>;
  droppedAt?: number;
  from?: number;
  to?: number;
}

export interface DeviceCommand {
  id: string;
  device: string;
  name: string;
  function?: string;
  createdAt: number;
  expiresAt: number;
  state: string;
  endedAt?: number;
  detail?: string;
}

export interface Deployment {
  group: string;
  name: string;
  kind: string;
  version: string;
  hash: string;
  where: string;
  config: Record<string, unknown>;
  gathers?: true;
  /** A function that is the condition of a rule. */
  isRule?: true;
  /** Of a rule: on trial, it tells nobody. */
  dryRun?: boolean;
  setAt: number;
  /** False: a rollout carries it to the devices. Of what was set just now. */
  atOnce?: boolean;
  warnings?: string[];
}

export interface RolloutCounts {
  members: number;
  admitted: number;
  running: number;
  failed: number;
  pending: number;
  offline: number;
  silent: number;
  overridden: number;
}

export interface Rollout {
  id: number;
  group: string;
  name: string;
  kind: string;
  version: string;
  goesBackTo?: string;
  atOnce: boolean;
  phase: string;
  createdAt: number;
  endedAt?: number;
  wave: number;
  waves: string[];
  members: number;
  admitted: number;
  counts?: RolloutCounts;
  waiting?: string;
  why?: string;
  failures: { device: string; reason: string }[];
  told: { at: number; text: string }[];
}

export interface GroupSummary {
  name: string;
  createdAt: number;
  selector?: string;
  priority: number;
  alertAfterMs?: number | null;
}

export interface GroupMember {
  device: string;
  listed: boolean;
  matched: boolean;
}

export interface Group extends GroupSummary {
  members: { total: number; listed: number; matched: number };
  devices: string[];
  placing?: number;
  deployments: Deployment[];
}

export interface Channel {
  name: string;
  kind: string;
  url?: string;
  signed: boolean;
  state: string;
  circuit: string;
  settings: Record<string, unknown>;
  secrets: string[];
  policy?: { quietHours?: { zone?: string; times?: string[]; digest?: boolean } };
  template?: string;
  waiting: number;
  delivered: number;
  dropped: number;
  deadLetters: number;
  lastDeliveredAt?: number;
  lastError?: string;
  nextAttemptAt?: number;
}

export interface FunctionUsage {
  function: string;
  memoryMb: number;
  from: number;
  to: number;
  invocations: number;
  readings: number;
  cpuMs: number;
  heapBytesMax: number;
  errors: number;
  outputs: number;
}

export interface UsageAnswer {
  since: string;
  items: (FunctionUsage & { version: string; where: string })[];
}

interface LambdaBill {
  requests: number;
  gbSeconds: number;
  usd: number;
}

export interface LambdaCost {
  batched: LambdaBill;
  oneByOne: LambdaBill;
}

export interface LambdaEstimate {
  since: string;
  architecture: string;
  prices: { perMillionRequests: number; perGbSecond: number };
  priceList: { region: string; asOf: string; source: string };
  items: (FunctionUsage & { month?: LambdaCost })[];
  total: LambdaCost;
  totalAfterFreeTier: LambdaCost;
}

export interface WhoAmI {
  id: string;
  name: string;
  role: string;
  expiresAt?: number;
}

export interface ApiKey extends WhoAmI {
  createdAt: number;
  createdBy: string;
  revokedAt?: number;
  lastUsedAt?: number;
  accessKeyId: string;
}

export interface IssuedApiKey extends ApiKey {
  key: string;
  secretAccessKey: string;
  url: string;
  caSha256: string;
}

export interface AuditEntry {
  at: number;
  by?: { id: string; name: string };
  from: string;
  what: string;
  target: string;
  body?: string;
  outcome: string;
  code?: string;
  count?: number;
  lastAt?: number;
}
