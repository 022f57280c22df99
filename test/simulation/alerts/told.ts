/** The real host, with a real rule, through a story; and what was told by it. */
import { type AlertTransition, columnsOf, type Rule } from '@weir/protocols';
import { createFoldHost, type FoldHost } from '@weir/runtime';
import type { Episode } from './machine.ts';
import type { Measured } from './measures.ts';
import { noSandbox } from './no-sandbox.ts';
import type { Deed, Story } from './story.ts';

/** What may be wrong with a host and its owner, so that the oracle can be seen to find it. */
export const MUTATIONS = [
  'forgets-state',
  'tells-before-it-commits',
  'loses-timers',
  'drops-late',
  'ignores-clock',
] as const;
export type Mutation = (typeof MUTATIONS)[number] | 'none';

export interface Told {
  transitions: AlertTransition[];
  /** Up to when the device's clock was wrong, as an index into the transitions. */
  beforeClock: number;
}

const TICK_MS = 1_000;
/** Nothing is taken for silent for some time after a start. */
const BEFORE_MS = 120_000;
/** After the last moment: what is due falls due. */
const AFTER_MS = 1_200_000;

export async function toldBy(
  rule: Rule,
  config: Record<string, string>,
  story: Story,
  mutation: Mutation,
): Promise<Told> {
  return await new Life(rule, config, story, mutation).run();
}

class Life {
  readonly #story: Story;
  readonly #deployed;
  readonly #mutation: Mutation;
  readonly #told: AlertTransition[] = [];
  #states = new Map<string, string>();
  #host: FoldHost | undefined;
  /** By a clock that is right. */
  #tickAt: number;
  #offMs: number;
  #position = 0;
  #beforeClock = 0;
  #midway = false;

  constructor(rule: Rule, config: Record<string, string>, story: Story, mutation: Mutation) {
    const bundle = { weir: 1, kind: 'rule', rule } as const;
    this.#deployed = [{ name: rule.name, bundle, hash: 'a'.repeat(64), config }];
    this.#story = story;
    this.#mutation = mutation;
    this.#offMs = story.clockOffMs;
    this.#tickAt = story.from - BEFORE_MS + 250;
  }

  async run(): Promise<Told> {
    await this.#start(this.#story.from - BEFORE_MS);
    let downUntil = Number.NEGATIVE_INFINITY;
    for (const deed of this.#story.deeds) {
      if (this.#host === undefined && deed.at >= downUntil) await this.#comeBack(downUntil);
      if (this.#host !== undefined) await this.#tickUntil(deed.at);
      downUntil = await this.#do(deed, downUntil);
    }
    if (this.#host === undefined) await this.#comeBack(downUntil);
    await this.#tickUntil(this.#story.until + AFTER_MS);
    this.#host!.dispose();
    return { transitions: this.#told, beforeClock: this.#beforeClock };
  }

  /** Of samples that come while the host is down: they wait in the journal, with the time at which they came. */
  #journal: Extract<Deed, { kind: 'samples' }>[] = [];

  async #do(deed: Deed, downUntil: number): Promise<number> {
    if (deed.kind === 'samples') {
      if (this.#host === undefined) this.#journal.push(deed);
      else await this.#step(deed);
      return downUntil;
    }
    if (deed.kind === 'presence') {
      if (this.#host === undefined) await this.#comeBack(deed.at);
      const event = { kind: 'presence', online: deed.online } as const;
      const output = await this.#host!.event(event, `${++this.#position}`, deed.at);
      if (output !== undefined) this.#commit(output);
      return downUntil;
    }
    if (deed.kind === 'clock') {
      if (this.#host === undefined) await this.#comeBack(deed.at);
      this.#setClock(deed.at);
      return downUntil;
    }
    if (this.#host === undefined) return downUntil;
    if (deed.midway) {
      this.#midway = true;
      return downUntil;
    }
    this.#kill();
    return deed.until;
  }

  async #comeBack(at: number): Promise<void> {
    await this.#start(at);
    this.#tickAt = Math.max(this.#tickAt, at + 250);
    for (const deed of this.#journal.splice(0)) await this.#step(deed);
  }

  async #start(at: number): Promise<void> {
    this.#host = createFoldHost({ device: 'gw1', sandbox: noSandbox });
    const states = this.#mutation === 'forgets-state' ? new Map() : this.#states;
    this.#commit(await this.#host.deploy(this.#deployed, states, `${++this.#position}`, at + this.#offMs));
  }

  #kill(): void {
    this.#host!.dispose();
    this.#host = undefined;
  }

  async #step({ at, samples }: Extract<Deed, { kind: 'samples' }>): Promise<void> {
    const kept = this.#mutation === 'drops-late' ? samples.filter(({ ts }) => at - ts < 1_000) : samples;
    const columns = columnsOf(kept.map((sample: Measured) => ({ ...sample, ts: sample.ts + this.#offMs })));
    const input = { position: `${++this.#position}`, receivedAt: at + this.#offMs, columns };
    let output = await this.#host!.step(input);
    if (this.#midway) {
      this.#midway = false;
      this.#kill();
      if (this.#mutation === 'tells-before-it-commits') this.#told.push(...output.alerts);
      await this.#start(at);
      output = await this.#host!.step(input);
    }
    this.#commit(output);
  }

  async #tickUntil(at: number): Promise<void> {
    for (; this.#tickAt < at; this.#tickAt += TICK_MS) {
      if (this.#mutation === 'loses-timers') continue;
      const output = await this.#host!.tick(this.#tickAt + this.#offMs, `${++this.#position}`);
      this.#commit(output);
    }
  }

  #setClock(at: number): void {
    const off = this.#offMs;
    if (off === 0) return;
    this.#offMs = 0;
    if (this.#mutation !== 'ignores-clock') {
      this.#commit(this.#host!.moveTime({ from: this.#story.from - BEFORE_MS + off - 1_000, shift: -off, now: at }));
    }
    this.#beforeClock = this.#told.length;
  }

  #commit({ states, alerts }: { states: { fold: string; json: string | null }[]; alerts: AlertTransition[] }): void {
    for (const { fold, json } of states) {
      if (json === null) this.#states.delete(fold);
      else this.#states.set(fold, json);
    }
    this.#told.push(...alerts);
  }
}

/** What was told, as episodes; times are set right that were told by a wrong clock. */
export function episodesTold({ transitions, beforeClock }: Told, story: Story): Episode[] {
  const episodes = new Map<string, Episode>();
  transitions.forEach(({ episode, state, severity, sensor, metric, ts, startedAt }, at) => {
    const off = at < beforeClock ? story.clockOffMs : 0;
    const subject = sensor === undefined ? 'device' : metric === undefined ? sensor : `${sensor}/${metric}`;
    const told = episodes.get(episode) ?? { subject, startedAt: startedAt - off, path: [] };
    told.startedAt = startedAt - off;
    if (state === 'resolved') told.endedAt = ts - off;
    else if (told.path.at(-1)?.split('@')[0] !== severity) told.path.push(`${severity}@${ts - off}`);
    episodes.set(episode, told);
  });
  return [...episodes.values()];
}
