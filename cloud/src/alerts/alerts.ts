/**
 * Alerts as operators see them: episodes with what is known of their devices.
 *
 * What a device that is away has open is shown as it was heard of last: nobody knows how it stands now.
 */
import { isGatherer } from '@weir/protocols';
import type { Conditions } from '../condition/condition.ts';
import type { DeviceRecord, Fleet, PageOf } from '../fleet/fleet.ts';
import { alertLabels, type DeviceFacts } from '../notify/labels.ts';
import { type Matcher, matches } from '../notify/plan/matchers.ts';
import { type ActionPorts, actOn, type Outcome, resolveEpisode } from './actions.ts';
import { type Durations, durationsOf } from './durations.ts';
import { type Episode, type EpisodeSummary, isActive, type OperatorEntry } from './episode.ts';
import { getEpisode } from './episodes.ts';
import { type EpisodeFilter, isWanted, listEpisodes } from './listing.ts';

export interface AlertFilter extends Omit<EpisodeFilter, 'passes'> {
  group?: string;
  matchers?: readonly Matcher[];
}

/** What is known beside the episode itself. */
export interface Seen extends Durations {
  /** Its device is away: this is how it stood when it was heard of last. */
  asOf?: number;
}

export interface Alerts {
  /** Those that began last come first. A page may have fewer than its limit, even none, and yet have a next. */
  list(filter: AlertFilter, page: { limit: number; after?: string }): Promise<PageOf<EpisodeSummary & Seen>>;
  /** All of them, read page by page as they are asked for. */
  all(filter: AlertFilter): AsyncGenerator<Episode & Seen>;
  /** @param id or a begin of it that no other has. @throws {UsageError} `alert-unknown`, `alert-ambiguous` */
  get(id: string): Promise<Episode & Seen>;
  /** Whether one is among those that the filter takes. */
  isAmong(summary: EpisodeSummary, filter: AlertFilter): Promise<boolean>;
  /** @throws {UsageError} `alert-unknown`, `alert-ambiguous`, before anything is done */
  act(ids: readonly string[], action: Omit<OperatorEntry, 'at'>): Promise<Outcome[]>;
}

export interface AlertsPorts extends ActionPorts {
  fleet: Pick<Fleet, 'device'>;
  conditions: Pick<Conditions, 'state'>;
}

/** Read at a time of what is wanted whole. */
const PAGE = 200;

export function createAlerts(ports: AlertsPorts): Alerts {
  return {
    async list(filter, page) {
      const devices = new Devices(ports);
      const { items, next } = await listEpisodes(ports.store, { ...asStored(filter, devices), ...page });
      const shown = await Promise.all(items.map((each) => devices.seen(each)));
      return next === undefined ? { items: shown } : { items: shown, next };
    },
    async *all(filter) {
      let after: string | undefined;
      do {
        // Devices are looked up anew for each page: there may be more than memory should hold.
        const devices = new Devices(ports);
        const query = { ...asStored(filter, devices), limit: PAGE, ...(after !== undefined && { after }) };
        const page = await listEpisodes(ports.store, query);
        for (const { episode } of page.items) {
          const found = await getEpisode(ports.store, episode);
          if (found !== undefined) yield devices.seen(found);
        }
        after = page.next;
      } while (after !== undefined);
    },
    async get(id) {
      const episode = await getEpisode(ports.store, await resolveEpisode(ports.store, id));
      // It can be forgotten between the two looks.
      return episode === undefined ? this.get(id) : new Devices(ports).seen(episode);
    },
    isAmong: (summary, filter) => isWanted(summary, asStored(filter, new Devices(ports))),
    act: (ids, action) => actOn(ports, ids, action),
  };
}

function asStored({ group, matchers, ...filter }: AlertFilter, devices: Devices): EpisodeFilter {
  if (group === undefined && matchers === undefined) return filter;
  return {
    ...filter,
    async passes(summary) {
      const facts = await devices.facts(summary.device);
      if (group !== undefined && facts?.groups.includes(group) !== true) return false;
      return matchers === undefined || matches(matchers, alertLabels(summary, summary.origin, facts));
    },
  };
}

/** Each looked up once. */
class Devices {
  readonly #ports: AlertsPorts;
  readonly #known = new Map<string, Promise<DeviceRecord | undefined>>();

  constructor(ports: AlertsPorts) {
    this.#ports = ports;
  }

  /** What gathers stands for its group. */
  async facts(device: string): Promise<DeviceFacts | undefined> {
    if (isGatherer(device)) return { groups: [device.slice(0, device.indexOf('/'))], tags: {} };
    return this.#record(device);
  }

  async seen<T extends EpisodeSummary>(episode: T): Promise<T & Seen> {
    return { ...episode, ...durationsOf(episode, this.#ports.now()), ...(await this.#heard(episode)) };
  }

  async #heard(episode: EpisodeSummary): Promise<Pick<Seen, 'asOf'>> {
    if (episode.origin !== 'edge' || !isActive(episode)) return {};
    const record = await this.#record(episode.device);
    if (record === undefined) return {};
    const { state, since } = this.#ports.conditions.state(record);
    return state === 'connected' ? {} : { asOf: record.lastSeenAt ?? since };
  }

  #record(device: string): Promise<DeviceRecord | undefined> {
    const known = this.#known.get(device) ?? this.#ports.fleet.device(device);
    this.#known.set(device, known);
    return known;
  }
}
