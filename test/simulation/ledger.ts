/** What sensors have sent, and what was acknowledged to them: against this the store is checked. */

export interface Sent {
  device: string;
  sensor: string;
  metric: string;
  /** No two of a series are the same, and they rise in the order in which they were sent. */
  value: number;
  /** ms since epoch, where the sensor said so. */
  ts: number | undefined;
  /** True time, ms since epoch. */
  at: number;
  /** True time; undefined: it was not. */
  acknowledgedAt: number | undefined;
}

/** How often a level was passed, as far as the sensor knows for certain. */
export interface Excursions {
  device: string;
  sensor: string;
  begun: number;
  ended: number;
}

export class Ledger {
  readonly #sent = new Map<string, Sent>();
  readonly excursions = new Map<string, Excursions>();
  /** Payloads that are no readings, by device: sent, and acknowledged. */
  readonly bad = new Map<string, { sent: number; acknowledged: number }>();

  send(reading: Omit<Sent, 'acknowledgedAt'>): Sent {
    const sent = { ...reading, acknowledgedAt: undefined };
    this.#sent.set(keyOf(sent), sent);
    return sent;
  }

  find(reading: Pick<Sent, 'device' | 'sensor' | 'metric' | 'value'>): Sent | undefined {
    return this.#sent.get(keyOf(reading));
  }

  all(): Iterable<Sent> {
    return this.#sent.values();
  }

  get acknowledged(): number {
    let count = 0;
    for (const { acknowledgedAt } of this.#sent.values()) if (acknowledgedAt !== undefined) count++;
    return count;
  }

  get size(): number {
    return this.#sent.size;
  }

  badOf(device: string): { sent: number; acknowledged: number } {
    const bad = this.bad.get(device) ?? { sent: 0, acknowledged: 0 };
    this.bad.set(device, bad);
    return bad;
  }
}

function keyOf({ device, sensor, metric, value }: Pick<Sent, 'device' | 'sensor' | 'metric' | 'value'>): string {
  return `${device}/${sensor}/${metric}/${value}`;
}
