/**
 * How devices are: what the hub knows of them by their connections, and what they say of themselves, put together.
 *
 *     record, presence -+
 *     connection -------+-> state, last seen, version, problems
 *     shadow `weir` ----+
 *
 * Nothing of it is kept: it is put together when somebody asks.
 */
import { type Selector, selects, WEIR_SHADOW } from '@weir/protocols';
import { cloudReported } from '../fleet/cloud-folds.ts';
import { devicePage } from '../fleet/device-page.ts';
import type { DeviceRecord, PageOf, PageOptions } from '../fleet/fleet.ts';
import type { Connections } from '../front/front.ts';
import { readShadow } from '../shadow/kept.ts';
import type { Store } from '../store/store.ts';
import { VERSION } from '../version.ts';
import { type Problem, type ProblemCode, problemsOf } from './problems.ts';
import { type Reported, reportedOf } from './reported.ts';
import { type DeviceState, type HubLife, stateOf } from './state.ts';

export interface Condition {
  state: DeviceState;
  /** Since when it is in it, ms since epoch. */
  stateSince: number;
  /** When something came from it last; absent: never. */
  lastSeenAt?: number;
  /** Of its agent. */
  version?: string;
  problems: Problem[];
  /** What it said of itself last. */
  health?: Reported['health'];
}

export interface Filter {
  group?: string;
  selector?: Selector;
  state?: DeviceState;
  /** Something that runs on it, or for it, failed. */
  failing?: boolean;
  /** It has any of its problems; or none. */
  ailing?: boolean;
  problem?: ProblemCode;
  version?: string;
}

export type DeviceCondition = DeviceRecord & Condition;

export interface Conditions {
  /** Whether it is there, and since when it is so. */
  state(record: DeviceRecord): { state: DeviceState; since: number };
  of(record: DeviceRecord): Promise<Condition>;
  /** In order of id. A page may have fewer than its limit, even none, and yet have a next. */
  list(filter: Filter, page: PageOptions & { limit: number }): Promise<PageOf<DeviceCondition>>;
}

export interface ConditionPorts {
  store: Store;
  connections: Pick<Connections, 'get'>;
  /** As long as it has not begun to listen nobody had a chance to come back. */
  life: () => HubLife;
  now: () => number;
}

/** Looked at for one page at most: each is four looks into the store. */
const LOOKED_AT_MAX = 1_000;

export function createConditions(ports: ConditionPorts): Conditions {
  return new StoredConditions(ports);
}

class StoredConditions implements Conditions {
  readonly #ports: ConditionPorts;

  constructor(ports: ConditionPorts) {
    this.#ports = ports;
  }

  state(record: DeviceRecord): { state: DeviceState; since: number } {
    const { life, now } = this.#ports;
    return stateOf(record, life(), now());
  }

  async of(record: DeviceRecord): Promise<Condition> {
    const { store, connections, life, now: clock } = this.#ports;
    const [{ kept }, cloud] = await Promise.all([
      readShadow(store, record.id, WEIR_SHADOW),
      cloudReported(store, record.id),
    ]);
    const now = clock();
    const { state, since } = stateOf(record, life(), now);
    const { heardAt, connected, flapping } = connections.get(record.id) ?? {};
    const lastSeenAt = Math.max(record.lastSeenAt ?? 0, connected ? heardAt! : 0);
    const reported = reportedOf((kept as { state?: { reported?: unknown } } | undefined)?.state?.reported);
    const { version } = reported.agent ?? {};
    const problems = problemsOf({ record, state, reported, cloud, flapping, newestVersion: VERSION }, now);
    return {
      ...{ state, stateSince: since, problems },
      ...(lastSeenAt > 0 && { lastSeenAt }),
      ...(version !== undefined && { version }),
      ...(Object.keys(reported.health).length > 0 && { health: reported.health }),
    };
  }

  async list(filter: Filter, page: PageOptions & { limit: number }): Promise<PageOf<DeviceCondition>> {
    const items: DeviceCondition[] = [];
    let after = page.after;
    for (let lookedAt = 0; ; ) {
      // No more than can be given: each that is left out would have to be looked at again.
      const limit = page.limit - items.length;
      const found = await devicePage(this.#ports.store, { group: filter.group, limit, ...(after && { after }) });
      const records = found.items.filter((record) => this.#mayPass(record, filter));
      const devices = await Promise.all(records.map(async (record) => ({ ...record, ...(await this.of(record)) })));
      items.push(...devices.filter((device) => passes(device, filter)));
      lookedAt += found.items.length;
      if (found.next === undefined) return { items };
      after = found.next;
      if (items.length >= page.limit || lookedAt >= LOOKED_AT_MAX) return { items, next: after };
    }
  }

  /** What can be told by the record alone spares the looks for the rest. */
  #mayPass(record: DeviceRecord, { selector, state }: Filter): boolean {
    const { life, now } = this.#ports;
    if (selector !== undefined && !selects(selector, record.tags)) return false;
    return state === undefined || stateOf(record, life(), now()).state === state;
  }
}

function passes({ problems, version }: DeviceCondition, filter: Filter): boolean {
  const has = (code: ProblemCode) => problems.some((problem) => problem.code === code);
  if (filter.version !== undefined && filter.version !== version) return false;
  if (filter.problem !== undefined && !has(filter.problem)) return false;
  if (filter.ailing !== undefined && filter.ailing !== problems.length > 0) return false;
  return filter.failing === undefined || filter.failing === has('deployment-failed');
}
