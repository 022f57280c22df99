/**
 * TLS with certificates of devices, behind a {@link Doorway}.
 *
 *     TCP -> doorway -> TLS -> the front
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Identity } from '../identity/identity.ts';
import { type ListenOptions, listen } from '../listen.ts';
import type { Logger } from '../logger.ts';
import { type DoorFault, type DoorLimits, Doorway } from './doorway.ts';

/** Of TLS, by which AWS tells MQTT on port 443 from HTTPS. @see AWS IoT developer guide, device communication protocols */
const ALPN_MQTT = ['x-amzn-mqtt-ca', 'mqtt'];

export interface ListenerPorts {
  identity: Identity;
  logger: Logger;
  now: () => number;
  onSocket(socket: TLSSocket): void;
  /** The other end shows no certificate of ours, or speaks no TLS. */
  onUnauthorized(): void;
  onTurnedAway(fault: DoorFault): void;
}

interface Entry {
  socket: Socket;
  address: string;
  isPending: boolean;
}

export class Listener {
  readonly #ports: ListenerPorts;
  readonly #door: Doorway;
  readonly #tls: TlsServer;
  readonly #tcp: Server;
  /** By address and port of the other end. */
  readonly #entries = new Map<string, Entry>();

  /** @param handshakeMs for the handshake */
  constructor(ports: ListenerPorts, limits: DoorLimits, handshakeMs: number) {
    this.#ports = ports;
    this.#door = new Doorway(limits);
    this.#tls = createTlsServer(
      {
        ...{ ...this.#secure(), requestCert: true, rejectUnauthorized: true, handshakeTimeout: handshakeMs },
        // Who offers nothing of these is served all the same.
        ALPNCallback: ({ protocols }) => protocols.find((each) => ALPN_MQTT.includes(each)) ?? protocols[0],
      },
      (socket) => ports.onSocket(socket),
    );
    this.#tls.on('tlsClientError', (error, socket) => {
      ports.onUnauthorized();
      ports.logger.debug({ error: error.message }, 'a TLS handshake failed');
      socket.destroy();
    });
    // What a device is told is small, and waited for.
    this.#tcp = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  }

  start(options: ListenOptions): Promise<number> {
    return listen(this.#tcp, options);
  }

  /** Ends all sockets. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#tcp.close(resolve));
    for (const { socket } of this.#entries.values()) socket.destroy();
    await closed;
  }

  renewCertificate(): void {
    this.#tls.setSecureContext(this.#secure());
  }

  /** @returns false: the device comes too often */
  comes(device: string): boolean {
    return this.#door.comes(device, this.#ports.now());
  }

  /** The device on the socket has been let in. */
  identified(socket: TLSSocket): void {
    const entry = this.#entries.get(nameOf(socket));
    if (!entry?.isPending) return;
    entry.isPending = false;
    this.#door.identified(entry.address);
  }

  #secure() {
    const { identity } = this.#ports;
    return { ...identity.server(), ca: identity.ca, minVersion: 'TLSv1.2' as const };
  }

  #accept(socket: Socket): void {
    const { remoteAddress: address } = socket;
    // It is gone already.
    if (address === undefined) return void socket.destroy();
    const fault = this.#door.enter(address, this.#ports.now());
    if (fault !== undefined) {
      this.#ports.onTurnedAway(fault);
      socket.destroy();
      return;
    }
    const name = nameOf(socket);
    const entry: Entry = { socket, address, isPending: true };
    this.#entries.set(name, entry);
    socket.once('close', () => {
      if (this.#entries.get(name) === entry) this.#entries.delete(name);
      this.#door.left(address, entry.isPending);
    });
    this.#tls.emit('connection', socket);
  }
}

function nameOf({ remoteAddress, remotePort }: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`;
}
