/** A front over real TLS in this process, with devices that have certificates; what it tells is kept to look at. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { generate, type Packet } from 'mqtt-packet';
import pino from 'pino';
import { expect, vi } from 'vitest';
import { systemClock } from '../clock/clock.ts';
import { type DeviceFixture, signedDevice } from '../identity/device.fixture.ts';
import { type Identity, openIdentity } from '../identity/identity.ts';
import { createMemoryLog } from '../log/memory.ts';
import { createAedesFront } from './aedes.ts';
import { Backfill } from './backfill.ts';
import type { FrontLimits } from './connection.ts';
import { fakeFleet, parserOf } from './front.fixture.ts';
import type { Front } from './front.ts';
import type { LifecycleEvent } from './lifecycle.ts';

async function* nobody() {}

export async function makeIdentity(): Promise<Identity & { remove(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'weir-front-'));
  const hosts = ['localhost', '127.0.0.1'];
  const identity = await openIdentity({ folder, hosts, now: Date.now(), random: randomBytes });
  return Object.assign(identity, { remove: () => rm(folder, { recursive: true }) });
}

export class RunningFront {
  readonly log = createMemoryLog();
  readonly lifecycle: LifecycleEvent[] = [];
  readonly flapping: string[] = [];
  readonly warnings: { msg: string; device?: string }[] = [];
  /** `<device> <shadow> <verb>` */
  readonly requests: string[] = [];
  readonly fleet: ReturnType<typeof fakeFleet>;
  readonly front: Front;
  readonly identity: Identity;
  port = 0;
  readonly #devices: Map<string, DeviceFixture>;
  readonly #ends: (() => void)[] = [];

  private constructor(identity: Identity, devices: DeviceFixture[], limits: Partial<FrontLimits>) {
    this.identity = identity;
    this.#devices = new Map(devices.map((each) => [each.device, each]));
    this.fleet = fakeFleet(devices);
    this.front = createAedesFront(
      {
        ...{ identity, log: this.log, fleet: this.fleet, online: nobody, clock: systemClock, random: randomBytes },
        shadows: {
          request: async (device, name, verb) => void this.requests.push(`${device} ${name ?? '-'} ${verb}`),
        },
        backfill: new Backfill({ now: systemClock.now, tell() {} }),
        onListening: () => {},
        onLifecycle: (event) => void this.lifecycle.push(event),
        onFlapping: (device) => void this.flapping.push(device),
        logger: pino({ level: 'warn' }, { write: (line: string) => void this.warnings.push(JSON.parse(line)) }),
      },
      { host: '127.0.0.1', port: 0, option: '--mqtt-port', limits },
    );
  }

  static async start(identity: Identity, names: string[], limits: Partial<FrontLimits> = {}): Promise<RunningFront> {
    const devices = await Promise.all(names.map((name) => signedDevice(identity, name)));
    const running = new RunningFront(identity, devices, limits);
    running.port = await running.front.start();
    return running;
  }

  async stop(): Promise<void> {
    for (const end of this.#ends.splice(0)) end();
    await this.front.stop();
  }

  device(name: string): DeviceFixture {
    return this.#devices.get(name)!;
  }

  /** Resolves when the front has let it in. */
  async connect(name: string, more: IClientOptions = {}): Promise<MqttClient> {
    const { key, cert } = this.device(name);
    const client = mqtt.connect({
      ...{ host: '127.0.0.1', port: this.port, protocol: 'mqtts', servername: 'localhost', ca: this.identity.ca },
      ...{ key, cert, clientId: name, reconnectPeriod: 0, ...more },
    });
    client.on('error', () => {});
    this.#ends.push(() => void client.end(true));
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
    });
    // The answer to its CONNECT is on its way before the front counts it.
    await vi.waitFor(() => expect(this.front.connections.get(name)?.connected).toBe(true));
    return client;
  }

  /** TLS with the certificate of the device; of nobody when absent. */
  raw(name?: string, device = name === undefined ? undefined : this.device(name)): RawClient {
    const credentials = device === undefined ? {} : { key: device.key, cert: device.cert };
    const client = new RawClient(
      connectTls({ host: '127.0.0.1', port: this.port, servername: 'localhost', ca: this.identity.ca, ...credentials }),
    );
    this.#ends.push(() => void client.socket.destroy());
    return client;
  }
}

/** Sends whatever bytes it is told to, and keeps what comes back. */
export class RawClient {
  readonly socket: TLSSocket;
  readonly packets: Packet[] = [];
  readonly closed: Promise<void>;
  isClosed = false;
  readonly #waiting: (() => void)[] = [];

  constructor(socket: TLSSocket) {
    this.socket = socket;
    const parser = parserOf((packet) => {
      this.packets.push(packet);
      this.#tell();
    });
    parser.on('error', () => {});
    socket.on('error', () => {});
    socket.on('data', (chunk) => parser.parse(chunk));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true;
        this.#tell();
        resolve();
      });
    });
  }

  send(bytes: Uint8Array): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  sendPacket(packet: Parameters<typeof generate>[0]): void {
    this.send(generate(packet));
  }

  connect(clientId: string, more: object = {}): void {
    const packet = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clientId, clean: true, keepalive: 60 };
    this.sendPacket({ ...packet, ...more } as Parameters<typeof generate>[0]);
  }

  /** Resolves with the first packet of its kind; rejects when the connection ends before. */
  async got<C extends Packet['cmd']>(cmd: C): Promise<Extract<Packet, { cmd: C }>> {
    for (;;) {
      const found = this.packets.find((each) => each.cmd === cmd);
      if (found !== undefined) return found as Extract<Packet, { cmd: C }>;
      if (this.isClosed) throw new Error(`the connection ended without ${cmd}`);
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #tell(): void {
    for (const each of this.#waiting.splice(0)) each();
  }
}
