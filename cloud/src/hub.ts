/**
 * The hub: the cloud side in one process.
 *
 *     devices --MQTT--> front -> log -> workers -> store -> notifier -> people
 *        ^                ^                          ^
 *        |                +-- shadows --- data plane <-- downlink -- fleet -- operator API
 *        +--HTTPS-- device API (join, bundles)
 */
import { type HubAddress, schemeOfApi } from './addresses.ts';
import { reindexEpisodes } from './alerts/reindex.ts';
import type { HubEvents } from './api/events.ts';
import type { HubConfig } from './config/config.ts';
import type { Fleet } from './fleet/fleet.ts';
import { type HubOptions, type HubParts, type HubPorts, makeParts } from './hub-parts.ts';

export interface Hub {
  readonly fleet: Fleet;
  readonly events: HubEvents;
  /** @throws {UsageError} `port-taken`, `port-refused`; whatever was started is stopped again */
  start(): Promise<HubAddress>;
  /** Ends what is under way and lets go of all ports; idempotent. Log, store and sandbox stay with their owner. */
  stop(): Promise<void>;
}

/** Files of certificates are looked at this often. */
const REREAD_MS = 60_000;
/** The server's certificate is looked at this often. */
const RENEWAL_CHECK_MS = 12 * 3_600_000;

export function createHub(ports: HubPorts, options: HubOptions): Hub {
  return new EmbeddedHub(ports, options);
}

class EmbeddedHub implements Hub {
  readonly #ports: HubPorts;
  readonly #parts: HubParts;
  readonly #config: HubConfig;
  /** What was started, first to last; stopped last to first. */
  readonly #cleanups: (() => Promise<void> | void)[] = [];

  constructor(ports: HubPorts, options: HubOptions) {
    this.#ports = ports;
    this.#parts = makeParts(ports, options);
    this.#config = options.config;
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
    const { address, downlink, operatorServer, notifier, fleet, commands, ends } = this.#parts;
    const { logs, workers, front, deviceApi, retention, watch } = this.#parts;
    this.#cleanups.push(() => downlink.close());
    this.#cleanups.push(() => operatorServer.stop());
    this.#cleanups.push(() => logs.stop());
    address.api = await operatorServer.start();
    for (const part of [notifier, fleet, commands, workers, ends, retention, watch]) {
      this.#cleanups.push(() => part.stop());
      await part.start();
    }
    const { store, logger } = this.#ports;
    void reindexEpisodes(store).catch((error: Error) => {
      logger.error(
        { error: error.message },
        'older alerts are not found by device yet; it is tried again at the next start',
      );
    });
    this.#cleanups.push(() => front.stop());
    address.mqtt = await front.start();
    this.#cleanups.push(() => deviceApi.stop());
    address.device = await deviceApi.start();
    const renewing = new AbortController();
    this.#cleanups.push(() => renewing.abort());
    void this.#renewCertificates(renewing.signal);
    if (schemeOfApi(this.#config) === 'https') void this.#rereadCertificate(renewing.signal);
  }

  async #rereadCertificate(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#ports;
    for (;;) {
      await clock.sleep(REREAD_MS, signal);
      if (signal.aborted) return;
      try {
        const isNew = await this.#parts.operatorServer.renewCertificate();
        if (isNew) logger.info('the operator API shows a new certificate');
      } catch (error) {
        logger.error({ error: (error as Error).message }, 'the operator API goes on with the certificate it had');
      }
    }
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
