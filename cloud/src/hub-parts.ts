/** Which part of the hub is wired to which. Nothing runs yet. */
import { paceTopic, WEIR_SHADOW } from '@weir/protocols';
import { createFoldHost, type Fault, faultLine, type Sandbox, type SendHttp, type SigningKey } from '@weir/runtime';
import type { Access } from './access/access.ts';
import { RequestLimits } from './access/request-limits.ts';
import {
  apiUrl,
  certificateHosts,
  type HubAddress,
  joinUrl,
  mqttTarget,
  publicApiUrl,
  schemeOfApi,
} from './addresses.ts';
import { createAlerts } from './alerts/alerts.ts';
import { Ends } from './alerts/ends.ts';
import { createHubEvents, type HubEvents } from './api/events.ts';
import type { Audit } from './audit/audit.ts';
import type { Clock } from './clock/clock.ts';
import { type Commands, createCommands } from './commands/commands.ts';
import { createConditions } from './condition/condition.ts';
import { ConnectivityWatch } from './condition/connectivity-watch.ts';
import type { HubConfig } from './config/config.ts';
import type { DataPlanePorts } from './dataplane/dataplane.ts';
import { createDeadLetters, type DeadLetters, lettersReported } from './dead-letters/dead-letters.ts';
import type { DeviceApi } from './device-api/device-api.ts';
import type { Downlink } from './downlink/downlink.ts';
import { createFleet, type Fleet } from './fleet/fleet.ts';
import { AWS_LIMITS } from './front/aws-strict.ts';
import { Backfill } from './front/backfill.ts';
import { devicePublish } from './front/device-publish.ts';
import type { Front } from './front/front.ts';
import type { LifecycleEvent } from './front/lifecycle.ts';
import type { Flapping } from './front/takeovers.ts';
import { createGaps } from './gaps/gaps.ts';
import { gapsReported } from './gaps/reports.ts';
import { readTotals } from './gaps/totals.ts';
import { ApiCertificate } from './identity/api-certificate.ts';
import type { Identity } from './identity/identity.ts';
import type { Log } from './log/log.ts';
import type { Logger } from './logger.ts';
import { createLogs, type Logs } from './logs/logs.ts';
import { hubMetrics } from './metrics/hub-metrics.ts';
import type { HubNetwork } from './network.ts';
import { createNotifier, type Notifier } from './notify/notify.ts';
import { notifyRule } from './notify/reach.ts';
import { sendCommandBy } from './notify/send-command.ts';
import type { OperatorServer } from './operator-server.ts';
import { createRetained } from './retained/retained.ts';
import { retentionOf } from './retention/limits.ts';
import type { Retention } from './retention/retention.ts';
import { AtRest } from './secrets/at-rest.ts';
import { Secrets } from './secrets/secrets.ts';
import { shadowAtHand } from './shadow/at-hand.ts';
import { forgetShadows } from './shadow/forget.ts';
import { createShadows, type Shadows, type ShadowsLimits } from './shadow/shadows.ts';
import { devicesOnline } from './store/presence.ts';
import type { Store } from './store/store.ts';
import { Statements } from './trust/statements.ts';
import { UsageCounts } from './usage/counts.ts';
import { usageReports } from './usage/reports.ts';
import { createRequestService } from './workers/request-service.ts';
import { RuleCosts } from './workers/rule-costs.ts';
import { createWorkers, type Workers } from './workers/workers.ts';

export interface HubPorts {
  log: Log;
  store: Store;
  identity: Identity;
  /** By which it signs what devices are to run. */
  signingKey: SigningKey;
  access: Access;
  audit: Audit;
  sandbox: Sandbox;
  /** Sends the requests of functions. */
  sendHttp: SendHttp;
  network: HubNetwork;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  logger: Logger;
}

export interface HubOptions {
  config: HubConfig;
  /** Under which secrets lie in the store: 32 bytes. */
  secretsKey: Uint8Array;
}

export interface HubParts {
  /** Filled in as the parts begin to listen. */
  address: HubAddress;
  events: HubEvents;
  downlink: Downlink & { close(): void };
  fleet: Fleet;
  notifier: Notifier;
  commands: Commands;
  /** Of alerts, by hand. */
  ends: Ends;
  deadLetters: DeadLetters;
  logs: Logs;
  shadows: Shadows;
  front: Front;
  deviceApi: DeviceApi;
  operatorServer: OperatorServer;
  workers: Workers;
  retention: Retention;
  watch: ConnectivityWatch;
}

/** Addresses remembered by the limit of joins. */
const JOINING_CALLERS_MAX = 10_000;

/** Told of each device that shows it. */
const FORGOTTEN =
  'a device has a later certificate of this hub than the hub knew of, and it was taken: the data of this hub is an old ' +
  'copy; revoke again what was revoked since';

export function makeParts(ports: HubPorts, options: HubOptions): HubParts {
  const { config } = options;
  const { log, store, identity, access, audit, clock, random, logger, network } = ports;
  const { now, sleep } = clock;
  const address: HubAddress = { mqtt: 0, device: 0, api: 0 };
  const events = createHubEvents();
  const toDevices: Front['publish'] = (...message) => front.publish(...message);
  const { endpoint, region } = config.downlink;
  const own = { endpoint: () => apiUrl(config, address), credentials: access.own, ca: identity.ca };
  const downlink = network.createDownlink({
    ...(endpoint === undefined ? own : { endpoint: () => endpoint, region }),
    shadows: () => shadows,
    publish: toDevices,
  });
  const statements = new Statements({ store, key: ports.signingKey, now }, config.trust.statementsFor);
  const fleet = createFleet({
    store,
    downlink,
    random,
    now,
    events,
    audit,
    sleep,
    hints: async (device) => ({
      statement: (await statements.hint(device)) ?? null,
      secrets: await secrets.hint(device),
    }),
    onGatherer: (gatherer) => workers.nudge(gatherer),
    onCloud: (device) => workers.nudge(device),
    // Of devices that are at AWS the shadows are there.
    shadow: (device) =>
      endpoint === undefined ? shadowAtHand(shadows, device) : downlink.getShadow(device, WEIR_SHADOW),
    onRolloutFailed: (group, name, error) => logger.warn({ group, name, error: error.message }, 'a rollout waits'),
    onCertificates(device) {
      void front.recheck(device);
      void deviceApi.recheck(device);
    },
    async forget(device) {
      await ends.gone(device);
      await commands.forget(device);
      await forgetShadows(shadows, device);
    },
  });
  const atRest = new AtRest(options.secretsKey, random);
  const secrets = new Secrets({
    ...{ store, now, atRest },
    groupsOf: async (device) => (await fleet.device(device))?.groups,
    changed: (group) => fleet.groupChanged(group),
  });
  const notify = (level: 'info' | 'warn', fields: object, text: string) => logger[level](fields, text);
  const notifier = createNotifier({
    ...{ store, events, now, random, sleep, atRest, log: notify },
    carriers: network.createCarriers({ rule: notifyRule(config), timeoutMs: config.notify.timeout, random }),
    sendCommand: sendCommandBy(() => commands),
    ...{ giveUpMs: config.notify.giveUp, deadLettersMax: config.notify.deadLettersMax },
    facts: (device) => fleet.device(device),
    isAway: (device) => watch.isAway(device),
  });
  const commands = createCommands({ store, downlink, fleet, clock, random, logger });
  events.on((event) => {
    if (event.type === 'presence') notifier.presence(event.device);
    if (event.type === 'presence') event.connected ? ends.resume(event.device) : commands.gone(event.device);
    if (event.type === 'flapping') logger.warn(event, 'a device is there twice, or loses its line again and again');
    if (event.type === 'restored') logger.warn(event, 'a device goes on from an old copy of its disk');
    if (event.type === 'certificate-taken') logger.warn(event, FORGOTTEN);
    if (event.type === 'new-life') logger.info(event, 'a device begins anew: set up again, or with another disk');
  });
  const nudge = (device: string) => workers.nudge(device);
  const ends = new Ends({ store, commands, nudge, now, logger });
  const deadLetters = createDeadLetters({ store, commands, nudge, now });
  const logs = createLogs({ commands, fleet, events, clock, random, logger });
  const publish = (topic: string, payload: string) => {
    fleet.shadowTold(topic, payload);
    return front.publish(topic, payload);
  };
  const shadows = createShadows({ store, logger, now, publish }, shadowLimits(config));
  const onListening = (device: string) => commands.listening(device);
  const onLifecycle = (event: LifecycleEvent) => events.emit({ type: 'lifecycle', at: now(), ...event });
  const onFlapping = (device: string, flapping: Flapping) =>
    events.emit({ type: 'flapping', at: now(), device, ...flapping });
  const online = () => devicesOnline(store);
  const backfill = new Backfill({
    now,
    tell: (device, pace) => void front.publish(paceTopic(device), JSON.stringify(pace), 0),
  });
  const retained = createRetained(store, config.retained);
  const ingestRule = config.ingest.rule;
  const front = network.createFront(
    {
      ...{
        identity,
        log,
        fleet,
        shadows,
        backfill,
        onListening,
        onLifecycle,
        onFlapping,
        online,
        logger,
        clock,
        random,
        retained,
        ingestRule,
      },
    },
    frontOptions(config),
  );
  const dataPlane: DataPlanePorts = {
    ...{ shadows, retained, connections: front.connections, publish: toDevices, logger, now },
    isStrict: config.profile === 'aws-strict',
    publishAs: devicePublish({ log, fleet, shadows, now, ingestRule }),
  };
  const { totalBurst, totalPerMinute, ...join } = config.join;
  const joinRate = { ...join, callersMax: JOINING_CALLERS_MAX };
  const joinRateOfAll = { burst: totalBurst, perMinute: totalPerMinute, callersMax: 1 };
  const deviceApi = network.createDeviceApi(
    { identity, fleet, secrets, store, statements, dataPlane, logger, now },
    {
      ...config.listen.device,
      option: '--device-port',
      joinRate,
      joinRateOfAll,
      renewAfterExpiry: config.renew.afterExpiry,
      mqtt: () => mqttTarget(config, address),
    },
  );
  const life = { since: now(), returnMs: config.front.returnWithin };
  const conditions = createConditions({ store, connections: front.connections, life: () => life, now });
  const watch = new ConnectivityWatch(
    {
      ...{ store, fleet, events, clock, logger, connections: front.connections, life: () => life },
      wakeNotifier: () => notifier.wake(),
    },
    watchOptions(config),
  );
  const wakeNotifier = () => notifier.wake();
  const alerts = createAlerts({ store, events, wakeNotifier, ends, now, fleet, conditions });
  const usage = { keepMs: config.usage.keep, counts: new UsageCounts() };
  const retention = retentionOf({ store, clock, logger }, config);
  const ruleCosts = new RuleCosts();
  const workers = createWorkers(
    {
      ...{ log, store, fleet, downlink, events, logger, clock, random },
      wakeNotifier: () => notifier.wake(),
      commands,
      reports: {
        'command-done': commands.reported,
        'dead-letter': lettersReported,
        'dead-letter-gone': lettersReported,
        'dead-letter-kept': lettersReported,
        gap: gapsReported,
        log: logs.reported,
        usage: usageReports({ ...usage, partitions: log.partitions }),
      },
      usage,
      onBackfilled: (device) => backfill.pass(device),
      onLogs: (device, lines) => logs.add(device, lines),
      requests: createRequestService(
        { send: ports.sendHttp, secrets, clock, random, logger },
        config.functions.requests,
        log.partitions,
      ),
      ruleCosts,
      makeHost(device, onStatus) {
        // Started with the first function or rule: a hub without any needs no second process.
        void ports.sandbox.start();
        const wait = (ms: number) => clock.sleep(ms);
        const onFault = (fault: Fault) => logs.add(device, [faultLine(fault, now())]);
        const elapsedMs = () => clock.elapsedMs?.() ?? 0;
        return createFoldHost({ device, sandbox: ports.sandbox, onStatus, onFault, wait, elapsedMs, reach: 'fleet' });
      },
    },
    { devicesMax: config.workers.devicesMax },
  );
  const { sandbox } = ports;
  const gaps = createGaps({ store, unexplainedAfterMs: config.gaps.unexplainedAfter });
  const limits = new RequestLimits(config.api, now);
  const missing = () => readTotals(store, log.partitions);
  const operatorServer = network.createOperatorServer(
    {
      ...(schemeOfApi(config) === 'https' && { certificate: new ApiCertificate(identity, config.listen.api.tls) }),
      dataPlane: { ...dataPlane, access, limits, audit },
      operators: {
        ...{
          store,
          fleet,
          alerts,
          random,
          notifier,
          commands,
          deadLetters,
          conditions,
          gaps,
          logs,
          downlink,
          secrets,
          events,
          access,
          limits,
          audit,
        },
        connectionOf: (device) => front.connections.get(device),
        caSha256: identity.caSha256,
        joinUrl: () => joinUrl(config, address),
        apiUrl: () => publicApiUrl(config, address),
        hubKey: ports.signingKey,
        now,
        hosts: certificateHosts(config),
        metrics: hubMetrics({
          front,
          workers,
          commands,
          usage: usage.counts,
          ruleCosts,
          missing,
          sandbox,
          retention,
          store,
          audit,
          watch,
        }),
      },
    },
    operatorServerOptions(config),
  );
  return {
    ...{ address, events, downlink, fleet, notifier, commands, deadLetters, logs, shadows, front, deviceApi, workers },
    ...{ watch, operatorServer, retention, ends },
  };
}

function shadowLimits({ profile, shadow }: HubConfig): Partial<ShadowsLimits> {
  if (profile !== 'aws-strict') return shadow;
  return { ...shadow, perSecond: AWS_LIMITS.shadowRequestsPerS, bytesMax: AWS_LIMITS.shadowBytesMax };
}

function watchOptions({ connectivity: { alertAfter, outageDevices, outageWithin } }: HubConfig) {
  return { afterMs: alertAfter === 'off' ? null : alertAfter, devicesMin: outageDevices, withinMs: outageWithin };
}

function frontOptions({ profile, listen, front }: HubConfig) {
  const { connectTimeout: connectTimeoutMs, returnWithin: returnMs, ...limits } = front;
  const isStrict = profile === 'aws-strict';
  return { ...listen.mqtt, option: '--mqtt-port', limits: { ...limits, connectTimeoutMs, returnMs }, isStrict };
}

function operatorServerOptions({ listen, api }: HubConfig) {
  const { host, port } = listen.api;
  const { connectionsMax, requestTimeout: requestTimeoutMs, headersTimeout: headersTimeoutMs } = api;
  return { host, port, option: '--api-port', connectionsMax, requestTimeoutMs, headersTimeoutMs };
}
