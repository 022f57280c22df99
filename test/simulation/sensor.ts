/** A sensor: sends what its plan says, remembers what was acknowledged, and never sends the same value twice. */
import type { SensorPublish, SimulatedBroker } from './broker.ts';
import { LEVEL } from './bundles.ts';
import type { Dice } from './dice.ts';
import type { Ledger, Sent, SentSeries } from './ledger.ts';
import type { SensorPlan } from './options.ts';
import type { Timeline } from './timeline.ts';

export interface SensorPorts {
  timeline: Timeline;
  dice: Dice;
  ledger: Ledger;
  /** Undefined while the agent is down. */
  broker(): SimulatedBroker | undefined;
}

/** Sent and not acknowledged: a sensor has little memory. */
const IN_FLIGHT_MAX = 8;
/** From a sample to its message. */
const SAMPLING_MS = 7;
/** Readings that a level stays at, on the average. */
const PHASE_READINGS = 4;

const METRICS: Record<SensorPlan['kind'], string> = {
  number: 'flow',
  stamped: 'temperature',
  many: 'vibration',
  level: 'level',
  pressure: 'pressure',
  bad: 'nonsense',
  careless: 'humidity',
};

export class Sensor {
  readonly #device: string;
  readonly #plan: SensorPlan;
  readonly #ports: SensorPorts;
  readonly #metric: string;
  readonly #series: SentSeries;
  #n = 0;
  #inFlight = 0;
  #broker: SimulatedBroker | undefined;
  #isStopping = false;
  /** Of sensors that pass a level: above it, and whether a reading of this phase was acknowledged. */
  #isHigh = false;
  #isKnown = true;

  constructor(device: string, plan: SensorPlan, ports: SensorPorts) {
    this.#device = device;
    this.#plan = plan;
    this.#ports = ports;
    this.#metric = METRICS[plan.kind];
    this.#series = ports.ledger.open({ device, sensor: plan.name, metric: this.#metric });
    if (this.#passesLevel) {
      ports.ledger.excursions.set(`${device}/${plan.name}`, { device, sensor: plan.name, begun: 0, ended: 0 });
    }
  }

  start(): void {
    this.#schedule();
  }

  /** Sends no more than it must to leave things as they should be: a level below. */
  stop(): void {
    this.#isStopping = true;
  }

  get isDone(): boolean {
    return this.#isStopping && !this.#isHigh && this.#isKnown && this.#inFlight === 0;
  }

  get #passesLevel(): boolean {
    return this.#plan.kind === 'level' || this.#plan.kind === 'pressure';
  }

  #schedule(): void {
    const { timeline, dice } = this.#ports;
    timeline.after(dice.exponential(this.#plan.intervalMs), () => {
      if (this.isDone) return;
      this.#send();
      this.#schedule();
    });
  }

  #send(): void {
    const broker = this.#ports.broker();
    if (broker !== this.#broker) {
      // Another connection: what was under way on the one before is never acknowledged.
      this.#broker = broker;
      this.#inFlight = 0;
    }
    if (broker === undefined || this.#inFlight >= IN_FLIGHT_MAX) return;
    if (this.#isStopping && !this.#passesLevel) return;
    if (this.#plan.kind === 'bad') {
      this.#sendNonsense(broker);
      return;
    }
    if (this.#passesLevel) this.#changePhase();
    const places = Array.from({ length: this.#plan.readings }, () => this.#next());
    const isHigh = this.#isHigh;
    this.#publish(broker, this.#payloadOf(places.map((place) => this.#series.at(place))), () => {
      for (const place of places) this.#series.acknowledge(place, this.#ports.timeline.now);
      if (this.#passesLevel && isHigh === this.#isHigh) this.#know();
    });
  }

  /** Once something of the phase before is certain: then it has happened, exactly once. */
  #changePhase(): void {
    if (!this.#isKnown || (!this.#isHigh && this.#isStopping)) return;
    if (!this.#isStopping && !this.#ports.dice.chance(1 / PHASE_READINGS)) return;
    this.#isHigh = !this.#isHigh;
    this.#isKnown = false;
  }

  #know(): void {
    if (this.#isKnown) return;
    this.#isKnown = true;
    const excursions = this.#ports.ledger.excursions.get(`${this.#device}/${this.#plan.name}`)!;
    if (this.#isHigh) excursions.begun++;
    else excursions.ended++;
  }

  /** @returns the place of a reading in the ledger */
  #next(): number {
    const { now } = this.#ports.timeline;
    const n = ++this.#n;
    const isStamped = this.#plan.kind === 'stamped' || this.#plan.kind === 'many';
    return this.#series.send({
      value: this.#isHigh ? LEVEL + n : n,
      ts: isStamped ? Math.floor(now) - SAMPLING_MS : undefined,
      at: now,
    });
  }

  #payloadOf(readings: readonly Sent[]): Uint8Array {
    const [first] = readings;
    if (this.#plan.kind === 'many') return text(readings.map(({ value, ts }) => ({ value, ts })));
    return first!.ts === undefined ? text(first!.value) : text({ value: first!.value, ts: first!.ts });
  }

  #sendNonsense(broker: SimulatedBroker): void {
    const { dice, ledger } = this.#ports;
    const bad = ledger.badOf(this.#device);
    bad.sent++;
    const payload = dice.pick([
      '',
      '{"value":',
      '[[[[[[[[[[[[1]]]]]]]]]]]]',
      '{"value":1,"ts":"yesterday"}',
      '\xff\xfe',
    ]);
    this.#publish(broker, new TextEncoder().encode(payload), () => {
      bad.acknowledged++;
    });
  }

  #publish(broker: SimulatedBroker, payload: Uint8Array, onAcknowledged: () => void): void {
    const message: SensorPublish = { topic: `plant/${this.#plan.name}/${this.#metric}`, payload };
    if (this.#plan.kind !== 'careless') {
      this.#inFlight++;
      const over = () => {
        if (broker === this.#broker) this.#inFlight--;
      };
      message.onAcknowledged = () => {
        over();
        onAcknowledged();
      };
      message.onRefused = over;
    }
    broker.receive(message);
  }
}

function text(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
