/** A function over what sensors send now, as a device would run it; nothing is kept, and nothing is published. */
import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { Reading } from '@weir/protocols';
import type { FunctionRun, Sandbox } from '@weir/runtime';
import type { MqttClient } from 'mqtt';
import { Failure, Misuse } from '../failure.ts';
import type { Session } from '../session.ts';
import { parseConfig } from './deploy.ts';
import { outputLine } from './function-report.ts';
import type { TraceFileOptions } from './function-test.ts';

export interface LiveOptions {
  broker?: string;
  username: string;
  passwordFile?: string;
  topic: string;
}

/** What comes within this time goes into one step, as with an agent under load. */
const GATHER_MS = 100;
const TICK_MS = 1_000;
/** Readings that wait for a function that cannot follow; more are left out and told. */
const WAITING_MAX = 10_000;
const CONNECT_MS = 10_000;

/** Until `signal`. @throws {Failure} when the broker cannot be reached or goes away */
export async function runLive(
  session: Session,
  sandbox: Sandbox,
  file: string,
  options: TraceFileOptions & LiveOptions,
  signal: AbortSignal,
): Promise<void> {
  const { buildFunctionBundle, FunctionRun } = await import('@weir/runtime');
  const built = await buildFunctionBundle(file);
  const config = parseConfig(options.config ?? []);
  const onOutput = (output: Parameters<typeof outputLine>[0]) => session.out(`${outputLine(output)}\n`);
  const run = new FunctionRun(built, { sandbox, config, onOutput });
  await run.start(Date.now());
  const client = await connect(options, signal);
  if (client === undefined) return;
  session.note(`Running over ${options.topic} of ${options.broker}. Ctrl-C ends it.\n`);
  try {
    await pump(session, run, client, options, signal);
  } finally {
    client.end(true);
    session.note(`state  ${JSON.stringify(run.end().state) ?? 'none'}\n`);
  }
}

async function pump(
  session: Session,
  run: FunctionRun,
  client: MqttClient,
  options: TraceFileOptions & LiveOptions,
  signal: AbortSignal,
): Promise<void> {
  const waiting: Reading[] = [];
  const decode = await decoderOf(options.topic);
  let lost: Error | undefined;
  client.on('message', (topic, payload) => {
    try {
      const readings = decode(topic, payload, Date.now());
      if (waiting.length + readings.length <= WAITING_MAX) waiting.push(...readings);
      else session.note(`${readings.length} readings were left out: the function cannot follow\n`);
    } catch (error) {
      session.note(`${topic}: ${(error as Error).message}\n`);
    }
  });
  client.on('close', () => (lost ??= new Failure('the connection to the broker ended')));
  for (let tickAt = Date.now() + TICK_MS; !signal.aborted && lost === undefined; ) {
    await setTimeout(GATHER_MS, undefined, { signal }).catch(() => {});
    await run.step(waiting.splice(0, options.batch ?? WAITING_MAX));
    if (Date.now() < tickAt) continue;
    await run.tickUntil(Date.now());
    tickAt = Date.now() + TICK_MS;
  }
  if (lost !== undefined && !signal.aborted) throw lost;
}

/** Undefined: ended before it was there. */
async function connect(options: LiveOptions, signal: AbortSignal): Promise<MqttClient | undefined> {
  const address = /^(?:mqtt:\/\/)?([^:/]+|\[[^\]]+\]):(\d+)$/.exec(options.broker!);
  if (address === null)
    throw new Misuse(`--broker ${options.broker} is no host:port`, 'give one such as 127.0.0.1:1883');
  const mqtt = await import('mqtt');
  const login = { username: options.username, password: readPassword(options.passwordFile) };
  const client = mqtt.connect(`mqtt://${address[1]}:${address[2]}`, {
    ...(login.password === undefined ? {} : login),
    reconnectPeriod: 0,
    connectTimeout: CONNECT_MS,
  } as Parameters<typeof mqtt.connect>[1] & object);
  return new Promise((done, fail) => {
    const give = (error: Error) => {
      client.end(true);
      fail(
        new Failure(`no broker at ${options.broker}: ${error.message}`, 'is the agent running? is the password right?'),
      );
    };
    client.on('error', give);
    client.once('close', () => give(new Error('the connection was closed')));
    signal.addEventListener('abort', () => {
      client.end(true);
      done(undefined);
    });
    client.once('connect', () => {
      client.removeAllListeners('close');
      client.subscribe(options.topic.replaceAll(/\{\w+\}/g, '+'), { qos: 0 }, (error) =>
        error ? give(error) : done(client),
      );
    });
  });
}

function readPassword(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Misuse(`${file} cannot be read: ${(error as Error).message}`);
  }
}

async function decoderOf(pattern: string): Promise<(topic: string, payload: Uint8Array, now: number) => Reading[]> {
  const { decodePayload } = await import('@weir/protocols');
  const levels = pattern.split('/');
  const at = { sensor: levels.indexOf('{sensor}'), metric: levels.indexOf('{metric}') };
  if (at.sensor < 0) throw new Misuse(`--topic ${pattern} does not say where {sensor} stands`);
  return (topic, payload, now) => {
    const parts = topic.split('/');
    const metric = at.metric < 0 ? {} : { metric: parts[at.metric]! };
    return decodePayload(payload, { sensor: parts[at.sensor]!, now, ...metric });
  };
}
