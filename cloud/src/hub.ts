/**
 * The hub: the cloud side in one process.
 *
 *     devices --MQTT--> front -> log -> workers -> store -> notifier -> people
 *        ^                ^                          ^
 *        |                +-- shadows --- data plane <-- downlink -- fleet -- operator API
 *        +--HTTPS-- device API (join, bundles)
 */
import fastify, { type FastifyInstance } from 'fastify';
import { type HubAddress, joinUrl } from './addresses.ts';
import { ROUTER_OPTIONS, registerOperatorApi } from './api/api.ts';
import { answerUnknownRoute, handleError } from './api/error.ts';
import type { HubEvents } from './api/events.ts';
import type { HubConfig } from './config/config.ts';
import { answerUnknownOperation, isDataPlanePath, registerDataPlane } from './dataplane/dataplane.ts';
import type { Fleet } from './fleet/fleet.ts';
import { type HubOptions, type HubParts, type HubPorts, makeParts } from './hub-parts.ts';
import { explain } from './listen.ts';
import { hubMetrics } from './metrics/hub-metrics.ts';

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
  return new EmbeddedHub(ports, options);
}

class EmbeddedHub implements Hub {
  readonly #ports: HubPorts;
  readonly #options: HubOptions;
  readonly #parts: HubParts;
  /** What was started, first to last; stopped last to first. */
  readonly #cleanups: (() => Promise<void> | void)[] = [];

  constructor(ports: HubPorts, options: HubOptions) {
    this.#ports = ports;
    this.#options = options;
    this.#parts = makeParts(ports, options);
  }

  get fleet(): Fleet {
    return this.#parts.fleet;
  }

  get events(): HubEvents {
    return this.#parts.events;
  }

  async start(): Promise<HubAddress> {
    try {
      await this.#startAll();
      return this.#parts.address;
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }

  /** The API first: the fleet reaches devices through it. Devices last: all that takes care of them is up by then. */
  async #startAll(): Promise<void> {
    const { address, downlink, notifier, fleet, commands, logs, workers, front, deviceApi, usageRetention } =
      this.#parts;
    this.#cleanups.push(() => downlink.close());
    const app = await this.#makeApi();
    this.#cleanups.push(() => app.close());
    this.#cleanups.push(() => logs.stop());
    address.api = await listenApi(app, this.#options.config);
    for (const part of [notifier, fleet, commands, workers, usageRetention]) {
      this.#cleanups.push(() => part.stop());
      await part.start();
    }
    this.#cleanups.push(() => front.stop());
    address.mqtt = await front.start();
    this.#cleanups.push(() => deviceApi.stop());
    address.device = await deviceApi.start();
    const renewing = new AbortController();
    this.#cleanups.push(() => renewing.abort());
    void this.#renewCertificates(renewing.signal);
  }

  async #makeApi(): Promise<FastifyInstance> {
    const { store, identity, clock, logger, sandbox } = this.#ports;
    const { config, apiKey, credentials } = this.#options;
    const { address, fleet, notifier, commands, deadLetters, logs, downlink } = this.#parts;
    const { events, shadows, front, workers, usageCounts } = this.#parts;
    const app = fastify({ bodyLimit: API_BYTES_MAX, forceCloseConnections: true, routerOptions: ROUTER_OPTIONS });
    const publish = (topic: string, payload: Uint8Array, qos: 0 | 1) => front.publish(topic, payload, qos);
    app.setErrorHandler(handleError);
    app.setNotFoundHandler((request, reply) =>
      isDataPlanePath(request.url) ? answerUnknownOperation(reply) : answerUnknownRoute(request, reply),
    );
    await registerDataPlane(app, { credentials, shadows, publish, logger, now: clock.now });
    await registerOperatorApi(app, {
      ...{ store, fleet, notifier, commands, deadLetters, logs, downlink, events, apiKey },
      caSha256: identity.caSha256,
      joinUrl: () => joinUrl(config, address),
      now: clock.now,
      hosts: [config.listen.api.host, ...config.public.hosts],
      metrics: hubMetrics({ front, workers, commands, usage: usageCounts, sandbox }),
    });
    return app;
  }

  async #renewCertificates(signal: AbortSignal): Promise<void> {
    const { clock, identity, logger } = this.#ports;
    const { front, deviceApi } = this.#parts;
    for (;;) {
      await clock.sleep(RENEWAL_CHECK_MS, signal);
      if (signal.aborted) return;
      try {
        if (!(await identity.renew(clock.now()))) continue;
        front.renewCertificate();
        deviceApi.renewCertificate();
        logger.info("the hub's certificate was made again");
      } catch (error) {
        logger.error({ error: (error as Error).message }, "the hub's certificate could not be made again");
      }
    }
  }
}

async function listenApi(app: FastifyInstance, { listen: { api } }: HubConfig): Promise<number> {
  try {
    await app.listen(api);
  } catch (error) {
    throw explain(error as NodeJS.ErrnoException, { ...api, option: '--api-port' });
  }
  return (app.server.address() as { port: number }).port;
}
