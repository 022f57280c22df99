/** The hub's side of the simulated network: its front without sockets, its downlink without HTTP, webhooks by a call. */
import {
  type DeviceApiPorts,
  type Downlink,
  DownlinkError,
  type DownlinkPorts,
  type Front,
  type FrontPorts,
  type HubNetwork,
  type OperatorServerPorts,
  refusalOf,
  releaseOf,
  rootsAfter,
  type SessionConnection,
  Sessions,
} from '@weir/cloud';
import type { HubFiles } from '@weir/edge-agent';
import { isShadowVerb, parseShadowTopic } from '@weir/protocols';
import type { Dice } from './dice.ts';
import type { Life } from './life.ts';
import type { End, Network, Packet, Party, Requests } from './network.ts';
import type { Receiver } from './receiver.ts';

export interface HubFaults {
  /** Of requests to the hub's own data plane that fail. */
  downlinkShare: number;
}

export interface HubNetworkPorts {
  life: Life;
  network: Network;
  receiver: Receiver;
  faults: HubFaults;
  dice: Dice;
  /** Acknowledges batches before the log has them: what the checkers must find. */
  acknowledgesEarly: boolean;
  /** Gets what operators work with. */
  onOperators(operators: OperatorServerPorts['operators']): void;
}

export function simulatedHubNetwork(ports: HubNetworkPorts): HubNetwork {
  const { life, network, receiver, faults, dice } = ports;
  return {
    createFront: (frontPorts, { limits }) => new SimulatedFront(ports, frontPorts, limits?.returnMs ?? 120_000),
    createDownlink: (downlinkPorts) => simulatedDownlink(life, downlinkPorts, () => dice.chance(faults.downlinkShare)),
    createDeviceApi: (devicePorts) => ({
      start: async () => {
        requests.set(network, (device) => filesOf(device, life, devicePorts));
        return 0;
      },
      stop: async () => {},
      recheck: async () => {},
      renewCertificate() {},
    }),
    createOperatorServer: ({ operators }) => ({
      start: async () => {
        ports.onOperators(operators);
        return 0;
      },
      stop: async () => {},
      renewCertificate: async () => false,
    }),
    createCarriers: () => ({
      async http(call, signal) {
        const answer = await life.waitFor<number | Error>((resolve) => receiver.take(life, call, signal, resolve));
        if (answer instanceof Error) throw answer;
        return { status: answer, headers: {} };
      },
      smtp: () => Promise.reject(new Error('there is no mail here')),
      mqtt: () => Promise.reject(new Error('there is no other broker here')),
    }),
  };
}

/** What devices ask the hub of a network for. */
const requests = new WeakMap<Network, Requests>();

/** As the routes for devices have it. */
function filesOf(device: string, life: Life, { fleet, store, statements }: DeviceApiPorts): HubFiles {
  const asked = async <T>(what: string, answer: () => Promise<T | undefined>): Promise<T> => {
    if (!life.isAlive || (await fleet.device(device)) === undefined) throw new Error('the hub answered 401');
    const found = await answer();
    if (found === undefined) throw new Error(`the hub answered 404 for ${what}`);
    return found;
  };
  return {
    deployment: (known) => asked('what is to run', () => statements.make(device, known)),
    roots: (after) => asked('the root files', () => rootsAfter(store, after)),
    release: (hash) => asked('the release', () => releaseOf(store, hash)),
    bundle: (hash) => asked('the bundle', () => fleet.bundle(hash)),
  };
}

type Carried = SessionConnection;

const NOWHERE = { address: '', port: 0 };

class SimulatedFront implements Front {
  readonly #ports: HubNetworkPorts;
  readonly #sessions: Sessions<Carried>;
  readonly #parties = new Set<HubParty>();
  #isListening = false;

  constructor(ports: HubNetworkPorts, frontPorts: FrontPorts, returnMs: number) {
    this.#ports = ports;
    this.#sessions = new Sessions(frontPorts, returnMs);
  }

  async start(): Promise<number> {
    const { network, life } = this.#ports;
    if (!life.act()) return 0;
    this.#isListening = true;
    network.listen(
      (end) => this.#accept(end),
      (device) => requests.get(network)!(device),
    );
    this.#sessions.start();
    return 0;
  }

  async stop(): Promise<void> {
    if (!this.#isListening) return;
    this.#isListening = false;
    await this.#sessions.stop();
    if (this.#ports.life.act()) this.#ports.network.hubGone(false);
  }

  async publish(topic: string, payload: Uint8Array | string, qos: 0 | 1 = 1): Promise<void> {
    this.#sessions.publish(topic, Uint8Array.from(Buffer.from(payload)), qos);
  }

  recheck(device: string): Promise<void> {
    return this.#sessions.recheck(device);
  }

  get connections() {
    return this.#sessions.connections;
  }

  renewCertificate(): void {}

  connected(): number {
    return this.#sessions.connected;
  }

  counts() {
    return this.#sessions.counts;
  }

  #accept(end: End): Party {
    const party: HubParty = new HubParty(this.#ports, this.#sessions, end, () => this.#parties.delete(party));
    this.#parties.add(party);
    return party;
  }
}

/** The hub's end of one device's connection. */
class HubParty implements Party {
  readonly #ports: HubNetworkPorts;
  readonly #sessions: Sessions<Carried>;
  readonly #end: End;
  readonly #onOver: () => void;
  readonly #carried: Carried;
  #device: string | undefined;
  #phase: 'new' | 'arriving' | 'ready' | 'over' = 'new';
  /** What came before it was let in. */
  readonly #early: Packet[] = [];
  #heardAt: number;
  #keepaliveMs = 0;

  constructor(ports: HubNetworkPorts, sessions: Sessions<Carried>, end: End, onOver: () => void) {
    this.#ports = ports;
    this.#sessions = sessions;
    this.#end = end;
    this.#onOver = onOver;
    const heardAt = () => this.#heardAt;
    this.#carried = {
      get heardAt() {
        return heardAt();
      },
      asked: { cleanSession: true, keepAliveS: 0, source: NOWHERE, target: NOWHERE },
      destroy: () => this.#destroy(),
      deliver: ({ topic, payload }, onAcknowledged) => {
        this.#send({ type: 'message', topic, payload });
        onAcknowledged?.();
        return () => {};
      },
    };
    this.#heardAt = ports.life.now();
  }

  onPacket(packet: Packet): void {
    if (!this.#ports.life.isAlive || this.#phase === 'over') return;
    this.#heardAt = this.#ports.life.now();
    if (packet.type === 'connect') void this.#admit(packet);
    else if (this.#phase === 'ready') this.#take(packet);
    else this.#early.push(packet);
  }

  onClosed(): void {
    if (this.#ports.life.isAlive) this.#over();
  }

  async #admit({ device, serial, keepaliveMs }: Extract<Packet, { type: 'connect' }>): Promise<void> {
    this.#keepaliveMs = keepaliveMs;
    try {
      const peer = { device, serial, fingerprint: serial, validFrom: 0, publicKey: () => serial, address: '-' };
      await this.#sessions.admit(peer, device, this.#carried);
    } catch {
      this.#destroy();
      return;
    }
    this.#device = device;
    if (this.#phase === 'over') {
      this.#sessions.ended(device, this.#carried);
      return;
    }
    if (!this.#ports.life.act()) return;
    this.#phase = 'ready';
    this.#end.send({ type: 'accepted' });
    this.#sessions.ready(device, this.#carried);
    this.#watch();
    for (const packet of this.#early.splice(0)) this.#take(packet);
  }

  #take(packet: Packet): void {
    switch (packet.type) {
      case 'subscribe':
        for (const filter of packet.filters) {
          if (!this.#sessions.maySubscribe(this.#device!, filter)) continue;
          this.#sessions.subscribed(this.#device!, this.#carried, [{ topicFilter: filter, qos: 1 }]);
        }
        this.#send({ type: 'subscribed' });
        return;
      case 'publish':
        void this.#takePublish(packet);
        return;
      case 'ping':
        this.#send({ type: 'pong' });
        return;
      default:
    }
  }

  async #takePublish({ id, topic, payload }: Extract<Packet, { type: 'publish' }>): Promise<void> {
    if (this.#ports.acknowledgesEarly) this.#send({ type: 'acknowledged', id });
    try {
      await this.#sessions.take(this.#device!, this.#carried, { topic, qos: 1, retain: false }, payload);
      if (!this.#ports.acknowledgesEarly) this.#send({ type: 'acknowledged', id });
    } catch {
      this.#destroy();
    }
  }

  #send(packet: Packet): void {
    if (this.#phase !== 'over' && this.#ports.life.act()) this.#end.send(packet);
  }

  /** [MQTT-3.1.2-24] one and a half times the keep alive without a packet, and the connection ends */
  #watch(): void {
    const limitMs = 1.5 * this.#keepaliveMs;
    const leftMs = this.#heardAt + limitMs - this.#ports.life.now();
    this.#ports.life.later(Math.max(leftMs, 1), () => {
      if (this.#phase === 'over') return;
      if (this.#ports.life.now() - this.#heardAt >= limitMs) this.#destroy();
      else this.#watch();
    });
  }

  #destroy(): void {
    if (this.#phase === 'over' || !this.#ports.life.act()) return;
    this.#end.close();
    this.#over();
  }

  #over(): void {
    if (this.#phase === 'over') return;
    this.#phase = 'over';
    this.#onOver();
    if (this.#device !== undefined) this.#sessions.ended(this.#device, this.#carried);
  }
}

/** What the data plane would do with the requests, and answer. */
function simulatedDownlink(
  life: Life,
  { shadows, publish }: DownlinkPorts,
  fails: () => boolean,
): Downlink & { close(): void } {
  const ask = async <T>(answer: () => Promise<T>): Promise<T> => {
    await life.waitFor<void>((resolve) => life.later(1, () => resolve()));
    if (fails()) throw new DownlinkError('unreachable', 'the downlink: a connection was reset');
    return answer();
  };
  const translated = async <T>(answer: () => Promise<T>): Promise<T> => {
    try {
      return await answer();
    } catch (error) {
      const { code, message } = refusalOf(error);
      const kind = code === 409 ? 'conflict' : code < 500 && code !== 429 ? 'refused' : 'unreachable';
      throw new DownlinkError(kind, message, { cause: error });
    }
  };
  return {
    publish: (topic, payload, { qos = 0 } = {}) =>
      ask(async () => {
        const shadow = parseShadowTopic(topic);
        if (shadow !== undefined && isShadowVerb(shadow.suffix)) {
          await shadows().request(shadow.device, shadow.name, shadow.suffix, payload);
        } else await publish(topic, payload, qos);
      }),
    getShadow: (device, name) =>
      ask(async () => {
        try {
          return await shadows().get(device, name);
        } catch (error) {
          if (refusalOf(error).code === 404) return undefined;
          throw new DownlinkError('unreachable', (error as Error).message, { cause: error });
        }
      }),
    updateShadow: (device, name, request) =>
      ask(() =>
        translated(async () => {
          const body = new TextEncoder().encode(JSON.stringify(request));
          return (await shadows().update(device, name, body)).version as number;
        }),
      ),
    close() {},
  };
}
