import type { MqttClient } from 'mqtt';
import { connectDevice, joinDevice } from '../support/joined-device.ts';
import { System } from '../support/system.ts';
import { type Bench, type BenchOptions, type Metrics, median } from './bench.ts';
import { cpuSeconds, rssMb } from './process-figures.ts';

const THINGS = 16;
/** AWS takes so many of one thing at a time; the eleventh is refused. */
const IN_FLIGHT = 10;
const WARM_UP_MS = 1_500;

export const shadow: Bench = {
  secondsDefault: 6,
  run,
  help: `
shadow: updates of device shadows, by MQTT over TLS with certificates of devices.

  A real hub (\`weir hub\`) in a temporary folder with its default limits, beside what drives it. A device keeps ${IN_FLIGHT} updates of
  one named shadow on their way, as many as AWS takes of one thing at a time; each changes a reported value and counts when
  update/accepted for its clientToken has come, which is when the hub has it on its disk. It is measured for --seconds with one
  thing, then for as long with ${THINGS} things at once. The devices' side runs in one process with this bench.

  one_thing_updates_per_s   of one shadow; AWS allows 20
  one_thing_ms_p50, _p99    from publish to accepted
  total_updates_per_s       of ${THINGS} things together
  refused                   answers on update/rejected; none is expected
  hub_cpu_percent           of one core, with one thing
  hub_rss_mb                at the end
`,
};

async function run({ seconds, say }: BenchOptions): Promise<Metrics> {
  const system = new System();
  try {
    await system.startHub();
    await system.weir('group', 'create', 'bench');
    const { token } = await system.weirJson<{ token: string }>(
      ...['token', 'create', '--group', 'bench', '--uses', `${THINGS}`],
    );
    const things: Thing[] = [];
    for (let n = 0; n < THINGS; n++) things.push(await Thing.connect(system, `gw${n}`, token));
    await measure(things.slice(0, 1), WARM_UP_MS);
    const cpuBefore = cpuSeconds(system.hub!.pid!);
    const one = await measure(things.slice(0, 1), seconds * 1_000);
    const cpu = (cpuSeconds(system.hub!.pid!) - cpuBefore) / seconds;
    say(`one thing: ${Math.round(one.perS)} updates/s, p50 ${one.p50.toFixed(2)} ms, p99 ${one.p99.toFixed(2)} ms`);
    const all = await measure(things, seconds * 1_000);
    say(`${THINGS} things: ${Math.round(all.perS)} updates/s`);
    const figures = {
      one_thing_updates_per_s: Math.round(one.perS),
      one_thing_ms_p50: round(one.p50),
      one_thing_ms_p99: round(one.p99),
      total_updates_per_s: Math.round(all.perS),
      refused: things.reduce((sum, { refused }) => sum + refused, 0),
      hub_cpu_percent: Math.round(cpu * 100),
      hub_rss_mb: Math.round(rssMb(system.hub!.pid!)),
    };
    for (const thing of things) thing.close();
    return figures;
  } finally {
    await system.stop();
  }
}

async function measure(things: readonly Thing[], ms: number) {
  const latenciesMs: number[] = [];
  const from = performance.now();
  await Promise.all(things.map((thing) => thing.updateFor(ms, latenciesMs)));
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return {
    perS: (latenciesMs.length / (performance.now() - from)) * 1_000,
    p50: median(sorted),
    p99: sorted[Math.floor(sorted.length * 0.99)] ?? Number.NaN,
  };
}

class Thing {
  refused = 0;
  readonly #client: MqttClient;
  readonly #topic: string;
  /** By client token: when it was sent, and who waits for its answer. */
  readonly #waiting = new Map<string, { sentAt: number; done: () => void }>();
  #count = 0;
  #latenciesMs: number[] = [];

  private constructor(client: MqttClient, device: string) {
    this.#client = client;
    this.#topic = `$aws/things/${device}/shadow/name/bench/update`;
    client.on('message', (topic, payload) => this.#take(topic, payload));
  }

  static async connect(system: System, device: string, token: string): Promise<Thing> {
    const client = await connectDevice(system.hubPorts, await joinDevice(system, device, token));
    const thing = new Thing(client, device);
    await client.subscribeAsync([`${thing.#topic}/accepted`, `${thing.#topic}/rejected`], { qos: 0 });
    return thing;
  }

  async updateFor(ms: number, latenciesMs: number[]): Promise<void> {
    this.#latenciesMs = latenciesMs;
    const until = performance.now() + ms;
    const keepOn = async () => {
      while (performance.now() < until) await this.#update();
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, keepOn));
  }

  close(): void {
    this.#client.end(true);
  }

  #update(): Promise<void> {
    const clientToken = `${++this.#count}`;
    return new Promise((done) => {
      this.#waiting.set(clientToken, { sentAt: performance.now(), done });
      const body = { state: { reported: { count: this.#count, temperature: 20.5, door: 'closed' } }, clientToken };
      this.#client.publish(this.#topic, JSON.stringify(body), { qos: 0 });
    });
  }

  #take(topic: string, payload: Uint8Array): void {
    const { clientToken } = JSON.parse(Buffer.from(payload).toString()) as { clientToken: string };
    const waiting = this.#waiting.get(clientToken);
    if (waiting === undefined) return;
    this.#waiting.delete(clientToken);
    if (topic.endsWith('/rejected')) this.refused++;
    else this.#latenciesMs.push(performance.now() - waiting.sentAt);
    waiting.done();
  }
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
