/** One message to a broker of somebody else: a connection for each, taken when the broker has acknowledged it. */
import type { OpenSocket } from '@weir/runtime';
import { type IClientOptions, MqttClient } from 'mqtt';
import type { MqttBroker, Outcome } from '../kinds/kind.ts';
import { plainLine } from '../words.ts';
import type { MqttMessage } from './carriers.ts';

const ID_BYTES = 6;
const KEEPALIVE_S = 30;

export function mqttPublisher(open: OpenSocket, random: (bytes: number) => Uint8Array) {
  return async (broker: MqttBroker, message: MqttMessage, signal: AbortSignal): Promise<Outcome> => {
    const { host, port, isTls, ca } = broker;
    const socket = await open({ host, port, ...(isTls && { tls: { ca } }) }, signal);
    const client = new MqttClient(() => socket, optionsOf(broker, random(ID_BYTES)));
    const abandon = () => socket.destroy(new Error('no answer in time'));
    signal.addEventListener('abort', abandon, { once: true });
    try {
      await connected(client);
      const { topic, payload, qos, retain } = message;
      await ended(client, client.publishAsync(topic, payload, { qos, retain }));
      await client.endAsync();
      return { kind: 'delivered', detail: 'taken by the broker' };
    } catch (error) {
      if (signal.aborted) throw error;
      return { kind: 'unavailable', detail: plainLine((error as Error).message, 300) };
    } finally {
      signal.removeEventListener('abort', abandon);
      client.end(true);
      socket.destroy();
    }
  };
}

function connected(client: MqttClient): Promise<unknown> {
  return ended(client, new Promise<void>((resolve) => client.once('connect', () => resolve())));
}

/** A connection that ends meanwhile is a failure. */
function ended<T>(client: MqttClient, done: Promise<T>): Promise<T> {
  const failed = new Promise<never>((_, reject) => {
    client.once('error', reject);
    client.once('close', () => reject(new Error('the broker ended the connection')));
  });
  failed.catch(() => {});
  return Promise.race([done, failed]);
}

function optionsOf({ user, password }: MqttBroker, word: Uint8Array): IClientOptions {
  return {
    clientId: `weir-${Buffer.from(word).toString('hex')}`,
    protocolVersion: 4,
    clean: true,
    keepalive: KEEPALIVE_S,
    // Who asked decides when to try again.
    reconnectPeriod: 0,
    ...(user !== undefined && { username: user }),
    ...(password !== undefined && { password }),
  };
}
