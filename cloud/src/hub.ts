/**
 * The hub: the cloud side in one process.
 *
 *     devices --MQTT--> front -> log -> workers -> store -> notifier -> people
 *        ^                ^                          ^
 *        |                +-- shadows --- data plane <-- downlink -- fleet -- operator API
 *        +--HTTPS-- device API (join, bundles)
 */
import { hostname } from 'node:os';
import { createFoldHost, type Sandbox } from '@weir/runtime';
import fastify, { type FastifyInstance } from 'fastify';
import { registerOperatorApi } from './api/api.ts';
import { createHubEvents, type HubEvents } from './api/events.ts';
import type { Clock } from './clock/clock.ts';
import type { HubConfig } from './config/config.ts';
import { registerDataPlane } from './dataplane/dataplane.ts';
import type { IotCredentials } from './dataplane/signature.ts';
import { createDeviceApi } from './device-api/device-api.ts';
import { createIotDataPlane } from './downlink/iot-data-plane.ts';
import { createFleet, type Fleet } from './fleet/fleet.ts';
import { createFront } from './front/front.ts';
import type { Identity } from './identity/identity.ts';
import { explain } from './listen.ts';
import type { Log } from './log/log.ts';
import type { Logger } from './logger.ts';
import { hubMetrics } from './metrics.ts';
import { createNotifier } from './notify/notify.ts';
import { createShadows } from './shadow/shadows.ts';
import type { Store } from './store/store.ts';
import { createWorkers } from './workers/workers.ts';

export interface HubPorts {
  log: Log;
  store: Store;
  identity: Identity;
  sandbox: Sandbox;
  clock: Clock;
  random: (bytes: number) => Uint8Array;
  logger: Logger;
}

export interface HubOptions {
  config: HubConfig;
  /** What operators show to the API. */
  apiKey: string;
  /** What signs requests to the IoT Data Plane. */
  credentials: IotCredentials;
}

/** Where the hub listens. */
export interface HubAddress {
  mqtt: number;
  device: number;
  api: number;
}

export interface Hub {
  readonly fleet: Fleet;
  readonly events: HubEvents;
  /** @throws {UsageError} `port-taken`, `port-refused`; whatever was started is stopped again */
  start(): Promise<HubAddress>;
  /** Ends what is under way and lets go of all ports; idempotent. Log, store and sandbox stay with their owner. */
  stop(): Promise<void>;
}

/** A bundle of the largest size, and a little around it. */
const API_BYTES_MAX = 2 * 1024 * 1024;
/** The server's certificate is looked at this often. */
const RENEWAL_CHECK_MS = 12 * 3_600_000;

export function createHub(ports: HubPorts, options: HubOptions): Hub {
  const { log, store, identity, sandbox, clock, random, logger } = ports;
  const { config, credentials } = options;
  const { now } = clock;
  const address: HubAddress = { mqtt: 0, device: 0, api: 0 };
  const events = createHubEvents();
  const downlink = createIotDataPlane({
    endpoint: () => apiUrl(config, address.api),
    credentials,
  });
  const fleet = createFleet({ store, downlink, random, now, events, sleep: clock.sleep });
  const notifier = createNotifier({
    store,
    events,
    now,
    random,
    sleep: clock.sleep,
    log: (level, fields, text) => logger[level](fields, text),
  });
  const shadows = createShadows(
    { store, logger, now, publish: (topic, payload) => front.publish(topic, payload) },
    config.shadow,
  );
  const { connectTimeout: connectTimeoutMs, ...frontLimits } = config.front;
  const front = createFront(
    { identity, log, fleet, shadows, logger, now },
    { ...config.listen.mqtt, option: '--mqtt-port', limits: { ...frontLimits, connectTimeoutMs } },
  );
  const deviceApi = createDeviceApi(
    { identity, fleet, logger, now },
    {
      ...config.listen.device,
      option: '--device-port',
      joinRate: { ...config.join, callersMax: 10_000 },
      mqtt: () => ({ port: config.public.mqttPort ?? address.mqtt, ...preferredHost(config) }),
    },
  );
  const workers = createWorkers(
    {
      log,
      store,
      fleet,
      downlink,
      events,
      wakeNotifier: () => notifier.wake(),
      makeHost: (device, onStatus) => {
        // Started with the first function or rule: a hub without any needs no second process.
        void sandbox.start();
        return createFoldHost({ device, sandbox, onStatus });
      },
      logger,
      clock,
      random,
    },
    { devicesMax: config.workers.devicesMax },
  );

  const cleanups: (() => Promise<void> | void)[] = [];
  const stop = async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  };
  const start = async () => {
    const app = await makeApi();
    cleanups.push(() => downlink.close());
    cleanups.push(() => app.close());
    address.api = await listenApi(app, config);
    cleanups.push(() => notifier.stop());
    await notifier.start();
    cleanups.push(() => fleet.stop());
    await fleet.start();
    cleanups.push(() => workers.stop());
    await workers.start();
    cleanups.push(() => front.stop());
    address.mqtt = await front.start();
    cleanups.push(() => deviceApi.stop());
    address.device = await deviceApi.start();
    const renewing = new AbortController();
    cleanups.push(() => renewing.abort());
    void renewForever(renewing.signal);
    return address;
  };

  async function makeApi(): Promise<FastifyInstance> {
    const app = fastify({ bodyLimit: API_BYTES_MAX, forceCloseConnections: true });
    await registerDataPlane(app, {
      credentials,
      shadows,
      publish: (topic, payload, qos) => front.publish(topic, payload, qos),
      logger,
      now,
    });
    await registerOperatorApi(app, {
      store,
      fleet,
      notifier,
      downlink,
      events,
      apiKey: options.apiKey,
      caSha256: identity.caSha256,
      joinUrl: () => joinUrl(config, address),
      now,
      hosts: [config.listen.api.host, ...config.public.hosts],
      registry: hubMetrics(front, workers),
    });
    return app;
  }

  async function renewForever(signal: AbortSignal): Promise<void> {
    for (;;) {
      await clock.sleep(RENEWAL_CHECK_MS, signal);
      if (signal.aborted) return;
      try {
        if (!(await identity.renew(now()))) continue;
        front.renewCertificate();
        deviceApi.renewCertificate();
        logger.info("the hub's certificate was made again");
      } catch (error) {
        logger.error({ error: (error as Error).message }, "the hub's certificate could not be made again");
      }
    }
  }

  return {
    fleet,
    events,
    async start() {
      try {
        return await start();
      } catch (error) {
        await stop();
        throw error;
      }
    },
    stop,
  };
}

async function listenApi(app: FastifyInstance, { listen: { api } }: HubConfig): Promise<number> {
  try {
    await app.listen(api);
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, { ...api, option: '--api-port' });
  }
  return (app.server.address() as { port: number }).port;
}

/** Names and addresses in the server's certificate. */
export function certificateHosts(config: HubConfig): string[] {
  const { listen, public: open } = config;
  const own = [listen.mqtt.host, listen.device.host].filter((host) => !isEverywhere(host));
  return [...new Set([...open.hosts, 'localhost', '127.0.0.1', '::1', hostname(), ...own])];
}

function preferredHost({ public: { hosts } }: HubConfig): { host?: string } {
  return hosts[0] === undefined ? {} : { host: hosts[0] };
}

function joinUrl({ listen, public: open }: HubConfig, { device }: HubAddress): string {
  const { host } = listen.device;
  const name = open.hosts[0] ?? (isEverywhere(host) ? hostname() : host);
  return `https://${name.includes(':') ? `[${name}]` : name}:${open.devicePort ?? device}`;
}

function isEverywhere(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** How programs on this machine reach the operator API and the data plane. */
export function apiUrl({ listen }: HubConfig, port: number): string {
  const { host } = listen.api;
  const name = isEverywhere(host) ? '127.0.0.1' : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${port}`;
}
