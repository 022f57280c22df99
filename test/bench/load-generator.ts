/**
 * Raw-socket MQTT publishers in a process of their own, cheap enough to leave the processor to the broker: packets are
 * made before the load begins, and of what comes back only PUBACKs are counted.
 *
 *     parent -> { runMs }        load for so long, then wait for what is unacknowledged
 *     parent <- Outcome
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { generate } from 'mqtt-packet';

export interface LoadOptions {
  port: number;
  username: string;
  password: string;
  connections: number;
  /** PUBLISH packets written at once; two such blocks are unacknowledged at most, on each connection. */
  block: number;
}

export interface LoadOutcome {
  sent: number;
  acknowledged: number;
}

const PUBACK_BYTES = 4;
const PUBACK = 0x40;
const CONNACK_BYTES = 4;
const BLOCKS_IN_FLIGHT = 2;
const SETTLE_MS = 20_000;

class Publisher {
  readonly #socket: Socket;
  readonly #blocks: Buffer[];
  readonly #block: number;
  #next = 0;
  #inFlight = 0;
  #left = 0;
  #running = false;
  #settled: (() => void) | undefined;
  sent = 0;
  acknowledged = 0;

  private constructor(socket: Socket, blocks: Buffer[], block: number) {
    this.#socket = socket;
    this.#blocks = blocks;
    this.#block = block;
    socket.on('data', (bytes) => this.#onData(bytes));
    socket.on('error', (error) => fail(error.message));
    socket.on('close', () => fail('the agent closed a connection'));
  }

  static async connect(at: number, { port, username, password, block }: LoadOptions): Promise<Publisher> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    socket.write(
      generate({
        cmd: 'connect',
        clientId: `load-${at}`,
        keepalive: 0,
        clean: true,
        username,
        password: Buffer.from(password),
      }),
    );
    const [connack] = (await once(socket, 'data')) as [Buffer];
    if (connack.length !== CONNACK_BYTES || connack[3] !== 0) fail(`CONNACK ${connack.toString('hex')}`);
    const blocks = Array.from({ length: BLOCKS_IN_FLIGHT }, (_, i) => publishes(at, i * block, block));
    return new Publisher(socket, blocks, block);
  }

  start(): void {
    this.#running = true;
    while (this.#inFlight < BLOCKS_IN_FLIGHT) this.#write();
  }

  async stop(): Promise<void> {
    this.#running = false;
    if (this.#inFlight === 0) return;
    await new Promise<void>((settled) => {
      this.#settled = settled;
      setTimeout(settled, SETTLE_MS).unref();
    });
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #write(): void {
    this.#socket.write(this.#blocks[this.#next]!);
    this.#next = (this.#next + 1) % BLOCKS_IN_FLIGHT;
    this.#inFlight++;
    this.sent += this.#block;
  }

  /** Packets are 4 bytes each, so a remainder is a packet whose rest is still on its way. */
  #onData(bytes: Buffer): void {
    const total = this.#left + bytes.length;
    const whole = Math.floor(total / PUBACK_BYTES);
    if (this.#left === 0 && bytes[0] !== PUBACK) fail(`not a PUBACK: ${bytes.subarray(0, 8).toString('hex')}`);
    this.#left = total % PUBACK_BYTES;
    const before = Math.floor(this.acknowledged / this.#block);
    this.acknowledged += whole;
    // Acknowledgements come in the order of the messages, so whole blocks are done one after another.
    for (let done = Math.floor(this.acknowledged / this.#block) - before; done > 0; done--) {
      this.#inFlight--;
      if (this.#running) this.#write();
    }
    if (!this.#running && this.#inFlight === 0) this.#settled?.();
  }
}

/** One sensor with four metrics; a quarter of the values repeat, as those of sensors do. */
function publishes(sensor: number, firstId: number, count: number): Buffer {
  const metrics = ['temperature', 'pressure', 'vibration_rms', 'current'];
  return Buffer.concat(
    Array.from({ length: count }, (_, i) => {
      const value = Math.round(600 + 100 * Math.sin((firstId + i) / 7)) / 10;
      const payload = JSON.stringify({ value, ts: 1_700_000_000_000 + (firstId + i) * 100, unit: 'Cel' });
      const topic = `plant/sensor${sensor}/${metrics[i % metrics.length]}`;
      return generate({
        cmd: 'publish',
        topic,
        payload,
        qos: 1,
        messageId: firstId + i + 1,
        dup: false,
        retain: false,
      });
    }),
  );
}

function fail(message: string): never {
  process.stderr.write(`load generator: ${message}\n`);
  process.exit(1);
}

const options = JSON.parse(process.argv[2]!) as LoadOptions;
const publishers = await Promise.all(
  Array.from({ length: options.connections }, (_, at) => Publisher.connect(at, options)),
);
process.on('message', async ({ runMs }: { runMs: number }) => {
  for (const publisher of publishers) publisher.start();
  await new Promise((resolve) => setTimeout(resolve, runMs));
  await Promise.all(publishers.map((publisher) => publisher.stop()));
  const sum = (key: 'sent' | 'acknowledged') => publishers.reduce((total, each) => total + each[key], 0);
  process.send!({ sent: sum('sent'), acknowledged: sum('acknowledged') } satisfies LoadOutcome);
});
process.on('disconnect', () => {
  for (const publisher of publishers) publisher.close();
});
process.send!('connected');
