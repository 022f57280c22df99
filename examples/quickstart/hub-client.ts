/** The few calls of the operator API that the quickstart makes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface HubEvent {
  type: string;
  at: number;
  text?: string;
  device?: string;
  connected?: boolean;
  transition?: {
    state: string;
    severity: string;
    summary: string;
    startedAt: number;
    ts: number;
    peak?: number;
    unit?: string;
  };
}

export class HubClient {
  #url: string;
  #headers: Record<string, string>;

  /** Reads where the hub is and its key from the file the hub keeps for its owner. */
  constructor(hubData: string) {
    const { url, apiKey } = JSON.parse(readFileSync(join(hubData, 'cli.json'), 'utf8')) as {
      url: string;
      apiKey: string;
    };
    this.#url = url;
    this.#headers = { authorization: `Bearer ${apiKey}` };
  }

  /** Readings of a device in the hub's store. */
  async count(device: string): Promise<number> {
    const { count } = (await this.#get(`/api/v1/devices/${device}/readings/count`)) as { count: number };
    return count;
  }

  /** Live events until the signal; reconnects never: the quickstart ends with its hub. */
  async *events(signal: AbortSignal): AsyncGenerator<HubEvent> {
    const response = await fetch(`${this.#url}/api/v1/events`, { headers: this.#headers, signal });
    if (!response.ok || response.body === null) throw new Error(`the hub answered ${response.status} to /events`);
    let text = '';
    for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const messages = text.split('\n\n');
      text = messages.pop()!;
      for (const message of messages) {
        const data = message
          .split('\n')
          .filter((line) => line.startsWith('data:'))
          .map((line) => line.slice(5).trim())
          .join('\n');
        if (data !== '') yield JSON.parse(data) as HubEvent;
      }
    }
  }

  async #get(path: string): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, { headers: this.#headers });
    if (!response.ok) throw new Error(`the hub answered ${response.status} to ${path}: ${await response.text()}`);
    return response.json();
  }
}
