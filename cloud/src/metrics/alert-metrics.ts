/**
 * What becomes of alerts, counted as it happens. Those that are active are kept by name, so that nobody has to count a hundred thousand
 * for each scrape: read once from the store, and kept up to date by what is told of them.
 */
import { type EpisodeSummary, isActive } from '../alerts/episode.ts';
import { INDEX_TABLE, statePartitions, summaryIn } from '../alerts/index-keys.ts';
import { ACTIVE_STATES } from '../alerts/listing.ts';
import type { HubEvent, HubEvents } from '../api/events.ts';
import { itemsOf } from '../fleet/keys.ts';
import type { Store } from '../store/store.ts';
import type { Metric, Sample } from './metric.ts';
import { Tally } from './tally.ts';

/** Of further ones the active alerts are counted together as `*`: each rule is a series for ever. */
const RULES_MAX = 200;

export function alertMetrics(events: Pick<HubEvents, 'on'>, store: Pick<Store, 'query'>) {
  const active = new ActiveAlerts(store);
  const transitions = new Tally(
    'weir_alert_transitions_total',
    'Alert transitions recorded, by what they are, why they happened and where they were raised.',
    ['state', 'reason', 'severity', 'origin'],
  );
  const arrivals = new Tally(
    'weir_alert_arrivals_total',
    'Alert transitions recorded, by how long after they happened the hub had them: within 1s, 10s, 1m, 10m, 1h, or more.',
    ['origin', 'within'],
  );
  const acknowledgements = new Tally(
    'weir_alert_acknowledgements_total',
    'Alerts acknowledged, by how long after the hub had heard of them: within 1m, 5m, 15m, 1h, 8h, or more.',
    ['severity', 'within'],
  );
  const outcomes = new Tally(
    'weir_alert_episodes_total',
    'Alert episodes that are over, by the reason of their end; historical: over before anybody looked; dry-run: of a rule on trial.',
    ['outcome'],
  );
  const close = events.on((event) => {
    if (event.type !== 'transition' && event.type !== 'operator') return;
    active.take(event.episode);
    const outcome = outcomeOf(event);
    if (outcome !== undefined) outcomes.add({ outcome });
    if (event.type === 'transition') {
      const { state, reason, severity, ts } = event.transition;
      const { origin } = event;
      transitions.add({ state, reason, severity, origin });
      arrivals.add({ origin, within: within(ARRIVALS, event.at - ts) });
    } else if (event.entry.what === 'ack') {
      const { severity, recordedAt } = event.episode;
      acknowledgements.add({ severity, within: within(ACKNOWLEDGEMENTS, event.at - recordedAt) });
    }
  });
  return { metrics: [active, transitions, arrivals, acknowledgements, outcomes] satisfies Metric[], close };
}

const ARRIVALS = { '1s': 1_000, '10s': 10_000, '1m': 60_000, '10m': 600_000, '1h': 3_600_000 };
const ACKNOWLEDGEMENTS = { '1m': 60_000, '5m': 300_000, '15m': 900_000, '1h': 3_600_000, '8h': 28_800_000 };

function within(steps: Readonly<Record<string, number>>, ms: number): string {
  return Object.entries(steps).find(([, most]) => ms <= most)?.[0] ?? 'more';
}

/** Of what ended an episode; undefined: it did not. */
function outcomeOf(event: HubEvent & { type: 'transition' | 'operator' }): string | undefined {
  const { state, reason, historical, dryRun, endedManually } = event.episode;
  if (state !== 'resolved') return undefined;
  if (event.type === 'operator') {
    const { what } = event.entry;
    return what === 'end' || (what === 'ack' && reason === 'acknowledged') ? reason : undefined;
  }
  // What its device says later of one that was ended by hand ends it no second time.
  if (event.transition.state !== 'resolved' || endedManually !== undefined) return undefined;
  if (dryRun) return 'dry-run';
  return historical ? 'historical' : reason;
}

class ActiveAlerts implements Metric {
  readonly name = 'weir_alerts_active';
  readonly type = 'gauge';
  readonly help = 'Alerts that are active, without dry runs; after 200 rules further ones are counted together as *.';
  readonly labels = ['severity', 'rule'];
  readonly #store: Pick<Store, 'query'>;
  readonly #active = new Map<string, { severity: string; rule: string }>();
  readonly #rules = new Set<string>();
  /** Heard of before all was read: what is read of them is older. */
  readonly #heard = new Set<string>();
  #isRead = false;
  #reading: Promise<void> | undefined;

  constructor(store: Pick<Store, 'query'>) {
    this.#store = store;
  }

  take(summary: EpisodeSummary): void {
    if (!this.#isRead) this.#heard.add(summary.episode);
    if (isActive(summary) && summary.dryRun !== true) this.#add(summary);
    else this.#active.delete(summary.episode);
  }

  /** Taken from the object by whoever collects. */
  read = async (): Promise<Sample[]> => {
    this.#reading ??= this.#readAll().finally(() => {
      if (!this.#isRead) this.#reading = undefined;
    });
    await this.#reading;
    const counts = new Map<string, [number, { severity: string; rule: string }]>();
    for (const labels of this.#active.values()) {
      const key = `${labels.severity}/${labels.rule}`;
      counts.set(key, [(counts.get(key)?.[0] ?? 0) + 1, labels]);
    }
    return [...counts.values()];
  };

  async #readAll(): Promise<void> {
    for (const partition of statePartitions(ACTIVE_STATES)) {
      for await (const item of itemsOf(this.#store, { table: INDEX_TABLE, partition })) {
        const summary = summaryIn(item);
        if (!this.#heard.has(summary.episode)) this.#add(summary);
      }
    }
    this.#isRead = true;
    this.#heard.clear();
  }

  #add({ episode, severity, source }: EpisodeSummary): void {
    if (this.#rules.size < RULES_MAX) this.#rules.add(source.name);
    this.#active.set(episode, { severity, rule: this.#rules.has(source.name) ? source.name : '*' });
  }
}
