/**
 * The local broker: where sensors publish, and where those who listen on this device hear what functions say.
 *
 * Obligations: a QoS 1 message is acknowledged when {@link SensorMessages} says it is done and not before, the
 * messages of a connection in their order. What it was told is not durable is not acknowledged: its connection ends.
 */
import type { Clock } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import type { Arrivals } from './arrivals.ts';
import type { Users } from './users.ts';

export interface Broker {
  /**
   * @returns the port
   * @throws {UsageError} `port-taken` | `address-unusable`
   */
  start(): Promise<number>;
  /** Stops accepting messages; what was accepted is still acknowledged until `stop`. */
  quiesce(): void;
  stop(): Promise<void>;
  /** Holds sensors back, by not reading what they send. */
  hold(held: boolean): void;
  /** To local subscribers; resolves when the broker has taken it. */
  publish(message: LocalPublish): Promise<void>;
  readonly connections: number;
}

export interface BrokerPorts {
  arrivals: Arrivals;
  users: Users;
  clock: Clock;
}

export type BrokerConfig = Pick<Config, 'mqtt' | 'intake'>;

export type OpenBroker = (ports: BrokerPorts, config: BrokerConfig) => Broker;

export interface LocalPublish {
  topic: string;
  payload: string;
  qos: 0 | 1;
  retain: boolean;
}
