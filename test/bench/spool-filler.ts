/**
 * Writes to a spool as an agent does that takes readings and reaches no hub, only faster: in a process of its own, that
 * can be killed in the middle of it.
 *
 *     argument   FillOptions as JSON
 *     parent <-  bytes        from time to time: of the rows written so far
 *     parent <-  'done'        the spool is closed
 */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { defaultConfig, openSpool, type Spool, spoolOptions } from '@weir/edge-agent';
import { columnsOf, type Reading } from '@weir/protocols';

export interface FillOptions {
  /** The agent's data folder; the spool is there, and nobody else has it open. */
  data: string;
  /** Until the journal rows written are so large together. */
  bytes: number;
  /** Rows stay in the journal: no function has passed them. */
  unpassed: boolean;
}

/** A row is what a busy gateway commits at a time, some 4 KiB. */
const ROW_READINGS = 40;
/** Of the value, a text: it fills more with less to compute than a number does. */
const TEXT_LENGTH = 96;
const CALLS_IN_FLIGHT = 200;
const TELL_EVERY_ROWS = 2_000;
const SENSORS = 50;

const OUTBOX_BYTES_MAX = 16 * 2 ** 30;
const NOISE = randomBytes(1_000_000).toString('base64');

const options = JSON.parse(process.argv[2]!) as FillOptions;
const spool = await open();
await fill(spool);
await spool.close();
process.send!('done');
process.disconnect();

function open(): Promise<Spool> {
  const config = defaultConfig();
  config.outbox.lanes.backfill.bytesMax = OUTBOX_BYTES_MAX;
  return openSpool(join(options.data, 'spool.db'), spoolOptions(config, { life: 'filled', run: 'filled00' }));
}

async function fill(spool: Spool): Promise<void> {
  let { step } = await spool.call('state');
  const inFlight = new Set<Promise<void>>();
  let bytes = 0;
  for (let row = 0; bytes < options.bytes; row++) {
    const receivedAt = Date.now();
    const written = spool
      .call('append', { columns: columnsOf(readings(row, receivedAt)), receivedAt, future: 0, refused: undefined })
      .then(async (appended) => {
        bytes += appended.bytes;
        if (!options.unpassed) await pass(spool, ++step, appended.id);
      })
      .finally(() => inFlight.delete(written));
    inFlight.add(written);
    if (inFlight.size >= CALLS_IN_FLIGHT) await Promise.race(inFlight);
    if (row % TELL_EVERY_ROWS === 0) process.send!(bytes);
  }
  await Promise.all(inFlight);
}

async function pass(spool: Spool, number: number, through: number): Promise<void> {
  await spool.call('commitStep', {
    number,
    states: [],
    emitted: undefined,
    alerts: [],
    publishes: [],
    through,
    deployed: undefined,
    connected: false,
    now: Date.now(),
  });
}

/** Texts of which none is like another. */
function readings(row: number, now: number): Reading[] {
  return Array.from({ length: ROW_READINGS }, (_, at) => {
    const from = (row * 31 + at * 1_009) % (NOISE.length - TEXT_LENGTH);
    return {
      sensor: `machine${at % SENSORS}`,
      metric: 'message',
      value: NOISE.slice(from, from + TEXT_LENGTH),
      ts: now,
    };
  });
}
