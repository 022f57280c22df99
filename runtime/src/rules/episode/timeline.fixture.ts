/**
 * Timelines as text, for tests of what becomes of episodes:
 *
 *     0s     o1 81                    a reading of sensor o1 (metric temperature, or `o1/pressure 3`), at its own time
 *     1s     o1 81!bad, o2 70         with a quality; several
 *     90s    o1 81 @60s               one that comes late
 *     2m     tick | restart | offline | online | end      `end`: a person ends the episode told last
 *     2m     gw2>o1 81                of another device, where a rule is over a group
 *     2m     offline gw2 | online gw2 | gone gw2 | unheard      the same of these; `unheard`: nobody knows whether any is there
 *     3m     o1 60   -> resolved cleared @3m since 0s     what is told since the line before: words that must be there
 *
 * Between lines the clock ticks. A line without an arrow tells nothing.
 */
import {
  type AlertTransition,
  columnsOf,
  type JsonObject,
  parseDuration,
  type Reading,
  type RuleInput,
  rulePlan,
  ruleSchema,
} from '@weir/protocols';
import { expect } from 'vitest';
import type { Publish, Standing } from '../../fold/fold.ts';
import { RuleFold } from '../rule-fold.ts';
import type { OnStep, RuleOutput } from './teller.ts';

export const T0 = 1_700_000_000_000;
const TICKS_MAX = 20_000;

export interface TimelineOptions {
  config?: JsonObject;
  /** A restart after every line. */
  restarts?: boolean;
  onStep?: OnStep;
  device?: string;
}

export class Timeline {
  readonly alerts: AlertTransition[] = [];
  readonly publishes: Publish[] = [];
  readonly logs: string[] = [];
  /** What a commit of each step wrote, by key. */
  readonly writes: string[][] = [];
  readonly states = new Map<string, string>();
  readonly #options: TimelineOptions;
  #input: Partial<RuleInput>;
  #fold: RuleFold;
  now = T0;

  constructor(input: Partial<RuleInput>, options: TimelineOptions = {}) {
    this.#input = input;
    this.#options = options;
    this.#fold = this.#start();
  }

  get fold(): RuleFold {
    return this.#fold;
  }

  /** Goes on by these lines, and checks what is told. */
  run(text: string): this {
    for (const line of text.split('\n').map((each) => each.trim())) {
      if (line === '') continue;
      const [happens = '', wanted] = line.split('->').map((each) => each.trim());
      const at = happens.indexOf(' ');
      const before = this.alerts.length;
      this.runTo(T0 + msOf(happens.slice(0, at)));
      this.#happens(happens.slice(at).trim());
      if (this.#options.restarts) this.restart();
      const told = this.alerts.slice(before).map(wordsOf);
      const expected = wanted === undefined ? [] : wanted.split(';').map((each) => each.trim());
      expect(told.length, `${line}\n  told: ${told.join('; ')}`).toBe(expected.length);
      for (const [at, words] of expected.entries()) {
        const missing = words.split(' ').filter((word) => !told[at]!.split(' ').includes(word));
        expect(missing, `${line}\n  told: ${told[at]}`).toEqual([]);
      }
    }
    return this;
  }

  /** The clock ticks until then. */
  runTo(at: number): void {
    const step = Math.max(1_000, Math.ceil((at - this.now) / TICKS_MAX / 1_000) * 1_000);
    while (this.now + step <= at) {
      this.now += step;
      this.tick();
    }
    this.now = Math.max(this.now, at);
  }

  tick(): void {
    this.#do((out) => this.#fold.tick(this.now, out));
  }

  take(readings: readonly Reading[], device?: string): void {
    this.#do((out) => {
      this.#fold.step(columnsOf(readings), this.now, out, device === undefined ? {} : { device });
      this.#fold.tick(this.now, out);
    });
  }

  presence(online: boolean): void {
    this.#do(() => this.#fold.presence(online, this.now));
  }

  member(device: string, is: Standing['is']): void {
    this.#do((out) => this.#fold.member(device, is, this.now, out));
  }

  stands(is: Standing['is']): void {
    this.#do(() => this.#fold.stands(is, this.now));
  }

  restart(): void {
    this.#fold = this.#start();
  }

  /** Another version takes its place. */
  replace(input: Partial<RuleInput>): void {
    this.#input = input;
    this.#do((out) => {
      this.#fold = this.#start(true);
      this.#fold.endUnwatched(out);
    });
  }

  end(episode: string): boolean {
    let isEnded = false;
    this.#do((out) => {
      isEnded = this.#fold.endByHand(episode, this.now, out);
    });
    return isEnded;
  }

  remove(): void {
    this.#do((out) => this.#fold.endUnwatched(out, true));
  }

  /** As the owner of a host does: what changed is committed with what came of it. */
  #do(act: (out: RuleOutput) => void): void {
    const out: RuleOutput = { alerts: [], publishes: [], logs: [] };
    act(out);
    const changes: { fold: string; json: string | null }[] = [];
    this.#fold.takeChanges(changes);
    this.writes.push(changes.map(({ fold }) => fold));
    for (const { fold, json } of changes) {
      if (json === null) this.states.delete(fold);
      else this.states.set(fold, json);
    }
    this.alerts.push(...out.alerts);
    this.publishes.push(...out.publishes);
    this.logs.push(...out.logs.map(({ text }) => text));
  }

  #start(isTakenOver = false): RuleFold {
    const { config = {}, onStep, device = 'gw1' } = this.#options;
    const rule = ruleSchema.parse({ name: 'hot', metric: 'temperature', ...this.#input } as RuleInput);
    const { states, now } = this;
    return new RuleFold({ device, plan: rulePlan(rule), version: '1', config, states, now, isTakenOver, onStep });
  }

  #happens(what: string): void {
    if (what === 'tick') this.tick();
    else if (what === 'restart') this.restart();
    else if (what === 'offline' || what === 'online') this.presence(what === 'online');
    else if (what === 'end') this.end(this.alerts.at(-1)!.episode);
    else if (what === 'unheard') this.stands('unheard');
    else if (/^(online|offline|gone) /.test(what)) {
      const [is, device] = what.split(' ') as ['online', string];
      this.member(device, is);
    } else {
      const ofDevices = what.split(',').map((each) => /^(?:(\S+)>)?(.*)$/.exec(each.trim())!);
      for (const [device, readings] of Map.groupBy(ofDevices, ([, of]) => of)) {
        this.take(
          readings.map(([, , reading]) => readingOf(reading!, this.now)),
          device,
        );
      }
    }
  }
}

/** @param rule in YAML's form; the timeline is run again with a restart after every line, and tells the same */
export function check(rule: Partial<RuleInput>, text: string, options: TimelineOptions = {}): Timeline {
  const timeline = new Timeline(rule, options).run(text);
  const restarted = new Timeline(rule, { ...options, restarts: true }).run(text);
  expect(restarted.alerts, 'after restarts').toEqual(timeline.alerts);
  expectSound(timeline.alerts);
  return timeline;
}

/** Numbers without holes, no transition of what has ended but a correction, and time that does not go back. */
export function expectSound(alerts: readonly AlertTransition[]): void {
  const last = new Map<string, AlertTransition>();
  for (const alert of alerts) {
    const before = last.get(alert.episode);
    expect(alert.seq).toBe((before?.seq ?? 0) + 1);
    if (before?.state === 'resolved') expect(alert).toMatchObject({ state: 'resolved', reason: 'corrected' });
    else if (before !== undefined) expect(alert.ts).toBeGreaterThanOrEqual(before.ts);
    expect(alert.ts).toBeGreaterThanOrEqual(alert.startedAt);
    last.set(alert.episode, alert);
  }
}

function readingOf(text: string, now: number): Reading {
  const [name = '', written = '', at] = text.split(/\s+/);
  const [sensor = '', metric = 'temperature'] = name.split('/');
  const [value = '', quality] = written.split('!');
  const ts = at === undefined ? now : T0 + msOf(at.slice(1));
  const reading: Reading = { sensor, metric, ts, value: valueIn(value) };
  return quality === undefined ? reading : { ...reading, quality };
}

function valueIn(text: string): Reading['value'] {
  if (text === 'true' || text === 'false') return text === 'true';
  return Number.isNaN(Number(text)) ? text : Number(text);
}

export function msOf(text: string): number {
  return text
    .split('+')
    .map((part) => parseDuration(part) ?? Number.NaN)
    .reduce((a, b) => a + b);
}

/** `firing held warning o1 @10s since 0s`, and what else there is. */
export function wordsOf(alert: AlertTransition): string {
  const { state, reason, severity, sensor, ts, startedAt, historical, dryRun, latch, mutedUntil, count } = alert;
  const since = (at: number) => `${(at - T0) / 1_000}s`;
  const flags = [historical && 'historical', dryRun && 'dry', latch && 'latch', count && `count:${count}`];
  if (mutedUntil !== undefined) flags.push(`muted:${since(mutedUntil)}`);
  const words = [state, reason, severity, sensor ?? '-', `@${since(ts)}`, `since:${since(startedAt)}`, ...flags];
  return words.filter((word) => word).join(' ');
}
