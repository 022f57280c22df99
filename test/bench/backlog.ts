/** A backlog as sensors leave it: known readings, published to a real agent while its hub is away, and found again at the hub. */
import { DatabaseSync } from 'node:sqlite';
import { type Columns, columnsOf, decodeBatch, encodeBatch, readingsOf } from '@weir/protocols';
import { connect } from 'mqtt';
import { LIVE_METRIC } from './live-probe.ts';

const SENSORS = 10;
const METRICS = ['temperature', 'pressure', 'vibration_rms', 'current'];
const SERIES = SENSORS * METRICS.length;
const STEP_MS = 1_000;
const MESSAGE_READINGS = 500;
const IN_FLIGHT = 8;

/** Two days ago: older than all that is measured meanwhile. */
const AGO_MS = 2 * 86_400_000;

export interface Publishing {
  mqttPort: number;
  password: string;
  messageReadings?: number;
  /** Messages without an acknowledgement, at most: what waits together becomes one row. */
  inFlight?: number;
}

export class Backlog {
  /** Of all outages together. */
  readonly readings: number;
  readonly #startedAt = Date.now() - AGO_MS;
  #published = 0;

  constructor(readings: number) {
    this.readings = readings;
  }

  /** So many of those that are left; resolves when the agent has acknowledged them. */
  async publish(
    readings: number,
    { mqttPort, password, messageReadings = MESSAGE_READINGS, inFlight = IN_FLIGHT }: Publishing,
  ): Promise<void> {
    const client = connect(`mqtt://127.0.0.1:${mqttPort}`, { username: 'sensor', password, reconnectPeriod: 0 });
    await new Promise<void>((resolve, reject) => client.once('connect', () => resolve()).once('error', reject));
    let next = this.#published;
    const end = next + readings;
    this.#published = end;
    const publishSome = async () => {
      while (next < end) {
        const from = next;
        next += messageReadings;
        const columns = this.#columns(from, Math.min(next, end));
        const count = columns.index.length;
        const payload = Buffer.from(encodeBatch({ kind: 'readings', epoch: '-', seq: 0, count, columns }));
        await client.publishAsync('plant/backlog', payload, { qos: 1 });
      }
    };
    await Promise.all(Array.from({ length: inFlight }, publishSome));
    client.end();
  }

  /**
   * Reads the store of a hub that has ended.
   * @param live readings that were published beside, with the numbers 0 to this as values
   */
  compare(storeFile: string, device: string, live: number): { lost: number; duplicated: number } {
    const buffered = new Uint8Array(this.readings);
    const fresh = new Uint8Array(live);
    const db = new DatabaseSync(storeFile, { readOnly: true });
    const rows = db.prepare("SELECT bytes FROM item WHERE tbl = 'history' AND part = ?");
    for (const { bytes } of rows.iterate(device) as Iterable<unknown> as Iterable<{ bytes: Uint8Array }>) {
      const batch = decodeBatch(bytes, { bytesMax: 1_000_000, itemsMax: 1_000_000 });
      if (batch.kind === 'readings') this.#tick(batch.columns, buffered, fresh);
    }
    db.close();
    const all = [...buffered, ...fresh];
    return {
      lost: all.filter((times) => times === 0).length,
      duplicated: all.reduce((sum, times) => sum + Math.max(0, times - 1), 0),
    };
  }

  #tick(columns: Columns, buffered: Uint8Array, fresh: Uint8Array): void {
    for (const { sensor, metric, value, ts } of readingsOf(columns)) {
      if (metric === LIVE_METRIC) fresh[value as number]!++;
      else {
        const series = Number(sensor.slice('backlog'.length)) * METRICS.length + METRICS.indexOf(metric);
        buffered[Math.floor((ts - this.#startedAt) / STEP_MS) * SERIES + series]!++;
      }
    }
  }

  /** Tenths that wander, at about one a second with a little jitter. */
  #columns(from: number, to: number): Columns {
    return columnsOf(
      Array.from({ length: to - from }, (_, i) => {
        const at = from + i;
        const series = at % SERIES;
        const step = Math.floor(at / SERIES);
        const wave = 200 * Math.sin(step / 300 + series) + 5 * Math.sin(step * 1.7 + series);
        return {
          sensor: `backlog${Math.floor(series / METRICS.length)}`,
          metric: METRICS[series % METRICS.length]!,
          value: Math.round(500 + wave) / 10,
          ts: this.#startedAt + step * STEP_MS + ((at * 7_919) % 20),
        };
      }),
    );
  }
}
