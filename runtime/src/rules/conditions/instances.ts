import type { Condition, Json } from '@weir/protocols';
import type { TimeMove } from '../../fold/move-time.ts';
import { DueTimes } from '../due-times.ts';
import { byDevice, partByDevice, readByDevice } from './by-device.ts';
import type { Judgement, Sample } from './condition.ts';
import type { Node, Scope, SeriesName, Turn } from './node.ts';
import { isOpen, matches, type Pattern, patternOf, type Subject, signalsOf } from './signals.ts';
import { SERIES_MAX } from './watch.ts';

/**
 * One condition many times over: for each device of a group, else for each series, or for each sensor where it looks at
 * more than one of its metrics. Readings of a sensor that the condition names, e.g. of the outside air, are for all of
 * them. What has not changed since it was judged is not judged again.
 */
export class Instances {
  #keyed: 'device' | 'sensor' | 'series';
  #scope: Scope;
  #make: (scope: Scope, state: Json | undefined) => Node;
  /** Readings that belong to one of them, and those that are for all. */
  #own: Pattern[];
  #shared: Pattern[];
  #nodes = new Map<string, Node>();
  #judged = new Map<string, Judgement>();
  #dirty = new Set<string>();
  #due = new DueTimes<string>();
  #lastShared = new Map<string, Sample>();
  /** Devices that are away: of these nobody knows. */
  #away = new Set<string>();
  /** How many are true, false and unknown. */
  #counts = { holding: 0, failing: 0, unknown: 0 };

  constructor(
    condition: Condition,
    scope: Scope,
    state: Json | undefined,
    make: (scope: Scope, state: Json | undefined) => Node,
  ) {
    this.#scope = scope;
    this.#make = make;
    const patterns = patternsOf(condition, scope.subject);
    this.#keyed = scope.isGroup ? 'device' : patterns.length === 1 ? 'series' : 'sensor';
    const open = patterns.filter(({ sensor }) => isOpen(sensor));
    this.#own = this.#keyed === 'device' || open.length === 0 ? patterns : open;
    this.#shared = patterns.filter((each) => !this.#own.includes(each));
    const none = { nodes: [], shared: [] };
    const isOwn = typeof state === 'object' && state !== null && 'nodes' in state;
    const saved = (isOwn ? state : none) as unknown as { nodes: Json; shared: Sample[] };
    for (const sample of saved.shared) this.#lastShared.set(keyOf('series', sample), sample);
    const members = readByDevice(saved.nodes);
    for (const [key, [node, away]] of (members ?? []) as [string, MemberState][]) {
      if (away === 1) this.#away.add(key);
      this.#add(key, this.#make(this.#scopeOf(key), node));
    }
    if (members !== undefined) return;
    for (const [key, node] of saved.nodes as [string, Json][]) this.#add(key, this.#make(this.#scopeOf(key), node));
  }

  takes(series: SeriesName): boolean {
    return this.#isOwn(series) || this.#isShared(series);
  }

  take(sample: Sample): boolean {
    let isFresh = false;
    if (this.#isOwn(sample)) {
      const key = keyOf(this.#keyed, sample);
      const node = this.#nodes.get(key) ?? this.#begin(key);
      if (node?.take(sample)) {
        this.#dirty.add(key);
        isFresh = true;
      }
    }
    if (!this.#isShared(sample)) return isFresh;
    const series = keyOf('series', sample);
    if (this.#lastShared.size < SHARED_MAX || this.#lastShared.has(series)) this.#lastShared.set(series, sample);
    for (const [key, node] of this.#nodes) {
      if (!node.take(sample)) continue;
      this.#dirty.add(key);
      isFresh = true;
    }
    return isFresh;
  }

  /** Brings up to date what may have changed. */
  judge(now: number): void {
    for (const key of this.#due.take(now)) this.#dirty.add(key);
    for (const key of this.#dirty) {
      const before = this.#judged.get(key);
      if (before !== undefined) this.#counts[kindOf(before)]--;
      const judged: Judgement = this.#away.has(key)
        ? { verdict: undefined, causes: [] }
        : this.#nodes.get(key)!.judge(now);
      this.#counts[kindOf(judged)]++;
      this.#judged.set(key, judged);
      this.#due.set(key, judged.dueAt);
    }
    this.#dirty.clear();
  }

  get counts(): { readonly holding: number; readonly failing: number; readonly unknown: number } {
    return this.#counts;
  }

  get judgements(): Iterable<Judgement> {
    return this.#judged.values();
  }

  get dueAt(): number | undefined {
    return this.#due.next;
  }

  get state(): Json {
    const shared = [...this.#lastShared.values()] as unknown as Json;
    if (this.#keyed === 'device')
      return { nodes: byDevice([...this.#nodes.keys()].map((key) => [key, this.#memberOf(key)])), shared };
    return { nodes: [...this.#nodes].map(([key, node]) => [key, node.state]), shared };
  }

  /** As with a node. */
  partOf(device: string | undefined): Json {
    const nodes = partByDevice(device, (key) => (this.#nodes.has(key) ? this.#memberOf(key) : undefined));
    return device === undefined ? { nodes, shared: [] } : { nodes };
  }

  turn(device: string, turn: Turn): void {
    if (turn.is === 'away') this.#away.add(device);
    else this.#away.delete(device);
    const node = this.#nodes.get(device);
    if (node === undefined) return;
    if (turn.is === 'gone') this.#drop(device);
    else {
      node.turn(device, turn);
      this.#dirty.add(device);
    }
  }

  moveTime(move: TimeMove): void {
    for (const [key, node] of this.#nodes) {
      node.moveTime(move);
      this.#dirty.add(key);
    }
  }

  rearm(at: number): void {
    for (const [key, node] of this.#nodes) {
      node.rearm(at);
      this.#dirty.add(key);
    }
  }

  #isOwn(series: SeriesName): boolean {
    return this.#own.some((pattern) => matches(pattern, series));
  }

  #isShared(series: SeriesName): boolean {
    return this.#shared.some((pattern) => matches(pattern, series));
  }

  #begin(key: string): Node | undefined {
    if (this.#nodes.size >= SERIES_MAX) return undefined;
    const node = this.#make(this.#scopeOf(key), undefined);
    for (const sample of this.#lastShared.values()) node.take(sample);
    this.#add(key, node);
    return node;
  }

  #memberOf(key: string): Json {
    const { state } = this.#nodes.get(key)!;
    return this.#away.has(key) ? [state, 1] : [state];
  }

  #drop(key: string): void {
    const judged = this.#judged.get(key);
    if (judged !== undefined) this.#counts[kindOf(judged)]--;
    this.#nodes.delete(key);
    this.#judged.delete(key);
    this.#dirty.delete(key);
    this.#due.delete(key);
  }

  #add(key: string, node: Node): void {
    this.#nodes.set(key, node);
    this.#dirty.add(key);
  }

  #scopeOf(key: string): Scope {
    return { ...this.#scope, isGroup: false, subject: { ...this.#scope.subject, ...namesOf(this.#keyed, key) } };
  }
}

type MemberState = [node: Json, away?: 1];

function patternsOf(condition: Condition, subject: Subject): Pattern[] {
  const patterns = new Map<string, Pattern>();
  for (const { signal } of signalsOf(condition)) {
    const pattern = patternOf(signal, subject);
    patterns.set(`${pattern.sensor}/${pattern.metric}`, pattern);
  }
  return [...patterns.values()];
}

/** Names have no stroke in them. */
function keyOf(keyed: 'device' | 'sensor' | 'series', { device, sensor, metric }: SeriesName): string {
  if (keyed === 'device') return device;
  return keyed === 'sensor' ? sensor : `${sensor}/${metric}`;
}

function namesOf(keyed: 'device' | 'sensor' | 'series', key: string): Subject {
  if (keyed === 'device') return { device: key };
  if (keyed === 'sensor') return { sensor: key };
  const [sensor, metric] = key.split('/') as [string, string];
  return { sensor, metric };
}

function kindOf({ verdict }: Judgement): 'holding' | 'failing' | 'unknown' {
  if (verdict === undefined) return 'unknown';
  return verdict ? 'holding' : 'failing';
}

/** Series of sensors that a condition names; a condition names fewer. */
const SHARED_MAX = 16;
