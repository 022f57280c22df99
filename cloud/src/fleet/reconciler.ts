import { type Json, type JsonObject, WEIR_SHADOW } from '@weir/protocols';
import type { Clock } from '../clock/clock.ts';
import { type Downlink, DownlinkError } from '../downlink/downlink.ts';
import { mergePatch } from './patch.ts';
import { Turns } from './turns.ts';

export interface ReconcilerPorts {
  downlink: Downlink;
  /** The wanted `desired` of a device by section; null: not to be there. Undefined: there is no such device. */
  wanted: (device: string) => Promise<WantedSections | undefined>;
  /** Names that were set (with their new value) or taken off (null). */
  changed: (device: string, patch: Record<string, Json>) => void;
  /** The last outcome for a device: undefined when it worked. */
  outcome: (device: string, error: Error | undefined) => void;
  sleep: Clock['sleep'];
  /** In [0, 1). */
  chance: () => number;
}

export type WantedSections = { deployments: JsonObject } & Record<string, JsonObject | null>;

/** So many shadows are written at once; AWS allows 20 requests per second and thing, and far more in all. */
const CONCURRENCY = 8;
const RETRY_MS_MIN = 1000;
/** A hub that was unreachable for a day is tried again within a minute of its return. */
const RETRY_MS_MAX = 60_000;
/** The agent's own reports change the version too: a few conflicts in a row are normal. */
const CONFLICTS_MAX = 10;

/** Makes `desired` of the shadows follow what is wanted; what fails is repeated until it works. */
export class Reconciler {
  #ports: ReconcilerPorts;
  #turns = new Turns();
  #queue = new Set<string>();
  /** Failed attempts in a row, for devices that wait for the next. */
  #failures = new Map<string, number>();
  #running = 0;
  #stop = new AbortController();

  constructor(ports: ReconcilerPorts) {
    this.#ports = ports;
  }

  /** Now, and once. @throws {DownlinkError} */
  async once(device: string): Promise<void> {
    await this.#turns.run(device, () => this.#apply(device));
    this.#failures.delete(device);
    this.#ports.outcome(device, undefined);
  }

  /** In the background, until it has worked. */
  request(device: string): void {
    if (this.#stop.signal.aborted) return;
    this.#queue.add(device);
    this.#fill();
  }

  stop(): void {
    this.#stop.abort();
    this.#queue.clear();
  }

  #fill(): void {
    for (const device of this.#queue) {
      if (this.#running >= CONCURRENCY) return;
      this.#queue.delete(device);
      this.#running += 1;
      void this.#attempt(device).finally(() => {
        this.#running -= 1;
        this.#fill();
      });
    }
  }

  async #attempt(device: string): Promise<void> {
    try {
      await this.once(device);
    } catch (error) {
      this.#ports.outcome(device, error as Error);
      void this.#later(device);
    }
  }

  async #later(device: string): Promise<void> {
    const failures = (this.#failures.get(device) ?? 0) + 1;
    this.#failures.set(device, failures);
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** (failures - 1));
    await this.#ports.sleep(ceiling * (0.5 + this.#ports.chance() / 2), this.#stop.signal);
    if (this.#failures.has(device)) this.request(device);
  }

  /**
   * The shadow is read before what is wanted: should another hub set something in between, its own write makes ours
   * fail with a conflict, and an older wish never overwrites a newer one.
   */
  async #apply(device: string): Promise<void> {
    for (let n = 1; ; n++) {
      const document = await this.#ports.downlink.getShadow(device, WEIR_SHADOW);
      const wanted = await this.#ports.wanted(device);
      if (wanted === undefined) return;
      const patch = patchOf(document, wanted);
      if (patch === undefined) return;
      const request: JsonObject = { state: { desired: patch } };
      if (document !== undefined) request.version = document.version!;
      try {
        await this.#ports.downlink.updateShadow(device, WEIR_SHADOW, request);
        if (patch.deployments !== undefined) this.#ports.changed(device, patch.deployments as JsonObject);
        return;
      } catch (error) {
        if (!(error instanceof DownlinkError && error.code === 'conflict') || n >= CONFLICTS_MAX) throw error;
      }
    }
  }
}

/** Sections that are not wanted one way or the other stay as they are. */
function patchOf(document: JsonObject | undefined, wanted: WantedSections): JsonObject | undefined {
  const { desired = {} } = (document?.state ?? {}) as { desired?: JsonObject };
  const found = Object.keys(wanted).filter((section) => Object.hasOwn(desired, section));
  const from: JsonObject = { deployments: {}, ...Object.fromEntries(found.map((name) => [name, desired[name]!])) };
  return mergePatch(from, Object.fromEntries(Object.entries(wanted).filter(([, section]) => section !== null)));
}
