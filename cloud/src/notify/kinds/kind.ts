/**
 * What a kind of channel is: settings, and a pure function from a message to what is to be sent. Carriers send it.
 *
 *     message -> compose -> parcels -> carrier -> outcome
 *
 * Obligations of `compose`: the same message gives the same parcels at each attempt, but for what says when it was sent; texts of
 * a message come from sensors and users, so each kind escapes them as its receiver wants; no parcel names what the message does not.
 */
import type { Json } from '@weir/protocols';
import type { z } from 'zod';
import type { AlertMessage, MessageAlert } from '../message.ts';
import type { Escape } from '../template.ts';

/**
 * - `refused`: this message is not wanted (4xx); others may be.
 * - `unavailable`: the receiver cannot take any just now.
 * - `gone`: 410; it wants no more, ever.
 * - `stopped`: given up because the hub stops; as if it had not been tried.
 */
export type Outcome =
  /** @property leftOut who of several it did not reach, and why: those are not tried again, for the others would hear it twice */
  | { kind: 'delivered'; detail: string; leftOut?: string }
  | { kind: 'refused' | 'unavailable'; detail: string; retryAfterMs?: number }
  | { kind: 'gone'; detail: string }
  | { kind: 'stopped' };

/** Ready to be sent; several of one message go in order, and all again if one of them fails. */
export type Parcel =
  | {
      by: 'http';
      url: string;
      headers: Record<string, string>;
      body: string;
      /** What the receiver says of a refusal is meant for whoever set the channel up, and is shown. */
      isExplained?: boolean;
    }
  | { by: 'smtp'; server: SmtpServer; mail: Mail }
  | { by: 'mqtt'; broker: MqttBroker; topic: string; payload: string; qos: 0 | 1; retain: boolean }
  /** `id`: the same at each attempt. */
  | { by: 'command'; id: string; device: string; name: string; payload: Json; expiryMs: number }
  | { by: 'print'; text: string };

export interface SmtpServer {
  host: string;
  port: number;
  /** `immediate`: TLS from the first byte; `starttls`: or nothing is sent; `opportunistic`: if it is offered; `never`. */
  tls: 'immediate' | 'starttls' | 'opportunistic' | 'never';
  user?: string | undefined;
  password?: string | undefined;
  /** PEM of who may have signed the server's certificate; undefined: whom the machine trusts. */
  ca?: string | undefined;
}

export interface Mail {
  from: string;
  to: string[];
  subject: string;
  text: string;
  html: string;
  /** With its angle brackets, as those of `references`. */
  messageId: string;
  references: string[];
  /** ms since epoch */
  date: number;
}

export interface MqttBroker {
  host: string;
  port: number;
  isTls: boolean;
  user?: string | undefined;
  password?: string | undefined;
  ca?: string | undefined;
}

/** What a kind knows beside the message. */
export interface Setting<S> {
  settings: S;
  /** Name of the channel, and its id: of one that was removed and made again, another. */
  name: string;
  id: string;
  /** ms since epoch */
  now: number;
  /** What the channel's template makes of the message; undefined: it has none. */
  text?: string | undefined;
  /** Of a kind that is refreshed: what was told of the episodes of the message, and fires there under other labels. */
  superseded?: readonly MessageAlert[] | undefined;
  /** Of a kind that counts: what else it was told of fires still. */
  others?: readonly MessageAlert[] | undefined;
}

/** A receiver that forgets what it is not told again. */
export interface Refresh<S> {
  everyMs(settings: S): number;
  /** For so long the end is told again. */
  endedForMs: number;
  compose(firing: readonly MessageAlert[], ended: readonly MessageAlert[], setting: Setting<S>): Parcel[];
}

export interface ChannelKind<S extends object> {
  /** In a sentence: "alerts go to …". */
  readonly title: string;
  readonly settings: z.ZodType<S>;
  /** Keys of settings that are sealed in the store and never shown. */
  readonly secrets: readonly string[];
  /** Where it goes, without what may be a secret. */
  where(settings: S): string;
  /** Messages under way at once to a healthy receiver. */
  readonly concurrency: number;
  /** How many messages it takes, as a policy has it, where the channel's own says nothing; undefined: as many as any channel. */
  readonly rate?: string;
  /** What a template fills, and how values are written there; undefined: it takes none. */
  readonly template?: { fills: 'text' | 'body'; escape: Escape };
  /** It keeps incidents, and is told when somebody looks after one. */
  readonly hearsAcks?: boolean;
  /** Settings that are made rather than given. */
  complete?(settings: S, random: (bytes: number) => Uint8Array): { settings: S; shownOnce?: string };
  readonly refresh?: Refresh<S>;
  /** Whether the end of one alert means anything to it while others fire. */
  readonly countsFiring?: boolean;
  /** @returns none: there is nothing to be said to this receiver */
  compose(message: AlertMessage, setting: Setting<S>): Parcel[];
}

/** Keeps the type of the settings, which a registry cannot. */
export function kind<S extends object>(definition: ChannelKind<S>): ChannelKind<S> {
  return definition;
}
