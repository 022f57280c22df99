/**
 * One run whose readings come over MQTT, QoS 1, while agent and sandbox are killed. A sensor sends one message at a
 * time until it is acknowledged, so each message is one group of the journal. Which input the run had, only its journal
 * knows; so that is handed to an uninterrupted run, which must come to the same.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { columnsOf, decodeBatch, encodeBatch, type Reading, readingsOf } from '@weir/protocols';
import { connect, type MqttClient } from 'mqtt';
import { AgentProcess } from './agent-process.ts';
import { sleep } from './kill.ts';
import { Life } from './life.ts';
import { differences, outcomeOf } from './outcome.ts';
import type { Plan } from './plan.ts';
import { prepareFrom, prepareLive } from './prepared.ts';
import type { Group } from './readings.ts';
import { type KilledRun, uninterrupted } from './run.ts';

const OUTBOX_BYTES_MAX = '256MiB';
const RETRY_MS = 20;
/** One reading of each message says which it is. */
const MARK = { sensor: 'feed', metric: 'number' };

export async function liveRun(folder: string, groups: readonly Group[], { tuning, points }: Plan): Promise<KilledRun> {
  const data = join(folder, 'live');
  await prepareLive(data);
  const sensor = new Sensor(groups.map(({ readings }) => readings));
  const faults: string[] = [];
  const life = new Life({
    start: () => new AgentProcess(data, tuning, OUTBOX_BYTES_MAX),
    onStart: (agent) => sensor.turnTo(agent),
    onDeath: () => faults.push(...sensor.lost(data)),
  });
  const sent = sensor.run();
  try {
    for (const point of points) await life.kill(point, groups.length);
    await Promise.race([sent, life.agent.ended]);
    await life.end();
  } finally {
    sensor.stop();
    await life.abandon();
  }
  const numbers = journaled(data);
  const isEachOnce = numbers.length === groups.length && numbers.every((number, at) => number === at);
  if (!isEachOnce)
    faults.push(`of ${groups.length} messages the journal has ${numbers.length}: ${numbers.slice(0, 20)} …`);
  await prepareFrom(join(folder, 'replayed'), data);
  const whole = await uninterrupted(join(folder, 'replayed'), join(folder, 'whole'), OUTBOX_BYTES_MAX);
  faults.push(...differences(whole.outcome, outcomeOf(data)));
  return { hits: life.hits, faults, heard: 0, repeated: 0 };
}

class Sensor {
  #messages: Uint8Array<ArrayBuffer>[];
  #next = 0;
  /** Last message for which a PUBACK came. */
  #acknowledged = -1;
  #agent: AgentProcess | undefined;
  #client: MqttClient | undefined;
  #isStopped = false;

  constructor(messages: readonly Reading[][]) {
    this.#messages = messages.map((readings, number) => {
      const columns = columnsOf([...readings, { ...MARK, value: number, ts: readings[0]!.ts }]);
      return encodeBatch({ kind: 'readings', epoch: 'feed', seq: 0, count: columns.index.length, columns });
    });
  }

  turnTo(agent: AgentProcess): void {
    this.#agent = agent;
    this.#client?.end(true);
  }

  stop(): void {
    this.#isStopped = true;
    this.#client?.end(true);
  }

  /** What was acknowledged and is not in the journal of an agent that is dead. */
  lost(data: string): string[] {
    const numbers = journaled(data);
    const last = numbers.at(-1) ?? -1;
    // A message that got in and was not acknowledged is not sent again: it would count twice, as the standard allows.
    this.#next = Math.max(this.#next, last + 1);
    return last < this.#acknowledged
      ? [`message ${this.#acknowledged} was acknowledged, the journal ends at ${last}`]
      : [];
  }

  async run(): Promise<void> {
    while (this.#next < this.#messages.length && !this.#isStopped) {
      const agent = this.#agent!;
      try {
        await this.#send(agent, await agent.ready);
      } catch {
        await sleep(RETRY_MS);
      }
    }
  }

  async #send(agent: AgentProcess, port: number): Promise<void> {
    if (agent !== this.#agent || agent.hasEnded) return;
    const client = connect(`mqtt://127.0.0.1:${port}`, {
      username: 'sensor',
      password: agent.password,
      reconnectPeriod: 0,
    });
    this.#client = client;
    const closed = new Promise<never>((_, reject) => {
      client.on('error', reject);
      client.on('close', () => reject(new Error('the connection was closed')));
    });
    closed.catch(() => {});
    try {
      while (this.#next < this.#messages.length) {
        const number = this.#next;
        const topic = `plant/${MARK.sensor}/${MARK.metric}`;
        await Promise.race([client.publishAsync(topic, Buffer.from(this.#messages[number]!), { qos: 1 }), closed]);
        this.#acknowledged = number;
        this.#next = Math.max(this.#next, number + 1);
      }
    } finally {
      client.end(true);
    }
  }
}

/** Behind the batch of each row. */
const CHECKSUM_BYTES = 4;

/** Numbers of the messages in the journal, in its order. */
function journaled(data: string): number[] {
  const db = new DatabaseSync(join(data, 'spool.db'), { readOnly: true });
  const rows = db.prepare('SELECT bytes FROM journal ORDER BY id').all() as { bytes: Uint8Array }[];
  db.close();
  return rows.flatMap(({ bytes }) => {
    const batch = decodeBatch(bytes.subarray(0, -CHECKSUM_BYTES));
    if (batch.kind !== 'readings') return [];
    const marks = [...readingsOf(batch.columns)].filter(({ metric }) => metric === MARK.metric);
    return marks.map(({ value }) => value as number);
  });
}
