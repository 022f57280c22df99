/** `weir-devices`: simulated sensors and recorded traces, published over MQTT to an agent's broker. */
import { readFile } from 'node:fs/promises';
import { isName } from '@weir/protocols';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { dueAtTheirTime, feed } from './feed.ts';
import { fleetReadings, naturalRate, PLANTS, type Plant, signalsOf } from './fleet.ts';
import { type Broker, Publisher, type PublisherEvent } from './publisher.ts';
import { type Due, playTrace, readTrace, TraceError } from './trace-player.ts';

interface CommonOptions {
  host: string;
  port: number;
  username?: string;
  passwordFile?: string;
  json?: boolean;
}

interface SimulateOptions extends CommonOptions {
  plant: Plant;
  seed: number;
  rate?: number;
  seconds?: number;
  demo?: boolean;
}

interface ReplayOptions extends CommonOptions {
  sensor: string;
  metric: string;
  unit?: string;
  speed: number;
  originalTime?: boolean;
}

/** How long the end waits for acknowledgements that are under way. */
const SETTLE_MS = 10_000;
/** After Ctrl-C somebody waits. */
const SETTLE_STOPPED_MS = 2_000;

class Unreadable extends Error {}

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  let exitCode = 0;
  const program = new Command('weir-devices').description('simulated sensors and recorded traces over MQTT');
  program.exitOverride();
  const simulate = program
    .command('simulate')
    .description('sensors of a cold store and a machine hall, with their faults')
    .addOption(new Option('--plant <name>', 'which sensors').choices(PLANTS).default('all'))
    .option('--seed <n>', 'the same seed, the same signals', whole, 1)
    .option('--rate <n>', 'readings a second, all sensors together (default: what the sensors do)', positive)
    .option('--seconds <n>', 'how long (default: until Ctrl-C)', positive)
    .option('--demo', 'the oven overheats within 5 seconds, and again every 40')
    .action(async (options: SimulateOptions) => {
      exitCode = await run(options, simulated(options));
    });
  const replay = program
    .command('replay')
    .description('a CSV trace with the columns timestamp and value')
    .argument('<file>')
    .requiredOption('--sensor <name>', 'sensor it is played as', name)
    .requiredOption('--metric <name>', 'metric it is played as', name)
    .option('--unit <symbol>', 'unit of its values, such as Cel')
    .option('--speed <n>', 'recorded time passes so many times as fast', positive, 1)
    .option('--original-time', 'readings keep their recorded times (default: the time they are played at)')
    .action(async (file: string, options: ReplayOptions) => {
      exitCode = await run(options, playTrace(readTrace(file), { ...options, startTs: Date.now() }));
    });
  for (const command of [simulate, replay]) {
    command
      .option('--host <host>', 'broker', '127.0.0.1')
      .option('--port <port>', 'port of the broker', port, 1883)
      .option('--username <name>', 'user name at the broker')
      .option('--password-file <file>', 'file whose first line is the password')
      .option('--json', 'one JSON object per line: connections, and a summary at the end')
      .exitOverride();
  }
  try {
    await program.parseAsync(args, { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof TraceError) && !(error instanceof Unreadable)) throw error;
    process.stderr.write(`weir-devices: ${error.message}\n`);
    return 2;
  }
}

function simulated({ plant, seed, rate, seconds, demo = false }: SimulateOptions): Iterable<Due> {
  const signals = signalsOf(plant, { demo });
  const startTs = Date.now();
  const rateFactor = rate === undefined ? 1 : rate / naturalRate(signals);
  const endTs = seconds === undefined ? undefined : startTs + seconds * 1000;
  return dueAtTheirTime(fleetReadings(signals, { seed, startTs, rateFactor }), endTs);
}

async function run(options: CommonOptions, due: Iterable<Due> | AsyncIterable<Due>): Promise<number> {
  const broker = await brokerOf(options);
  const stop = new AbortController();
  let refused = false;
  const publisher = new Publisher(broker, (event) => {
    report(event, publisher, options);
    if (event.event !== 'refused') return;
    refused = true;
    stop.abort();
  });
  const onSignal = () => stop.abort();
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  stop.signal.addEventListener('abort', () => publisher.release());
  const startedAt = performance.now();
  try {
    publisher.start();
    await feed(due, publisher, stop.signal);
    await publisher.settled(stop.signal.aborted ? SETTLE_STOPPED_MS : SETTLE_MS);
  } finally {
    publisher.stop();
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    summarize(publisher, (performance.now() - startedAt) / 1000, options);
  }
  if (refused) return 1;
  return publisher.unacknowledged === 0 || stop.signal.aborted ? 0 : 1;
}

async function brokerOf({ host, port, username, passwordFile }: CommonOptions): Promise<Broker> {
  const broker: Broker = { host, port };
  if (username !== undefined) broker.username = username;
  if (passwordFile !== undefined) {
    const text = await readFile(passwordFile, 'utf8').catch((error: Error) => {
      throw new Unreadable(`--password-file: ${error.message}`);
    });
    broker.password = text.split(/\r?\n/, 1)[0]!;
  }
  return broker;
}

function report(event: PublisherEvent, publisher: Publisher, { host, port, json }: CommonOptions): void {
  if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
  else if (event.event === 'disconnected')
    process.stderr.write(`no link to ${host}:${port}: ${event.reason}; trying again\n`);
  else if (event.event === 'refused') {
    process.stderr.write(`${host}:${port} refused us: ${event.reason}; see --username and --password-file\n`);
  } else if (publisher.connections === 1) process.stdout.write(`ready ${JSON.stringify({ host, port })}\n`);
  else process.stderr.write(`connected to ${host}:${port} again\n`);
}

function summarize(publisher: Publisher, seconds: number, { json }: CommonOptions): void {
  const { published, acknowledged, unacknowledged } = publisher;
  const reconnects = Math.max(0, publisher.connections - 1);
  const summary = {
    event: 'summary',
    published,
    acknowledged,
    unacknowledged,
    reconnects,
    seconds: Number(seconds.toFixed(1)),
  };
  if (json) process.stdout.write(`${JSON.stringify(summary)}\n`);
  else {
    const rest = `${unacknowledged} not acknowledged, ${reconnects} reconnects`;
    process.stdout.write(`${published} readings, ${acknowledged} acknowledged, ${rest}, in ${seconds.toFixed(1)} s\n`);
  }
}

function positive(text: string): number {
  const number = Number(text);
  if (number > 0 && Number.isFinite(number)) return number;
  throw new InvalidArgumentError('A number over 0 is wanted.');
}

function whole(text: string): number {
  if (/^\d{1,10}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('A whole number is wanted.');
}

function port(text: string): number {
  const number = whole(text);
  if (number >= 1 && number <= 65_535) return number;
  throw new InvalidArgumentError('A port, 1 to 65535, is wanted.');
}

function name(text: string): string {
  if (isName(text)) return text;
  throw new InvalidArgumentError('1 to 64 of letters, digits and . _ : - are wanted, the first a letter or digit.');
}
