/** The line between gateway and hub, which can be cut: a TCP relay on loopback. */
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Link {
  readonly #target: number;
  #server: Server;
  #sockets = new Set<Socket>();
  #cut = false;

  /** @param target port of the hub on 127.0.0.1 */
  constructor(target: number) {
    this.#target = target;
    this.#server = createServer((near) => this.#relay(near));
  }

  /** @returns the port where the gateway connects */
  open(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(0, '127.0.0.1', () => resolve((this.#server.address() as { port: number }).port));
    });
  }

  cut(): void {
    this.#cut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  heal(): void {
    this.#cut = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }

  #relay(near: Socket): void {
    if (this.#cut) {
      near.destroy();
      return;
    }
    const far = connect(this.#target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.#sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
  }
}
