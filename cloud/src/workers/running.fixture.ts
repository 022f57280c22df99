/** Workers over a log and a store in memory, for tests. */
import { randomBytes } from 'node:crypto';
import type { Bundle } from '@weir/protocols';
import { type Deployed, parseBundle } from '@weir/runtime';
import pino from 'pino';
import { expect, vi } from 'vitest';
import { createHubEvents, type HubEvent } from '../api/events.ts';
import { systemClock } from '../clock/clock.ts';
import { createMemoryDownlink } from '../downlink/memory.ts';
import type { Feed } from '../fleet/fleet.ts';
import { createMemoryLog } from '../log/memory.ts';
import { createMemoryStore } from '../store/memory.ts';
import { UsageCounts } from '../usage/counts.ts';
import type { WorkerLimits } from './limits.ts';
import { NO_COMMANDS, requestService } from './worker.fixture.ts';
import type { WorkerPorts } from './worker.ts';
import { createWorkers, type Workers } from './workers.ts';

const FAST = { tickMs: 5, retryMs: 1 };

export class Running {
  readonly log = createMemoryLog({ partitions: 2 });
  readonly store = createMemoryStore();
  readonly downlink = createMemoryDownlink();
  readonly events: HubEvent[] = [];
  readonly refused: { device: string; reason: string }[] = [];
  /** What runs in the cloud for a device. */
  wanted: (device: string) => Deployed[] = () => [];
  /** By hash, those that can be fetched. */
  readonly bundles = new Map<string, Uint8Array>();
  /** Functions that gather what comes from a device. */
  feeds: (device: string) => Feed[] = () => [];
  /** Changes with `wanted`. */
  revision = 1;
  readonly #ports: Partial<WorkerPorts>;
  readonly #started: Workers[] = [];

  constructor(ports: Partial<WorkerPorts>) {
    this.#ports = ports;
  }

  #bundle(hash: string): Bundle | undefined {
    const bytes = this.bundles.get(hash);
    return bytes && parseBundle(bytes);
  }

  /** @param more in place of what the others are started with */
  async start(more: Partial<WorkerPorts> = {}, limits: Partial<WorkerLimits> = {}): Promise<Workers> {
    const { log, store, downlink } = this;
    const events = createHubEvents();
    events.on((event) => this.events.push(event));
    const fleet = {
      cloudDeployments: async (device: string) => ({
        revision: this.revision,
        deployed: this.wanted(device),
        feeds: this.feeds(device),
      }),
      cloudStatus: async () => {},
      cloudBundle: async (hash: string) => this.#bundle(hash),
      refused: async (device: string, reason: string) => void this.refused.push({ device, reason }),
    };
    const workers = createWorkers(
      {
        ...{ log, store, fleet, downlink, events },
        wakeNotifier: () => {},
        reports: {},
        commands: NO_COMMANDS,
        requests: requestService(),
        usage: { keepMs: 86_400_000, counts: new UsageCounts() },
        makeHost: () => expect.fail('nothing is deployed'),
        logger: pino({ level: 'silent' }),
        clock: systemClock,
        random: (bytes) => randomBytes(bytes),
        ...this.#ports,
        ...more,
      },
      { ...FAST, ...limits },
    );
    this.#started.push(workers);
    await workers.start();
    return workers;
  }

  async stop(): Promise<void> {
    for (const workers of this.#started.splice(0)) await workers.stop();
  }
}

export async function drained(workers: Workers): Promise<void> {
  await vi.waitFor(async () => expect(await workers.lag()).toBe(0), { timeout: 30_000, interval: 2 });
}
