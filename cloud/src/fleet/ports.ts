import type { JsonObject } from '@weir/protocols';
import type { HubEvents } from '../api/events.ts';
import type { Audit } from '../audit/audit.ts';
import type { Clock } from '../clock/clock.ts';
import type { Downlink } from '../downlink/downlink.ts';
import type { Store } from '../store/store.ts';

/** What the fleet needs, and whom it tells. */
export interface FleetPorts {
  store: Store;
  downlink: Downlink;
  random: (bytes: number) => Uint8Array;
  now: () => number;
  events?: HubEvents;
  /** What the hub decides by itself is written down there before it is done. */
  audit?: Pick<Audit, 'begin' | 'end'>;
  /** Further sections of `desired` in the shadow `weir` of a device; null: not to be there. */
  hints?: (device: string) => Promise<Record<string, JsonObject | null>>;
  /** Told of gatherers for which something changed: they need not wait for what devices hand on. */
  onGatherer?: (gatherer: string) => void;
  /** Told of devices for which other rules or functions run in the cloud: they need not wait for what these send. */
  onCloud?: (device: string) => void;
  /** Which certificates speak for a device has changed: whoever is connected with another one is to go. */
  onCertificates?: (device: string) => void;
  /** Forgets what others keep of a device that is removed. */
  forget?: (device: string) => Promise<void>;
  /** The shadow `weir` of a device where that is at hand; by the downlink when absent. */
  shadow?: (device: string) => Promise<JsonObject | undefined>;
  /** A rollout could not be carried on; it is tried again. */
  onRolloutFailed?: (group: string, name: string, error: Error) => void;
  /** Waits before a repeated attempt; in real time when absent. */
  sleep?: Clock['sleep'];
}
