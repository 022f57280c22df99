/**
 * What happens in the hub, as it happens: for `weir alert watch`, metrics and the quickstart. Live only: whoever was
 * not listening asks the API for the state.
 */
import type { AlertTransition, DeploymentState, GapReport } from '@weir/protocols';
import type { EpisodeSummary, OperatorEntry } from '../alerts/episode.ts';
import type { Taken } from '../fleet/forgotten.ts';
import type { Phase } from '../fleet/rollout/rollout.ts';
import type { DisconnectReason } from '../front/front.ts';
import type { LifecycleEvent } from '../front/lifecycle.ts';
import type { Flapping } from '../front/takeovers.ts';
import type { Restored } from '../gaps/lives.ts';

export type Origin = 'edge' | 'cloud';

/** `at`: ms since epoch, clock of the hub. */
export type HubEvent =
  /** A fresh transition was committed, and this is its episode now; sent by the worker. */
  | { type: 'transition'; at: number; transition: AlertTransition; origin: Origin; episode: EpisodeSummary }
  /** Somebody did something with an alert, and this is its episode now. */
  | { type: 'operator'; at: number; entry: OperatorEntry; episode: EpisodeSummary }
  /** A channel of kind `terminal` delivers; `text` is one line for people. A test of the channel has no transition. */
  | { type: 'notification'; at: number; channel: string; text: string; transition?: AlertTransition; origin?: Origin }
  /** A device connected or went away. */
  | { type: 'presence'; at: number; device: string; connected: boolean; reason?: DisconnectReason }
  /** The same, and subscriptions, as AWS IoT Core tells of them. @see front/lifecycle.ts */
  | ({ type: 'lifecycle'; at: number } & LifecycleEvent)
  /** A device is there twice, or loses its line again and again. */
  | ({ type: 'flapping'; at: number; device: string } & Flapping)
  /** What a device should run changed (`wanted`, `removed`), or what it says it runs did. */
  | {
      type: 'deployment';
      at: number;
      device: string;
      name: string;
      state: DeploymentState | 'wanted' | 'removed';
      version?: string;
      reason?: string;
    }
  /** Something happened with a rollout, in words; `phase` as it is then. */
  | { type: 'rollout'; at: number; group: string; name: string; version: string; phase: Phase; text: string }
  /** A message of a device was refused; counted by `reason`, a closed list. */
  | { type: 'refused'; at: number; device: string; reason: string }
  /** A device told that it gave items up. */
  | ({ type: 'gap'; at: number; device: string } & Omit<GapReport, 'type' | 'id'>)
  /** A device goes on from an old copy of its disk. */
  | ({ type: 'restored'; device: string } & Restored)
  /** A device showed a certificate that the hub gave it and has forgotten, and it was taken: the hub's data is an old copy. */
  | ({ type: 'certificate-taken'; at: number; device: string } & Taken)
  /** A device was set up anew, or lost its disk: what it had not sent of its life before will not come. */
  | { type: 'new-life'; at: number; device: string; life: string };

export interface HubEvents {
  /** @returns ends the subscription. A listener must not block and must not throw. */
  on(listener: (event: HubEvent) => void): () => void;
  emit(event: HubEvent): void;
}

export function createHubEvents(): HubEvents {
  const listeners = new Set<(event: HubEvent) => void>();
  return {
    on(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    emit(event) {
      for (const listener of listeners) listener(event);
    },
  };
}
