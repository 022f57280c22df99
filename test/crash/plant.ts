/** What every scenario does its worst to: hub, gateway, a function, a rule, and sensors that count. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StatusReport } from '@weir/edge-agent';
import { CountingSensor } from '../support/counting-sensor.ts';
import { eventually, exampleFile, System } from '../support/system.ts';
import { WebhookReceiver } from '../support/webhook-receiver.ts';
import { type Balance, balance, type Derived, faultsOf, type Gap, type Stored } from './ledger.ts';

export type Side = 'hub' | 'agent';

/** A digest of alerts. */
interface Summary {
  counts: { resolved: number };
}

export interface PlantOptions {
  sensors: number;
  /** Of each sensor. */
  perSecond: number;
  /** YAML beside what every plant has. */
  agentConfig?: Record<string, unknown>;
  hubConfig?: Record<string, unknown>;
  /** Data folders on another disk. */
  agentData?: string;
  hubData?: string;
  /** Where the gateway finds its hub. */
  endpoint?: string;
}

/** Found dead and found again within seconds, so that a scenario need not last for minutes. */
const QUICK_UPLINK = {
  ackTimeoutMin: '1s',
  ackTimeoutMax: '3s',
  connectTimeout: '3s',
  keepalive: '5s',
  backoffBase: '50ms',
  backoffCap: '1s',
};
const IN_FLIGHT_MAX = 200;
const PAGE_READINGS = 5_000;
const PAGE_GAPS = 500;
/** The other end may be coming back still, and then has all to take that waited. */
const SETTLE_MS = 120_000;
/** Of each sensor, on average. */
const LOADED_READINGS = 50;
const HOT = '90';
const COOL = '60';

export class Plant {
  readonly system = new System();
  readonly sensors: CountingSensor[] = [];
  readonly #receiver = new WebhookReceiver();
  #crossings = 0;
  #derived: Derived[] = [];

  static async start(options: PlantOptions): Promise<Plant> {
    const plant = new Plant();
    try {
      await plant.#start(options);
      return plant;
    } catch (error) {
      await plant.stop();
      throw error;
    }
  }

  async #start(options: PlantOptions): Promise<void> {
    const { system } = this;
    const { sensors, perSecond, agentConfig = {}, hubConfig } = options;
    system.agentData = options.agentData ?? system.agentData;
    system.hubData = options.hubData ?? system.hubData;
    system.endpoint = options.endpoint;
    const { uplink, outbox, ...rest } = agentConfig;
    const config = {
      uplink: { ...QUICK_UPLINK, ...(uplink as object) },
      outbox: { gapsEvery: '200ms', ...(outbox as object) },
      // What kills here is this, and not what was deployed a moment before.
      deploy: { trial: { endsMax: 0 } },
      ...rest,
    };
    system.agentConfig = system.file('agent.yaml', JSON.stringify(config));
    if (hubConfig !== undefined) system.hubConfig = system.file('hub.yaml', JSON.stringify(hubConfig));
    await system.startAll();
    for (let at = 0; at < sensors; at++) {
      const login = () => ({ port: system.brokerPort, password: system.sensorPassword });
      this.sensors.push(new CountingSensor({ name: `s${at}`, at: login, perSecond, inFlightMax: IN_FLIGHT_MAX }));
    }
  }

  /** A function that emits each number again, one in the cloud, and a rule that watches the oven and tells a webhook. */
  async deploy(): Promise<void> {
    const { system } = this;
    await system.weir('channel', 'add', 'hook', '--webhook', await this.#receiver.listen());
    await system.weir('rule', 'apply', exampleFile('rules/oven-too-hot.yaml'), '--group', 'plant');
    await system.weir('fn', 'deploy', functionFile('again'), '--group', 'plant');
    await system.weir('fn', 'deploy', functionFile('tenth'), '--group', 'plant', '--where', 'cloud');
    await eventually('function and rule at the device', async () => {
      const { functions } = await system.agentStatus<StatusReport>();
      return functions.filter(({ state }) => state === 'running').length === 2 || undefined;
    });
    this.#derived = [
      { metric: 'again', every: 1 },
      { metric: 'tenth', every: 10 },
    ];
  }

  load(): void {
    for (const sensor of this.sensors) sensor.start();
  }

  /** Sensors have found the gateway again, and are at work. */
  async underLoad(): Promise<void> {
    const before = this.acknowledged;
    const some = this.sensors.length * LOADED_READINGS;
    await eventually('load', () => this.acknowledged >= before + some || undefined, SETTLE_MS);
  }

  async rest(): Promise<void> {
    await Promise.all(this.sensors.map((sensor) => sensor.stop()));
  }

  get acknowledged(): number {
    return this.sensors.reduce((total, { acknowledged }) => total + acknowledged.size, 0);
  }

  /** Readings in the store of the hub. */
  async storedCount(): Promise<number> {
    return (await this.system.api<{ count: number }>('/devices/gw1/readings/count')).count;
  }

  /** The oven gets too hot: one alert, to be told once. */
  async heat(): Promise<void> {
    this.#crossings++;
    await this.#publishUntilAcknowledged(HOT);
  }

  async cool(): Promise<void> {
    await this.#publishUntilAcknowledged(COOL);
  }

  /** As a patient sensor does: again until it is acknowledged. */
  async #publishUntilAcknowledged(value: string): Promise<void> {
    await eventually(
      `${value} acknowledged`,
      async () => (await this.system.publish('plant/oven1/temperature', value)).code === 0 || undefined,
      SETTLE_MS,
    );
  }

  start(side: Side): Promise<void> {
    return side === 'hub' ? this.system.startHub() : this.system.startAgent();
  }

  /** Starts whichever of the two is down. */
  async startAll(order: readonly Side[] = ['hub', 'agent']): Promise<void> {
    for (const side of order) if (!this.system.isUp(side)) await this.start(side);
  }

  status(): Promise<StatusReport> {
    return this.system.agentStatus<StatusReport>();
  }

  /** Commits that failed, as far as hub and gateway have told of them lately. */
  refusals(): number {
    return (
      this.system.output.match(/could not be made durable|was not made durable|could not be committed/g)?.length ?? 0
    );
  }

  /** Of a live one. */
  pid(side: Side): number {
    return this.system[side]!.pid!;
  }

  folder(side: Side): string {
    return side === 'hub' ? this.system.hubData : this.system.agentData;
  }

  /** The databases in which a side keeps what it has acknowledged. */
  databases(side: Side): string[] {
    const names = side === 'hub' ? ['store.db', 'log.db'] : ['spool.db'];
    return names.map((name) => join(this.folder(side), name));
  }

  /** Lets all that was acknowledged reach the store, and strikes the balance. Sensors rest by then. */
  async settle(): Promise<Balance> {
    const drained = async () => {
      const { lanes, journal } = await this.status();
      const waiting = lanes.reduce((total, { items }) => total + items, 0);
      if (waiting === 0 && journal.lagRows === 0) return true;
      throw new Error(`${waiting} items and ${journal.lagRows} groups wait at the device`);
    };
    await eventually('an empty outbox', drained, SETTLE_MS);
    let books: Balance | undefined;
    // The hub has acknowledged, and its workers come after that.
    const complete = async () => {
      books = await this.#books();
      return faultsOf(books).length === 0 || undefined;
    };
    await eventually('every acknowledged reading in the store', complete, SETTLE_MS).catch(() => {});
    return books!;
  }

  /** One end and one beginning for each time that the oven got hot, told once each. @returns what is not so */
  async alertFaults(): Promise<string[]> {
    const wanted = this.#crossings;
    const told = () => {
      const distinct = this.#receiver.distinct();
      // What was over before anybody could be told is summed up: its begin and its end in one.
      const sums = distinct.flatMap(({ data }) => ('counts' in data ? [data as unknown as Summary] : []));
      const summedUp = sums.reduce((sum, { counts }) => sum + counts.resolved, 0);
      const alone = (type: string) => distinct.filter((each) => each.type === type).length;
      return ['alert.firing', 'alert.resolved'].map((type) => alone(type) + summedUp);
    };
    await eventually('all alerts told', () => told().every((count) => count >= wanted) || undefined, SETTLE_MS).catch(
      () => {},
    );
    const alerts = await this.system.weirJson<{ state: string }[]>('alert', 'list', '--limit', '500');
    const resolved = alerts.filter(({ state }) => state === 'resolved').length;
    const [firing, ended] = told();
    const faults: string[] = [];
    if (firing !== wanted || ended !== wanted)
      faults.push(`of ${wanted} alerts ${firing} were told to begin and ${ended} to end`);
    if (alerts.length !== wanted || resolved !== wanted)
      faults.push(`the hub has ${alerts.length} alerts of ${wanted}, ${resolved} of them resolved`);
    return faults;
  }

  async stop(): Promise<void> {
    await this.rest();
    this.#receiver.close();
    await this.system.stop();
  }

  async #books(): Promise<Balance> {
    const { lanes } = await this.status();
    return balance({
      acknowledged: new Map(this.sensors.map(({ name, acknowledged }) => [name, acknowledged])),
      stored: await this.#stored(),
      gaps: await this.#gaps(),
      told: await this.#toldDropped(),
      lanes: lanes.filter(({ lane }) => isOfReadings(lane)),
      derived: this.#derived,
    });
  }

  #stored(): Promise<Stored[]> {
    return this.#all<Stored>('/devices/gw1/readings', PAGE_READINGS);
  }

  async #gaps(): Promise<Gap[]> {
    const gaps = await this.#all<Gap>('/devices/gw1/gaps', PAGE_GAPS);
    return gaps.filter(({ lane }) => isOfReadings(lane));
  }

  async #toldDropped(): Promise<number> {
    const { summary } = await this.system.api<{ summary: { told: Record<string, Record<string, number>> } }>(
      '/devices/gw1/gaps?limit=1',
    );
    const lanes = Object.entries(summary.told).filter(([lane]) => isOfReadings(lane));
    return lanes.flatMap(([, reasons]) => Object.values(reasons)).reduce((total, count) => total + count, 0);
  }

  async #all<T>(path: string, limit: number): Promise<T[]> {
    const found: T[] = [];
    let after = '';
    do {
      const from = after === '' ? '' : `&after=${encodeURIComponent(after)}`;
      const page = await this.system.api<{ items: T[]; next?: string }>(`${path}?limit=${limit}${from}`);
      found.push(...page.items);
      after = page.next ?? '';
    } while (after !== '');
    return found;
  }
}

function isOfReadings(lane: string): boolean {
  return lane === 'live' || lane === 'backfill';
}

function functionFile(name: string): string {
  return fileURLToPath(new URL(`./functions/${name}.ts`, import.meta.url));
}
