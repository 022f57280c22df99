/** The control half of a hub, for tests: the real parts over a store and a downlink in memory. */
import { randomBytes } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import type { AlertTransition, Bundle, RuleInput } from '@weir/protocols';
import { KEYS } from '@weir/runtime/trust-fixture';
import Fastify, { type FastifyInstance } from 'fastify';
import pino from 'pino';
import type { Access } from '../access/access.ts';
import { type RequestLimitOptions, RequestLimits } from '../access/request-limits.ts';
import { openAccess } from '../access/stored-access.ts';
import { createAlerts } from '../alerts/alerts.ts';
import { Ends } from '../alerts/ends.ts';
import { withTransition } from '../alerts/episode.ts';
import { summaryOf } from '../alerts/index-keys.ts';
import type { Audit } from '../audit/audit.ts';
import { openAudit } from '../audit/stored-audit.ts';
import { type Clock, systemClock } from '../clock/clock.ts';
import { type Commands, createCommands } from '../commands/commands.ts';
import { createConditions } from '../condition/condition.ts';
import { createDeadLetters, type DeadLetters } from '../dead-letters/dead-letters.ts';
import { createMemoryDownlink, type MemoryDownlink } from '../downlink/memory.ts';
import { createFleet, type Fleet } from '../fleet/fleet.ts';
import { createGaps } from '../gaps/gaps.ts';
import { createLogs, type Logs } from '../logs/logs.ts';
import { createCarriers } from '../notify/carriers/carriers.ts';
import { createNotifier, type Notifier, type NotifierPorts } from '../notify/notify.ts';
import { sendCommandBy } from '../notify/send-command.ts';
import { AtRest } from '../secrets/at-rest.ts';
import { Secrets } from '../secrets/secrets.ts';
import { createMemoryStore } from '../store/memory.ts';
import type { Store } from '../store/store.ts';
import { signingFleet } from '../trust/signing-fleet.fixture.ts';
import { Statements } from '../trust/statements.ts';
import { type OperatorApiOptions, ROUTER_OPTIONS, registerOperatorApi } from './api.ts';
import { createHubEvents, type HubEvent, type HubEvents } from './events.ts';

const RATE = { burst: 100_000, perMinute: 100_000 };
const WIDE: RequestLimitOptions = { perAddress: RATE, perKey: RATE, failures: RATE };

export interface Control {
  store: Store;
  downlink: MemoryDownlink;
  fleet: Fleet;
  notifier: Notifier;
  /** With which another can go on after it. */
  notifierPorts: NotifierPorts;
  commands: Commands;
  ends: Ends;
  deadLetters: DeadLetters;
  logs: Logs;
  /** Devices whose workers were told to look. */
  nudged: string[];
  events: HubEvents;
  /** What was emitted so far. */
  seen: HubEvent[];
  app: FastifyInstance;
  /** Of the operator API and /metrics. */
  routes: { method: string; url: string }[];
  access: Access;
  audit: Audit;
  /** Of an admin. */
  apiKey: string;
  /** What the API stands on. */
  options: OperatorApiOptions;
  /** Lines of the notifier's log. */
  lines: string[];
  clock: { now: number };
  /** Listens on a free port. @returns the URL */
  listen(): Promise<string>;
  close(): Promise<void>;
}

export async function createControl(
  options: {
    sleep?: Clock['sleep'];
    clock?: { now: number };
    onGatherer?: (gatherer: string) => void;
    limits?: Partial<RequestLimitOptions>;
    /** No root file, and nothing is signed by itself. */
    unsigned?: boolean;
  } = {},
): Promise<Control> {
  const store = createMemoryStore();
  const downlink = createMemoryDownlink();
  const events = createHubEvents();
  const seen: HubEvent[] = [];
  events.on((event) => seen.push(event));
  const lines: string[] = [];
  const { clock } = options;
  const ports = {
    store,
    downlink,
    events,
    random: randomBytes,
    now: () => clock?.now ?? Date.now(),
    ...(options.sleep === undefined ? {} : { sleep: options.sleep }),
  };
  const { onGatherer = () => {} } = options;
  const statements = new Statements({ store, key: KEYS.hub, now: ports.now }, 3_600_000);
  const hints = async (device: string) => ({
    statement: (await statements.hint(device)) ?? null,
    secrets: await secrets.hint(device),
  });
  const fleet = createFleet({ ...ports, onGatherer, hints });
  if (options.unsigned !== true) await signingFleet(fleet, store, ports.now());
  const secrets: Secrets = new Secrets({
    ...{ store, now: ports.now, atRest: new AtRest(randomBytes(32), randomBytes) },
    groupsOf: async (device) => (await fleet.device(device))?.groups,
    changed: (group) => fleet.groupChanged(group),
  });
  const now = ports.now;
  const notifierPorts: NotifierPorts = {
    ...ports,
    ...{ atRest: new AtRest(randomBytes(32), randomBytes), giveUpMs: 3 * 86_400_000, deadLettersMax: 1_000 },
    carriers: createCarriers({ rule: { allows: () => true, refusal: '' }, timeoutMs: 15_000, random: randomBytes }),
    sendCommand: sendCommandBy(() => commands),
    log: (_level, _fields, text) => lines.push(text),
  };
  const notifier = createNotifier(notifierPorts);
  const commands = createCommands({
    ...{ store, downlink, fleet, random: randomBytes },
    clock: { now, sleep: options.sleep ?? systemClock.sleep },
    logger: pino({ level: 'silent' }),
  });
  const nudged: string[] = [];
  const nudge = (device: string) => void nudged.push(device);
  const deadLetters = createDeadLetters({ store, commands, nudge, now });
  const logs = createLogs({
    ...{ commands, fleet, events, random: randomBytes },
    clock: { now, sleep: options.sleep ?? systemClock.sleep },
    logger: pino({ level: 'silent' }),
  });
  const ends = new Ends({ store, commands, nudge, now, logger: pino({ level: 'silent' }) });
  const conditions = createConditions({
    store,
    connections: { get: () => undefined },
    life: () => ({ since: 0, returnMs: 0 }),
    now,
  });
  const alerts = createAlerts({
    ...{ store, events, ends, now, fleet, conditions },
    wakeNotifier: () => notifier.wake(),
  });
  const app = Fastify({ forceCloseConnections: true, routerOptions: ROUTER_OPTIONS });
  const routes: Control['routes'] = [];
  app.addHook('onRoute', ({ method, url }) => {
    routes.push(...[method].flat().map((each) => ({ method: each, url })));
  });
  const logger = pino({ level: 'silent' });
  const access = await openAccess({ store, random: randomBytes, now, logger }, { masterKey: randomBytes(32) });
  const audit = await openAudit({ store, now, logger }, { keepMs: 86_400_000, changesMax: 1_000, othersMax: 1_000 });
  const { key: apiKey } = await access.create({ name: 'test', role: 'admin', by: 'test' });
  const operators: OperatorApiOptions = {
    ...ports,
    fleet,
    notifier,
    commands,
    deadLetters,
    conditions,
    alerts,
    gaps: createGaps({ store, unexplainedAfterMs: 3_600_000 }),
    logs,
    secrets,
    access,
    limits: new RequestLimits({ ...WIDE, ...options.limits }, now),
    audit,
    hubKey: KEYS.hub,
    connectionOf: () => undefined,
    caSha256: 'A'.repeat(43),
    joinUrl: () => 'https://127.0.0.1:8443',
    apiUrl: () => 'https://hub.example.com:8080',
    hosts: [],
  };
  await registerOperatorApi(app, operators);
  return {
    store,
    downlink,
    fleet,
    notifier,
    notifierPorts,
    commands,
    ends,
    deadLetters,
    logs,
    nudged,
    events,
    seen,
    app,
    routes,
    access,
    audit,
    apiKey,
    options: operators,
    lines,
    clock: clock ?? { now: 0 },
    async listen() {
      await app.listen({ host: '127.0.0.1', port: 0 });
      return `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
    },
    async close() {
      await fleet.stop();
      await notifier.stop();
      logs.stop();
      await ends.stop();
      await commands.stop();
      await app.close();
      await audit.stop();
      await store.close();
    },
  };
}

export function ruleBytes(rule: Partial<RuleInput> = {}): Uint8Array {
  const full = { name: 'oven-hot', version: '1', sensor: '*', metric: 'temperature', above: 80, for: 0, ...rule };
  return new TextEncoder().encode(JSON.stringify({ weir: 1, kind: 'rule', rule: full } as unknown as Bundle));
}

/** Enrols a device with a token of its own. */
export async function enrolDevice(fleet: Fleet, device: string, groups: string[]): Promise<void> {
  const { secret } = await fleet.createToken({ groups, ttlMs: 60_000, uses: 1 });
  await fleet.enrol({ secret, device, certificateSerial: `serial-of-${device}`, now: 0 });
}

/** As a worker tells it when it is recorded. */
export function transitionEvent(at: number, over: Partial<AlertTransition> = {}): HubEvent {
  const fresh = transition(over);
  const episode = summaryOf(withTransition(undefined, fresh, 'edge', at)!);
  return { type: 'transition', at, transition: fresh, origin: 'edge', episode };
}

export function transition(over: Partial<AlertTransition> = {}): AlertTransition {
  return {
    episode: 'episode0001',
    seq: 1,
    state: 'firing',
    reason: 'threshold',
    severity: 'warning',
    source: { kind: 'rule', name: 'oven-hot', version: '1' },
    device: 'gw1',
    sensor: 'oven1',
    metric: 'temperature',
    ts: 1_795_000_000_000,
    startedAt: 1_795_000_000_000,
    value: 81.5,
    summary: 'oven1 temperature 81.5 is over 80',
    ...over,
  };
}
