/**
 * The network between devices and hub: connections that keep the order of what they carry, as TCP does, and may be
 * slow, stop without a word, or break. Between connections nothing is in order.
 */
import type { HubFiles } from '@weir/edge-agent';
import type { Dice } from './dice.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export type Packet =
  | { type: 'connect'; device: string; serial: string; keepaliveMs: number }
  | { type: 'accepted' }
  | { type: 'subscribe'; filters: readonly string[] }
  | { type: 'subscribed' }
  | { type: 'publish'; id: number; topic: string; payload: Uint8Array }
  | { type: 'acknowledged'; id: number }
  | { type: 'message'; topic: string; payload: Uint8Array }
  | { type: 'ping' }
  | { type: 'pong' };

/** One end of a connection. */
export interface End {
  send(packet: Packet): void;
  /** Closes it: the other end hears of it if the line lets it. */
  close(): void;
}

/** Whoever has an end. */
export interface Party {
  onPacket(packet: Packet): void;
  /** Once, and not after its own `close`. */
  onClosed(reason: string): void;
}

export interface NetworkFaults {
  /** ms, mean of one way. */
  latencyMs: number;
  /** Of requests over HTTPS that fail. */
  requestLossShare: number;
}

/** What a device may ask the hub for by HTTPS. */
export type Requests = (device: string) => HubFiles;

/** What a device's line is like: `cut` lets nothing through. */
type LineState = 'up' | 'cut';

interface Held {
  deliver: () => void;
}

export class Network {
  readonly faults: NetworkFaults = { latencyMs: 20, requestLossShare: 0 };
  readonly timeline: Timeline;
  readonly trace: Trace;
  readonly #dice: Dice;
  readonly #lines = new Map<string, LineState>();
  readonly #connections = new Set<Connection>();
  /** Takes the hub's end of a new connection; undefined: nobody listens. */
  #listener: ((end: End) => Party) | undefined;
  #requests: Requests | undefined;

  constructor(timeline: Timeline, trace: Trace, dice: Dice) {
    this.timeline = timeline;
    this.trace = trace;
    this.#dice = dice;
  }

  listen(accept: (end: End) => Party, requests: Requests): void {
    this.#listener = accept;
    this.#requests = requests;
  }

  /** The hub is gone; with a word (the system closes its sockets) or, when the machine lost its power, without. */
  hubGone(silently: boolean): void {
    this.#listener = undefined;
    this.#requests = undefined;
    for (const connection of this.#connections) connection.sideGone('hub', silently);
  }

  deviceGone(device: string, silently: boolean): void {
    for (const connection of this.#connections) {
      if (connection.device === device) connection.sideGone('device', silently);
    }
  }

  /** @returns what the device sends by; a hub that cannot be reached says nothing, or refuses */
  connect(device: string, party: Party): End {
    const connection = new Connection(this, device, this.#dice);
    this.#connections.add(connection);
    connection.device_ = party;
    const { timeline } = this;
    timeline.after(this.latency(), () => {
      if (this.isCut(device)) return;
      const accept = this.#listener;
      if (accept === undefined) connection.refuse();
      else connection.hub_ = accept(connection.hubEnd);
    });
    return connection.deviceEnd;
  }

  /** A request over HTTPS, with a connection of its own. */
  async request<T>(device: string, ask: (hub: HubFiles) => Promise<T>): Promise<T> {
    const { timeline } = this;
    await timeline.sleep(2 * this.latency());
    const requests = this.#requests;
    if (requests === undefined || this.isCut(device) || this.#dice.chance(this.faults.requestLossShare)) {
      await timeline.sleep(5_000);
      throw new Error('the hub does not answer');
    }
    const answer = await ask(requests(device));
    await timeline.sleep(this.latency());
    return answer;
  }

  isCut(device: string): boolean {
    return this.#lines.get(device) === 'cut';
  }

  cut(device: string): void {
    this.trace.add(this.timeline.now, `line of ${device} cut`);
    this.#lines.set(device, 'cut');
  }

  mend(device: string): void {
    if (!this.isCut(device)) return;
    this.trace.add(this.timeline.now, `line of ${device} mended`);
    this.#lines.delete(device);
    for (const connection of this.#connections) if (connection.device === device) connection.mended();
  }

  /** Lets the connections of a device fall silent, in one direction or both, without anybody hearing of it. */
  fallSilent(device: string, directions: readonly ('toHub' | 'toDevice')[]): void {
    for (const connection of this.#connections) {
      if (connection.device === device) for (const direction of directions) connection.silence(direction);
    }
  }

  breakConnections(device: string): void {
    for (const connection of [...this.#connections]) if (connection.device === device) connection.break();
  }

  latency(): number {
    return 0.2 + this.#dice.exponential(this.faults.latencyMs);
  }

  forget(connection: Connection): void {
    this.#connections.delete(connection);
  }
}

class Way {
  readonly #network: Network;
  readonly #device: string;
  #lastAt = 0;
  #isSilent = false;
  /** What the line does not let through now; sent again when it does. */
  #held: Held[] = [];

  constructor(network: Network, device: string) {
    this.#network = network;
    this.#device = device;
  }

  silence(): void {
    this.#isSilent = true;
    this.#held = [];
  }

  /** In the order in which it was sent. */
  carry(deliver: () => void): void {
    if (this.#isSilent) return;
    const { timeline } = this.#network;
    const at = Math.max(timeline.now + this.#network.latency(), this.#lastAt);
    this.#lastAt = at;
    timeline.after(at - timeline.now, () => this.#arrive({ deliver }));
  }

  mended(): void {
    const held = this.#held.splice(0);
    for (const { deliver } of held) this.carry(deliver);
  }

  #arrive(held: Held): void {
    if (this.#isSilent) return;
    if (this.#network.isCut(this.#device) || this.#held.length > 0) this.#held.push(held);
    else held.deliver();
  }
}

type Side = 'device' | 'hub';

class Connection {
  readonly device: string;
  device_: Party | undefined;
  hub_: Party | undefined;
  readonly deviceEnd: End;
  readonly hubEnd: End;
  readonly #network: Network;
  readonly #dice: Dice;
  readonly #toHub: Way;
  readonly #toDevice: Way;

  constructor(network: Network, device: string, dice: Dice) {
    this.#network = network;
    this.#dice = dice;
    this.device = device;
    this.#toHub = new Way(network, device);
    this.#toDevice = new Way(network, device);
    this.deviceEnd = {
      send: (packet) => this.#toHub.carry(() => this.#deliver('hub', packet)),
      close: () => this.#close('device'),
    };
    this.hubEnd = {
      send: (packet) => this.#toDevice.carry(() => this.#deliver('device', packet)),
      close: () => this.#close('hub'),
    };
  }

  refuse(): void {
    this.#toDevice.carry(() => this.#lose('device', 'connection refused'));
  }

  silence(direction: 'toHub' | 'toDevice'): void {
    (direction === 'toHub' ? this.#toHub : this.#toDevice).silence();
  }

  mended(): void {
    // After a while without an answer systems and routers have given some connections up.
    if (this.#dice.chance(0.3)) this.break();
    else {
      this.#toHub.mended();
      this.#toDevice.mended();
    }
  }

  /** Both ends hear of it, each in its time. What is under way may still arrive before. */
  break(): void {
    this.#toHub.carry(() => this.#lose('hub', 'connection reset'));
    this.#toDevice.carry(() => this.#lose('device', 'connection reset'));
  }

  sideGone(side: Side, silently: boolean): void {
    this.#drop(side);
    if (silently) return;
    if (side === 'hub') this.#toDevice.carry(() => this.#lose('device', 'the hub closed the connection'));
    else this.#toHub.carry(() => this.#lose('hub', 'the device closed the connection'));
  }

  #close(side: Side): void {
    this.sideGone(side, false);
  }

  #deliver(to: Side, packet: Packet): void {
    const party = to === 'hub' ? this.hub_ : this.device_;
    if (party === undefined) return;
    this.#network.trace.add(this.#network.timeline.now, `${this.device} ${to} < ${described(packet)}`);
    party.onPacket(packet);
  }

  #lose(side: Side, reason: string): void {
    const party = side === 'hub' ? this.hub_ : this.device_;
    this.#drop(side);
    party?.onClosed(reason);
  }

  #drop(side: Side): void {
    if (side === 'hub') this.hub_ = undefined;
    else this.device_ = undefined;
    if (this.hub_ === undefined && this.device_ === undefined) this.#network.forget(this);
  }
}

function described(packet: Packet): string {
  if (packet.type === 'publish') return `publish ${packet.topic} ${packet.payload.length}`;
  if (packet.type === 'message') return `message ${packet.topic} ${packet.payload.length}`;
  return packet.type;
}
