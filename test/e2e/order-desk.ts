/** A service that functions send orders to: it can fail, and it can keep them waiting. */
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Order {
  key: string;
  body: string;
  response: ServerResponse;
}

export class OrderDesk {
  /** Attempts by idempotency key, in order of the first. */
  readonly attempts = new Map<string, number>();
  /** Attempts of each order that fail before one is answered. */
  failures = 0;
  /** Told of each attempt that would be answered now. */
  onOrder: (order: Order) => void = (order) => this.answer(order);
  #server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const key = String(request.headers['idempotency-key']);
    const attempts = (this.attempts.get(key) ?? 0) + 1;
    this.attempts.set(key, attempts);
    if (attempts <= this.failures) response.writeHead(503).end();
    else this.onOrder({ key, body, response });
  });

  /** Without a slash at the end. */
  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  /** With what was ordered. */
  answer({ body, response }: Order): void {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}
