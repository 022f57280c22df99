import type { Json, Value } from '@weir/protocols';
import type { Gauge } from './gauge.ts';

export class LastGauge implements Gauge {
  #value: Value | undefined;

  constructor(state: Json | undefined) {
    this.#value = (state ?? undefined) as Value | undefined;
  }

  add(_ts: number, value: Value | undefined): void {
    this.#value = value;
  }

  valueAt(): Value | undefined {
    return this.#value;
  }

  dueAt(): undefined {}

  get state(): Json {
    return this.#value ?? null;
  }

  moveTime(): void {}
}
