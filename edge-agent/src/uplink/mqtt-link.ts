/** The link by MQTT over TLS with the device's certificate. mqtt.js is only the transport: what waits is in the outbox. */
import { connect as connectTcp, type Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type IClientOptions, connect as mqttConnect } from 'mqtt';
import { serverName } from '../identity/server-name.ts';
import { HubTrust, type TrustedTime } from '../identity/trust.ts';
import { segmentsCost } from './budget.ts';
import type { Link, LinkEvents, OpenLink } from './link.ts';

const PACKET_COST_BYTES = 80;

export interface MqttLinkOptions {
  device: string;
  host: string;
  port: number;
  /** Name in the hub's certificate. */
  serverName: string;
  /** PEM */
  ca: string;
  certificate: string;
  key: string;
  /** ms */
  keepalive: number;
  connectTimeout: number;
  /** Undefined: the machine's clock is right. */
  time?: TrustedTime | undefined;
  /** Of the hub, should there be links with other credentials beside. */
  trust?: HubTrust;
  /** What it says in TLS that it will speak, where one port is for several protocols. */
  alpn?: string | undefined;
}

/** AWS IoT Core takes so many filters in one SUBSCRIBE, and ends the connection over one more. */
const FILTERS_MAX = 8;

/** Codes of CONNACK, as people can act on them. @see MQTT 3.1.1 table 3.1; AWS IoT Core has 7 in the place of 5 */
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'it does not speak MQTT 3.1.1',
  2: 'the client id is not the name that the certificate is for',
  3: 'it has no room at the moment, or the device connects too often',
  4: 'it wants a name and a password',
  5: 'not authorised: the certificate is not in force, or may not connect under this name',
  7: 'not authorised: the certificate is not active, or its policy does not allow this client id to connect',
};

export function mqttLink(options: MqttLinkOptions): OpenLink {
  const trust = options.trust ?? new HubTrust(options.ca, options.serverName, options.time);
  return (subscriptions, events) => {
    let spent = 0;
    const dial = () => connection(options, trust, subscriptions, events, again);
    // An attempt that only taught by which clock the hub is to be judged is no reason to wait before the next.
    const again = () => {
      spent += link.wireBytes();
      link = dial();
    };
    let link = dial();
    return {
      publish: (topic, payload) => link.publish(topic, payload),
      wireBytes: () => spent + link.wireBytes(),
      close: () => link.close(),
    };
  };
}

/** @param again called in the place of `onClosed` when another attempt may end otherwise */
function connection(
  options: MqttLinkOptions,
  trust: HubTrust,
  subscriptions: readonly string[],
  events: LinkEvents,
  again: () => void,
): Required<Link> {
  // A socket of our own under that of TLS: it knows what is on the wire.
  const socket = connectTcp({ host: options.host, port: options.port, noDelay: true });
  const client = mqttConnect({ ...clientOptions(options, trust), socket } as IClientOptions);
  let packets = 0;
  const count = () => {
    packets++;
  };
  client.on('packetsend', count);
  client.on('packetreceive', count);
  let ended = false;
  let reason = 'the connection was closed';
  const end = () => {
    if (ended) return false;
    ended = true;
    client.end(true);
    return true;
  };
  const closed = () => {
    if (end()) events.onClosed(reason);
  };
  trust.guard(client.stream as unknown as TLSSocket, (fault) => {
    client.stream.destroy();
    reason = fault.message;
    closed();
  });
  const failed = (error: Error) => {
    const mayEndOtherwise = trust.failed(error);
    reason = reasonOf(error) || reason;
    if (mayEndOtherwise && end()) again();
    else closed();
  };
  client.on('error', failed);
  client.on('close', closed);
  socket.on('error', (error) => client.stream.destroy(error));
  client.on('connect', () => subscribe(client, subscriptions, events, failed));
  client.on('message', (topic, payload) => {
    if (!ended) events.onMessage(topic, payload);
  });
  return {
    publish: async (topic, payload) => {
      await client.publishAsync(topic, Buffer.from(payload.buffer, payload.byteOffset, payload.length), { qos: 1 });
    },
    wireBytes: () => wireBytes(socket, packets),
    close: () => void end(),
  };
}

/** What TCP carried, and about what its own packets cost: each with a head of 40 bytes, acknowledged by another. */
function wireBytes({ bytesRead, bytesWritten }: Socket, packets: number): number {
  return bytesRead + bytesWritten + segmentsCost(bytesRead) + segmentsCost(bytesWritten) + packets * PACKET_COST_BYTES;
}

function subscribe(
  client: ReturnType<typeof mqttConnect>,
  subscriptions: readonly string[],
  events: LinkEvents,
  failed: (error: Error) => void,
): void {
  const asked: Promise<unknown>[] = [];
  for (let from = 0; from < subscriptions.length; from += FILTERS_MAX) {
    asked.push(client.subscribeAsync(subscriptions.slice(from, from + FILTERS_MAX), { qos: 1 }));
  }
  Promise.all(asked).then(() => events.onOpen(), failed);
}

function reasonOf(error: Error): string | undefined {
  const { code } = error as Error & { code?: string | number };
  if (typeof code === 'string') return error.message || code;
  const refusal = code === undefined ? undefined : REFUSALS[code];
  return refusal === undefined ? error.message : `the connection was refused with code ${code}: ${refusal}`;
}

function clientOptions(options: MqttLinkOptions, trust: HubTrust): IClientOptions {
  const { device, host, port, serverName: hubName, certificate, key, keepalive, connectTimeout } = options;
  return {
    protocol: 'mqtts',
    host,
    port,
    clientId: device,
    protocolVersion: 4,
    cert: certificate,
    key,
    ...serverName(hubName),
    ...trust.options(),
    ...(options.alpn !== undefined && { ALPNProtocols: [options.alpn] }),
    keepalive: Math.round(keepalive / 1000),
    connectTimeout,
    clean: true,
    // The uplink decides when to try again, with jitter.
    reconnectPeriod: 0,
    queueQoSZero: false,
    resubscribe: false,
  } as IClientOptions;
}
