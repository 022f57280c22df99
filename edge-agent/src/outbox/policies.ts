/** How much of each lane may wait, and what goes first when it is more. Pure. */
import type { Lane } from '@weir/protocols';

/**
 * `drop-oldest`: the oldest make room. `drop-newest`: what comes finds none. `downsample`: the oldest are thinned out,
 * more and more, before any of them is dropped.
 */
export const DROP_POLICIES = ['drop-oldest', 'drop-newest', 'downsample'] as const;
export type DropPolicy = (typeof DROP_POLICIES)[number];

export interface MetricPolicy {
  /** A name, with `*` for any characters and `?` for one. */
  metric: string;
  policy: DropPolicy;
  /** Of `downsample`: one reading of each series in so many ms is kept at first. */
  every?: number | undefined;
}

export interface LaneLimits {
  /** With what the rows cost. */
  bytesMax: number;
  /** Items: readings, alert transitions, reports. */
  rowsMax: number;
  /** ms */
  ageMax: number;
  policy: DropPolicy;
  /** Of readings; the first that fits counts, else the lane's own. */
  metrics: readonly MetricPolicy[];
}

export interface OutboxLimits {
  lanes: Record<Lane, LaneLimits>;
  /** Over it fresh readings enter the backfill lane. */
  liveBytesMax: number;
  downsample: {
    /** ms; doubled each time all of a lane was thinned out and it is full again … */
    every: number;
    /** … up to this. */
    everyMax: number;
  };
}

interface Found {
  policy: DropPolicy;
  every: number;
}

/** Names kept with what was found for them: a device has hundreds, a fault may bring forth any number. */
const NAMES_KEPT = 10_000;

/** What holds for the metrics of one lane. */
export class LanePolicies {
  readonly #rules: readonly { pattern: RegExp; found: Found }[];
  readonly #rest: Found;
  readonly #everyMax: number;
  readonly #known = new Map<string, Found>();
  /** How often the resolution is halved at most. */
  readonly levels: number;

  constructor({ policy, metrics }: LaneLimits, { every, everyMax }: OutboxLimits['downsample']) {
    this.#rules = metrics.map((rule) => ({
      pattern: patternOf(rule.metric),
      found: { policy: rule.policy, every: rule.every ?? every },
    }));
    this.#rest = { policy, every };
    this.#everyMax = everyMax;
    const shortest = Math.min(...this.#all.map((each) => (each.policy === 'downsample' ? each.every : everyMax)));
    this.levels = 1 + Math.max(0, Math.ceil(Math.log2(everyMax / shortest)));
  }

  /** Whether anything is thinned out. */
  get thins(): boolean {
    return this.#all.some(({ policy }) => policy === 'downsample');
  }

  /** Whether anything is to stay, once it is there. */
  get keepsOldest(): boolean {
    return this.#all.some(({ policy }) => policy === 'drop-newest');
  }

  /** Whether anything old may go. */
  get dropsOldest(): boolean {
    return this.#all.some(({ policy }) => policy !== 'drop-newest');
  }

  policyOf(metric: string): DropPolicy {
    return this.#find(metric).policy;
  }

  /** One reading of each series in so many ms is kept; undefined: all are. */
  intervalOf(metric: string, level: number): number | undefined {
    const { policy, every } = this.#find(metric);
    return policy === 'downsample' ? Math.max(every, Math.min(every * 2 ** level, this.#everyMax)) : undefined;
  }

  get #all(): Found[] {
    return [this.#rest, ...this.#rules.map(({ found }) => found)];
  }

  #find(metric: string): Found {
    const known = this.#known.get(metric);
    if (known !== undefined) return known;
    const found = this.#rules.find(({ pattern }) => pattern.test(metric))?.found ?? this.#rest;
    if (this.#known.size >= NAMES_KEPT) this.#known.clear();
    this.#known.set(metric, found);
    return found;
  }
}

function patternOf(glob: string): RegExp {
  const source = glob.replace(/[^*?]/g, (char) => char.replace(/[\\^$.|+()[\]{}/]/, '\\$&'));
  return new RegExp(`^${source.replace(/\*+/g, '.*').replaceAll('?', '.')}$`, 's');
}
