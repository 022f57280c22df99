/** A webhook receiver that keeps what it got, by idempotency key. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AlertTransition } from '@weir/protocols';

export interface Delivery {
  key: string;
  type: string;
  data: AlertTransition;
}

export class WebhookReceiver {
  /** In order of arrival, repeats included. */
  readonly deliveries: Delivery[] = [];
  #server: Server = createServer((request, response) => {
    void read(request).then((body) => {
      const { type, data } = JSON.parse(body) as { type: string; data: AlertTransition };
      this.deliveries.push({ key: String(request.headers['idempotency-key'] ?? ''), type, data });
      response.writeHead(204).end();
    });
  });

  /** @returns its URL */
  listen(): Promise<string> {
    return new Promise((resolve) => {
      this.#server.listen(0, '127.0.0.1', () => {
        resolve(`http://127.0.0.1:${(this.#server.address() as { port: number }).port}/alerts`);
      });
    });
  }

  /** What a receiver that drops keys it has seen would act on. */
  distinct(): Delivery[] {
    return [...new Map(this.deliveries.map((delivery) => [delivery.key, delivery])).values()];
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

async function read(request: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of request) body += chunk;
  return body;
}
