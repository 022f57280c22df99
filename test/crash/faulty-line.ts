/** The line between gateway and hub, which can be cut, slow, deaf in one direction, or dead without a word. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export type Line =
  | 'sound'
  /** All connections end, and no other comes about. */
  | 'cut'
  /** Nothing comes through in either direction, and nobody is told: a half-open connection. */
  | 'dead'
  /** What the hub says does not come back: acknowledgements are lost. */
  | 'deaf'
  | 'slow';

const SLOW_MS = 400;

export class FaultyLine {
  #server: Server;
  #target: () => number;
  #pairs = new Set<{ device: Socket; hub: Socket }>();
  #line: Line = 'sound';
  #opened = 0;

  /** @param target port of the hub */
  constructor(target: () => number) {
    this.#target = target;
    this.#server = createServer({ noDelay: true }, (device) => this.#accept(device));
  }

  listen(): Promise<number> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  /** Connections that the gateway has opened so far. */
  get opened(): number {
    return this.#opened;
  }

  /** What is on its way when the line dies is lost; a line that was dead is never sound again, only a new one is. */
  become(line: Line): void {
    if (this.#line === 'dead' || this.#line === 'deaf') this.#freeze();
    this.#line = line;
    if (line === 'cut') for (const pair of this.#pairs) this.#end(pair);
  }

  /** Cuts all connections after so many more bytes from the gateway: in the middle of a packet, that is. */
  cutAfter(bytes: number): void {
    for (const pair of this.#pairs) {
      let left = bytes;
      pair.device.on('data', (chunk: Buffer) => {
        left -= chunk.length;
        if (left <= 0) this.#end(pair);
      });
    }
  }

  close(): void {
    for (const pair of this.#pairs) this.#end(pair);
    this.#server.close();
  }

  #accept(device: Socket): void {
    if (this.#line === 'cut') {
      device.destroy();
      return;
    }
    this.#opened++;
    const pair = { device, hub: connect({ host: '127.0.0.1', port: this.#target(), noDelay: true }) };
    this.#pairs.add(pair);
    const isFrozen = { value: false };
    this.#frozen.set(pair, isFrozen);
    const relay = (from: Socket, to: Socket, passes: () => boolean) => {
      from.on('error', () => {});
      from.on('close', () => this.#end(pair));
      from.on('data', (chunk: Buffer) => {
        if (isFrozen.value || !passes()) return;
        if (this.#line === 'slow') setTimeout(() => to.write(chunk), SLOW_MS);
        else to.write(chunk);
      });
    };
    relay(device, pair.hub, () => this.#line !== 'dead');
    relay(pair.hub, device, () => this.#line !== 'dead' && this.#line !== 'deaf');
  }

  #frozen = new WeakMap<object, { value: boolean }>();

  #freeze(): void {
    for (const pair of this.#pairs) this.#frozen.get(pair)!.value = true;
  }

  #end(pair: { device: Socket; hub: Socket }): void {
    this.#pairs.delete(pair);
    pair.device.destroy();
    pair.hub.destroy();
  }
}
