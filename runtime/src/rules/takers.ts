import type { SubjectFold } from './episode/subject.ts';
import type { Routes, SeriesName } from './routes.ts';

/** Who takes the readings of a series. */
export interface Taker {
  subject: SubjectFold | undefined;
  isShared: boolean;
}

/** Takers by the names of their series, as they come: nothing is put together to look one up. */
export class Takers {
  readonly routes: Routes;
  #known = new Map<string, Map<string, Map<string, Taker>>>();
  #count = 0;

  constructor(routes: Routes) {
    this.routes = routes;
  }

  /** @param subjectOf whose own it is; undefined: there is no room for it, but there may be later */
  of({ device, sensor, metric }: SeriesName, subjectOf: () => SubjectFold | undefined): Taker {
    const known = this.#known.get(device)?.get(sensor)?.get(metric);
    if (known !== undefined) return known;
    const { isOwn, isShared } = this.routes.of({ device, sensor, metric });
    const taker = { subject: isOwn ? subjectOf() : undefined, isShared };
    if (isOwn && taker.subject === undefined) return taker;
    if (this.#count++ >= KNOWN_MAX) this.clear();
    inner(inner(this.#known, device), sensor).set(metric, taker);
    return taker;
  }

  /** To be called when subjects have gone. */
  clear(): void {
    this.#known.clear();
    this.#count = 0;
  }
}

function inner<Value>(map: Map<string, Map<string, Value>>, key: string): Map<string, Value> {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = new Map<string, Value>();
  map.set(key, made);
  return made;
}

/** Names come from outside; a rule with as many subjects as it can have still knows all their series. */
const KNOWN_MAX = 20_000;
