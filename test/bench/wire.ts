import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { columnsOf, decodeBatch, encodeBatch, type Reading, readingsOf } from '@weir/protocols';
import { readTrace } from '@weir/runtime';
import { type Bench, type Metrics, median } from './bench.ts';

const BATCH = 1_000;
const TRACE = fileURLToPath(new URL('../../devices/traces/machine_temperature.csv', import.meta.url));
/** As the agent has it. */
const ZSTD = { params: { [constants.ZSTD_c_compressionLevel]: 2 } };

export const wire: Bench = {
  secondsDefault: 6,
  run,
  help: `
wire: bytes of a reading on the uplink.

  Batches of ${BATCH} readings, each decoded again and compared with what went in, to the bit. The traces:

  machine_temperature   the recorded trace of the project: a reading in five minutes, eight decimals, some with the noise of a
                        computation behind them
  tenth_degree          made from a seed: a sensor that rounds to tenths, at 1 Hz, by a clock that jitters by up to 20 ms
  hall                  made from a seed: twelve sensors of three kinds in turns, one of which tells states in words

  X_bytes_per_reading          as it goes over the wire: packed, then compressed where that gains
  X_packed_bytes_per_reading   before it is compressed
  X_json_bytes_per_reading     the same readings as a JSON array
  json_bytes_per_reading       that of machine_temperature
  encode_readings_per_s        of machine_temperature, packed and compressed; median of the rounds
  decode_readings_per_s        the way back
  round_trip_wrong             readings that did not come back exactly; the bench fails when there is one
`,
};

async function run({ seconds, say }: Parameters<Bench['run']>[0]): Promise<Metrics> {
  const traces = { machine_temperature: machine(), tenth_degree: tenths(20_000), hall: hall(20_000) };
  const metrics: Metrics = {};
  for (const [name, readings] of Object.entries(traces)) {
    const sizes = sizesOf(readings);
    metrics[`${name}_bytes_per_reading`] = rounded(sizes.sent / readings.length);
    metrics[`${name}_packed_bytes_per_reading`] = rounded(sizes.packed / readings.length);
    metrics[`${name}_json_bytes_per_reading`] = rounded(sizes.json / readings.length);
    metrics.round_trip_wrong = (metrics.round_trip_wrong ?? 0) + sizes.wrong;
    say(`${name}: ${metrics[`${name}_bytes_per_reading`]} bytes, JSON ${metrics[`${name}_json_bytes_per_reading`]}`);
  }
  if (metrics.round_trip_wrong! > 0) throw new Error(`${metrics.round_trip_wrong} readings did not come back exactly`);
  metrics.json_bytes_per_reading = metrics.machine_temperature_json_bytes_per_reading!;
  return { ...metrics, ...speedOf(traces.machine_temperature, seconds) };
}

function* batchesOf(readings: readonly Reading[]): Generator<Reading[]> {
  for (let at = 0; at < readings.length; at += BATCH) yield readings.slice(at, at + BATCH);
}

function packed(readings: readonly Reading[]): Uint8Array<ArrayBuffer> {
  const columns = columnsOf(readings);
  return encodeBatch({ kind: 'readings', epoch: 'k3v9', seq: 1_000_000, count: columns.index.length, columns });
}

function sizesOf(all: readonly Reading[]): { sent: number; packed: number; json: number; wrong: number } {
  const sizes = { sent: 0, packed: 0, json: 0, wrong: 0 };
  for (const readings of batchesOf(all)) {
    const bytes = packed(readings);
    const frame = zstdCompressSync(bytes, ZSTD);
    const gains = frame.length <= bytes.length * 0.95;
    sizes.sent += gains ? frame.length : bytes.length;
    sizes.packed += bytes.length;
    sizes.json += Buffer.byteLength(JSON.stringify(readings));
    const batch = decodeBatch(gains ? zstdDecompressSync(frame) : bytes);
    const back = batch.kind === 'readings' ? [...readingsOf(batch.columns)] : [];
    sizes.wrong += readings.filter((reading, at) => !isSame(reading, back[at])).length;
  }
  return sizes;
}

function isSame(a: Reading, b: Reading | undefined): boolean {
  if (b === undefined) return false;
  const keys = ['sensor', 'metric', 'value', 'ts', 'unit', 'quality'] as const;
  return keys.every((key) => Object.is(a[key], b[key]));
}

function speedOf(all: readonly Reading[], seconds: number): Metrics {
  const batches = [...batchesOf(all)];
  const columns = batches.map((batch) => columnsOf(batch));
  const frames = batches.map((batch) => zstdCompressSync(packed(batch), ZSTD));
  const encode = roundsOf(seconds / 2, all.length, () => {
    for (const each of columns) {
      const head = { kind: 'readings', epoch: 'k3v9', seq: 0, count: each.index.length, columns: each } as const;
      zstdCompressSync(encodeBatch(head), ZSTD);
    }
  });
  const decode = roundsOf(seconds / 2, all.length, () => {
    for (const frame of frames) decodeBatch(zstdDecompressSync(frame));
  });
  return { encode_readings_per_s: Math.round(encode), decode_readings_per_s: Math.round(decode) };
}

function roundsOf(seconds: number, readings: number, round: () => void): number {
  const perSecond: number[] = [];
  const end = performance.now() + seconds * 1_000;
  while (perSecond.length < 3 || performance.now() < end) {
    const began = performance.now();
    round();
    perSecond.push((readings * 1_000) / (performance.now() - began));
  }
  return median(perSecond);
}

function machine(): Reading[] {
  const series = { sensor: 'machine1', metric: 'temperature', unit: 'Cel' };
  return [...readTrace('machine_temperature.csv', readFileSync(TRACE), series)];
}

/** mulberry32 */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const T0 = 1_700_000_000_000;

function tenths(count: number): Reading[] {
  const random = randomOf(1);
  let value = 20;
  return Array.from({ length: count }, (_, at) => {
    value += (random() - 0.5) * 0.2 + (20 - value) * 0.001;
    const ts = T0 + at * 1_000 + Math.round((random() - 0.5) * 40);
    return { sensor: 'room1', metric: 'temperature', value: Math.round(value * 10) / 10, ts, unit: 'Cel' };
  });
}

function hall(count: number): Reading[] {
  const random = randomOf(2);
  const words = ['idle', 'running', 'running', 'running', 'blocked'];
  return Array.from({ length: count }, (_, at): Reading => {
    const machine = at % 12;
    const ts = T0 + Math.floor(at / 12) * 1_000 + machine * 40 + Math.round(random() * 15);
    if (machine === 11) return { sensor: 'press', metric: 'state', value: words[Math.floor(random() * 5)]!, ts };
    if (machine > 7) return { sensor: `door${machine}`, metric: 'open', value: random() < 0.1, ts };
    const value = Math.round((2 + Math.sin(at / 500) + random() * 0.3) * 1_000) / 1_000;
    return { sensor: `motor${machine}`, metric: 'vibration_rms', value, ts, unit: 'mm/s' };
  });
}

function rounded(number: number): number {
  return Math.round(number * 1_000) / 1_000;
}
