import { type AlertTransition, type Columns, isGatherer } from '@weir/protocols';
import { type Deployed, joinColumns, SeriesFilter } from '@weir/runtime';
import type { Feed } from '../../fleet/fleet.ts';
import type { PartContent } from './parts.ts';

export interface ForGatherer {
  gatherer: string;
  content: PartContent;
}

interface Target {
  gatherer: string;
  handlers: Feed['handlers'];
  inputs: SeriesFilter | undefined;
}

/**
 * The functions that gather what one device, or another gatherer, brings forth. Readings go to them as they came, and
 * those that functions emitted which declare their outputs; as between functions of one device.
 */
export class Feeds {
  readonly #isGatherer: boolean;
  readonly #targets: readonly Target[];
  readonly #declared: SeriesFilter | undefined;

  /** @param deployed what runs for the device itself */
  constructor(device: string, feeds: readonly Feed[], deployed: readonly Deployed[]) {
    this.#isGatherer = isGatherer(device);
    this.#targets = feeds.map(({ gatherer, handlers, inputs }) => {
      const takesReadings = handlers.includes('reading') || handlers.includes('readings');
      return { gatherer, handlers, inputs: takesReadings ? new SeriesFilter(inputs) : undefined };
    });
    if (feeds.length === 0) return;
    const outputs = deployed.flatMap(({ bundle }) => (bundle.kind === 'function' ? bundle.manifest.outputs : []));
    if (outputs.length > 0) this.#declared = new SeriesFilter(outputs);
  }

  /** Whether what comes from here goes to one of these. */
  reach(gatherers: ReadonlySet<string>): boolean {
    return this.#targets.some(({ gatherer }) => gatherers.has(gatherer));
  }

  /** Whether anything here hears of alerts. */
  get hearAlerts(): boolean {
    return this.#targets.some(({ handlers }) => handlers.includes('alert'));
  }

  /** @param raw readings of the device; of a gatherer there are none: what it gathered was handed on to it */
  readings(raw: Columns | undefined, emitted: Columns): ForGatherer[] {
    if (this.#targets.length === 0) return [];
    const declared = emitted.index.length > 0 ? this.#declared?.select(emitted) : undefined;
    const all = raw === undefined || declared === undefined ? [raw ?? declared] : joinColumns(raw, declared);
    return this.#targets.flatMap(({ gatherer, inputs }) =>
      all.flatMap((columns): ForGatherer[] => {
        const selected = columns && inputs?.select(columns);
        return selected === undefined ? [] : [{ gatherer, content: { kind: 'readings', columns: selected } }];
      }),
    );
  }

  presence(online: boolean): ForGatherer[] {
    return this.#isGatherer ? [] : this.#to(online ? 'online' : 'offline', { kind: 'presence', online });
  }

  /** What a gatherer raises goes to no other: of alerts about alerts there would be no end. */
  alerts(alerts: readonly AlertTransition[]): ForGatherer[] {
    const told = alerts.filter(({ state }) => state !== 'pending');
    return this.#isGatherer || told.length === 0 ? [] : this.#to('alert', { kind: 'alerts', alerts: told });
  }

  #to(handler: Target['handlers'][number], content: PartContent): ForGatherer[] {
    const takers = this.#targets.filter(({ handlers }) => handlers.includes(handler));
    return takers.map(({ gatherer }) => ({ gatherer, content }));
  }
}
