/**
 * Which topic carries whose readings.
 *
 *     plant/{sensor}/{metric}     plant/oven1/temperature -> sensor oven1, metric temperature
 *     plant/{sensor}              plant/oven1             -> sensor oven1, the payload names the metrics
 */
import { isName, topicMatches } from '@weir/protocols';

export type Route =
  | { kind: 'reading'; sensor: string; metric: string | undefined }
  /** For local subscribers only. */
  | { kind: 'passthrough' }
  | { kind: 'refused'; reason: 'unknown-topic' | 'invalid-name' | 'reserved-topic' };

const PLACEHOLDER = /^\{(sensor|metric)\}$/;

/** True for a topic that has `{sensor}` once, `{metric}` at most once, each as a whole level, and no wildcard. */
export function isTopicPattern(pattern: string): boolean {
  const levels = pattern.split('/');
  const placeholders = levels.map((level) => PLACEHOLDER.exec(level)?.[1]).filter((name) => name !== undefined);
  const plain = levels.filter((level) => !PLACEHOLDER.test(level));
  return (
    placeholders.includes('sensor') &&
    new Set(placeholders).size === placeholders.length &&
    plain.every((level) => level !== '' && !/[{}#+]/.test(level)) &&
    !pattern.startsWith('$')
  );
}

interface CompiledPattern {
  levels: string[];
  sensorAt: number;
  metricAt: number;
}

/** Topics seen most recently; a gateway has hundreds, an attacker as many as it likes. */
const CACHE_MAX = 10_000;

export class TopicMap {
  #patterns: CompiledPattern[];
  #passthrough: readonly string[];
  #cache = new Map<string, Route>();

  constructor(patterns: readonly string[], passthrough: readonly string[]) {
    this.#patterns = patterns.map(compile);
    this.#passthrough = passthrough;
  }

  /** The same object for the same topic, as long as it is cached. */
  route(topic: string): Route {
    const known = this.#cache.get(topic);
    if (known !== undefined) return known;
    const route = this.#resolve(topic);
    // Starting anew is cheaper than an order of use, and happens only to those who invent topics.
    if (this.#cache.size >= CACHE_MAX) this.#cache.clear();
    this.#cache.set(topic, route);
    return route;
  }

  #resolve(topic: string): Route {
    if (topic.startsWith('$')) return { kind: 'refused', reason: 'reserved-topic' };
    if (this.#passthrough.some((filter) => topicMatches(filter, topic))) return { kind: 'passthrough' };
    const levels = topic.split('/');
    const pattern = this.#patterns.find((candidate) => fits(candidate, levels));
    if (pattern === undefined) return { kind: 'refused', reason: 'unknown-topic' };
    const sensor = levels[pattern.sensorAt]!;
    const metric = pattern.metricAt < 0 ? undefined : levels[pattern.metricAt]!;
    if (!isName(sensor) || (metric !== undefined && !isName(metric)))
      return { kind: 'refused', reason: 'invalid-name' };
    return { kind: 'reading', sensor, metric };
  }
}

function compile(pattern: string): CompiledPattern {
  const levels = pattern.split('/');
  return { levels, sensorAt: levels.indexOf('{sensor}'), metricAt: levels.indexOf('{metric}') };
}

function fits({ levels, sensorAt, metricAt }: CompiledPattern, topic: readonly string[]): boolean {
  if (levels.length !== topic.length) return false;
  return levels.every((level, at) => at === sensorAt || at === metricAt || level === topic[at]);
}
