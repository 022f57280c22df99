/** What the plan remembers: of each alert what each channel knows of it, and of each channel what waits for it. */
import type { AlertTransition } from '@weir/protocols';
import type { Origin } from '../../api/events.ts';
import type { Labels } from '../labels.ts';
import type { MessageReason } from '../message.ts';
import type { ChannelPolicy } from './channel-policy.ts';
import type { Policy } from './policy.ts';
import type { Silence } from './silence.ts';

/**
 * What holds a notification back; a closed list, also a metric label.
 *
 *     dry-run         the rule is on trial
 *     historical      it is over, or will be said to be: told with others in one digest
 *     settling        it is late, and its end may be on the way
 *     acknowledged    somebody knows of it
 *     shelved         somebody wants to hear of it later
 *     maintenance     the rule is in a time of maintenance
 *     silence         a silence matches it
 *     device-offline  it is a rule of the hub on a device that is away
 *     inhibition      another alert says as much
 *     mute-time       a recurring time of the policy
 *     flapping        the channel was told that it flaps
 *     quiet-hours     the channel's night
 */
export const HOLD_REASONS = [
  'dry-run',
  'historical',
  'settling',
  'acknowledged',
  'shelved',
  'maintenance',
  'silence',
  'device-offline',
  'inhibition',
  'mute-time',
  'flapping',
  'quiet-hours',
] as const;
export type HoldReason = (typeof HOLD_REASONS)[number];

export interface Hold {
  by: HoldReason;
  /** Which silence, which alert, which time. */
  detail?: string;
  /** When to look again at the latest; ms since epoch. Absent: something has to happen first. */
  until?: number;
}

/** Something that goes with the next message of a queue. */
export interface Place {
  /** Key of the queue. */
  queue: string;
  batch: number;
}

/** What one channel knows of one alert. */
export interface Known {
  /** Told, or in a queue to be told, that it fires. */
  told?: {
    severity: AlertTransition['severity'];
    /** Absent: by a message of its own. */
    place?: Place;
    /** Named in a message; otherwise only counted in one. */
    listed: boolean;
    /** As one that flaps. */
    flapping?: true;
  };
  /** In a queue to be told what has changed of it since it was told. */
  update?: { why: MessageReason; place: Place };
  /** In a queue to be told that it is over. */
  end?: Place;
  held?: Hold;
  /** When it is to be said that it is still firing. */
  repeatAt?: number;
  repeats?: number;
  /** Steps of the escalation of which it was told. */
  steps?: number;
}

export interface Acknowledgement {
  at: number;
  by?: string;
  /** What becomes more severe than that is news again. */
  severity: AlertTransition['severity'];
}

export interface PlannedAlert {
  /** The latest. */
  transition: AlertTransition;
  origin: Origin;
  labels: Labels;
  /** Whether nothing more is to be told but its end. */
  isOver: boolean;
  /** When it came to the hub, ms since epoch; of one that was late, until it is settled. */
  settlingSince?: number;
  /** Ids of those that there were when it first fired: it is told to them, and to those that an escalation names. */
  channels: readonly string[];
  ack?: Acknowledgement;
  shelvedUntil?: number;
  escalation?: Escalation;
  /** By id of the channel. */
  knows: Record<string, Known>;
  log: LogEntry[];
}

/** A clock that stands still while the alert is suppressed. */
export interface Escalation {
  spentMs: number;
  runningSince?: number;
  /** Channels of the steps taken so far; of a channel that is named twice, twice. */
  taken: string[][];
}

/** What an operator did, as far as it changes what is told. */
export interface OperatorNote {
  id: string;
  episode: string;
  what: 'ack' | 'unack' | 'shelve' | 'unshelve';
  at: number;
  by?: string;
  /** With `shelve`. */
  until?: number;
}

/** What became of an alert on its way to a channel. */
export interface LogEntry {
  at: number;
  /** Name of the channel; absent: all of them. */
  channel?: string;
  what: 'told' | 'queued' | 'held' | 'not-routed' | 'never-told' | 'dropped';
  why: MessageReason | HoldReason | 'route' | 'match' | 'disabled' | 'ends-not-wanted' | 'channel-gone';
  detail?: string;
  /** Id of the message. */
  message?: string;
}

/** Alerts that wait to be told together. */
export interface Queue {
  key: string;
  kind: 'group' | 'digest' | 'historical';
  labels: Labels;
  /** Numbers of the messages to come, ascending; alerts that name a lower one have been told. */
  open: number[];
  /** Until then the next one waits. */
  dueAt?: number;
  /** When the last one went. */
  lastAt?: number;
  /** Since when the next one waits. */
  since?: number;
}

export interface ChannelState {
  id: string;
  /** Numbers of messages with more than one alert. */
  count: number;
  /** When the last messages went, as many as its rate looks back to; ascending. */
  sentAt: number[];
}

export interface PlanChannel {
  id: string;
  name: string;
  policy: ChannelPolicy;
  /** Nothing new is told to it. */
  isDisabled: boolean;
  /** Its receiver wants to know that somebody looks after it. */
  hearsAcks?: boolean;
}

/** How often something began and ended lately. */
export interface Flaps {
  /** ms since epoch, ascending. */
  changes: number[];
  since?: number;
  /** Ids of the channels that were told so. */
  told: string[];
}

/** What decisions look at beside what they remember. */
export interface Settings {
  policy: Policy;
  channels: ReadonlyMap<string, PlanChannel>;
  silences: readonly Silence[];
  /** Whether a device is away, so that what the hub says of its signals is old. */
  isAway: (device: string) => boolean;
  /** Of the device; by default UTC. */
  zoneOf: (labels: Labels) => string | undefined;
}
