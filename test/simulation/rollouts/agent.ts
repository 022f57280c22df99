/** A device as the hub sees it: it converges on its shadow, crashes, is away, and says what came of what it was given. */
import type { ReportedDeployment, WantedDeployment } from '@weir/protocols';
import { type Dice, hash } from '../dice.ts';
import type { Timeline } from '../timeline.ts';
import type { Version } from './version.ts';

export interface AgentWorld {
  timeline: Timeline;
  versionOf(hash: string): Version;
  /** `desired.deployments` as the hub has it; undefined: the hub is away, or there is none. */
  wanted(device: string): Promise<Record<string, WantedDeployment> | undefined>;
  /** Rejects, or never resolves, when the hub is away. */
  report(device: string, reported: Record<string, ReportedDeployment | null>): Promise<void>;
  presence(device: string, connected: boolean): void;
  /** It begins to run a version, as what is wanted or beside it. */
  installed(device: string, version: Version): void;
  isHubUp(): boolean;
}

const BACKOFF_MS = 30_000;
/** A line that is slow, a card that is old. */
const TAKE_MS = 4_000;
const LATE_MS = 90_000;
const SILENT_MS = 1_500_000;
const ERRORS_PER_MINUTE = 200;

interface Running {
  hash: string;
  version: string;
}

export class Agent {
  readonly id: string;
  readonly #world: AgentWorld;
  readonly #dice: Dice;
  /** On its disk: what it runs, what failed, what it has told. */
  readonly #main = new Map<string, Running>();
  readonly #failed = new Map<string, { hash: string; reason: string }>();
  readonly #candidates = new Map<string, Running>();
  #told: Record<string, ReportedDeployment | null> = {};
  /** Counts its lives: what was under way in one before does not go on. */
  #life = 0;
  #isUp = false;
  #isConnected = false;
  #errors = 0;
  #silentUntil = 0;

  constructor(id: string, world: AgentWorld, dice: Dice) {
    this.id = id;
    this.#world = world;
    this.#dice = dice;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  running(name: string): Running | undefined {
    return this.#main.get(name);
  }

  /** What it says under a name. */
  told(name: string): ReportedDeployment | null | undefined {
    return this.#told[name];
  }

  boot(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#life += 1;
    this.connectSoon();
  }

  /** The power is gone, or the line is. */
  away(): void {
    this.#isUp = false;
    this.#life += 1;
    this.dropped();
  }

  /** The connection is lost. */
  dropped(): void {
    if (!this.#isConnected) return;
    this.#isConnected = false;
    this.#world.presence(this.id, false);
  }

  connectSoon(): void {
    this.#later(this.#dice.between(50, BACKOFF_MS), () => this.#connect());
  }

  #connect(): void {
    if (this.#isConnected) return;
    if (!this.#world.isHubUp() || this.#world.timeline.now < this.#silentUntil) {
      this.connectSoon();
      return;
    }
    this.#isConnected = true;
    this.#world.presence(this.id, true);
    this.sync();
  }

  /** Its shadow may have changed. */
  sync(): void {
    if (!this.#isConnected) return;
    const life = this.#life;
    this.#world.wanted(this.id).then(
      (wanted) => {
        if (wanted !== undefined && life === this.#life && this.#isConnected) this.#converge(wanted);
      },
      () => this.#later(5_000, () => this.sync()),
    );
  }

  #converge(wanted: Record<string, WantedDeployment>): void {
    for (const name of [...this.#main.keys(), ...this.#failed.keys()]) {
      if (wanted[name] !== undefined) continue;
      this.#main.delete(name);
      this.#failed.delete(name);
      this.#candidates.delete(name);
    }
    for (const [name, each] of Object.entries(wanted)) {
      if (each.candidate === undefined) this.#candidates.delete(name);
      else if (this.#candidates.get(name)?.hash !== each.candidate.hash) this.#take(name, each.candidate, true);
      const isHere = this.#main.get(name)?.hash === each.hash;
      const hasFailed = this.#failed.get(name)?.hash === each.hash;
      if (isHere && !hasFailed) this.#failed.delete(name);
      if (!isHere && !hasFailed) this.#take(name, each, false);
    }
    this.#report();
  }

  #take(name: string, { hash: taken, version }: Running, isCandidate: boolean): void {
    this.#later(this.#dice.exponential(TAKE_MS), async () => {
      if (!this.#isConnected) return;
      // What was wanted when it began may not be wanted any more.
      const wanted = await this.#world.wanted(this.id).catch(() => undefined);
      const present = isCandidate ? wanted?.[name]?.candidate : wanted?.[name];
      if (present?.hash !== taken) return;
      const known = this.#world.versionOf(taken);
      this.#world.installed(this.id, known);
      if (isCandidate) this.#candidates.set(name, { hash: taken, version });
      else this.#start(name, { hash: taken, version }, known);
      this.#report();
    });
  }

  #start(name: string, next: Running, { quality }: Version): void {
    const before = this.#main.get(name);
    if (quality === 'throws' || (quality === 'partly' && hash(`${this.id}/${next.hash}`) % 5 === 0)) {
      this.#failed.set(name, { hash: next.hash, reason: 'TypeError: x is not a function at main.ts:3:7' });
      return;
    }
    this.#failed.delete(name);
    this.#main.set(name, next);
    this.#errors = 0;
    const revert = (reason: string) => {
      if (this.#main.get(name)?.hash !== next.hash) return;
      this.#failed.set(name, { hash: next.hash, reason });
      if (before === undefined) this.#main.delete(name);
      else this.#main.set(name, before);
      this.#report();
    };
    // On its disk: it is not forgotten over a crash.
    const { timeline } = this.#world;
    if (quality === 'late') timeline.after(this.#dice.exponential(LATE_MS), () => revert('quarantined: 5 of 5 failed'));
    if (quality === 'noisy') this.#fail(name, next.hash);
    if (quality !== 'silences') return;
    this.#silentUntil = timeline.now + SILENT_MS;
    timeline.after(2_000, () => {
      this.dropped();
      this.connectSoon();
    });
    timeline.after(SILENT_MS - 1_000, () => revert('crashed the agent 3 times'));
  }

  #fail(name: string, of: string): void {
    this.#world.timeline.after(10_000, () => {
      if (this.#main.get(name)?.hash !== of) return;
      this.#errors += ERRORS_PER_MINUTE / 6;
      this.#report();
      this.#fail(name, of);
    });
  }

  #report(): void {
    if (!this.#isConnected) return;
    const now: Record<string, ReportedDeployment | null> = {};
    for (const name of new Set([...this.#main.keys(), ...this.#failed.keys()])) now[name] = this.#describe(name);
    const patch: typeof now = { ...now };
    for (const name of Object.keys(this.#told)) if (!(name in now) && this.#told[name] !== null) patch[name] = null;
    const life = this.#life;
    this.#world.report(this.id, patch).then(
      () => {
        this.#told = { ...this.#told, ...patch };
      },
      () => {
        if (life === this.#life) this.#later(3_000, () => this.#report());
      },
    );
  }

  #describe(name: string): ReportedDeployment {
    const main = this.#main.get(name);
    const failed = this.#failed.get(name);
    const beside = this.#candidates.get(name);
    const candidate = beside && {
      ...{ ...beside, state: 'running' as const, steps: 10, differ: 1 },
      ...{ errors: { blue: 0, green: this.#world.versionOf(beside.hash).quality === 'good' ? 0 : 500 } },
      ...{ outputs: { blue: 3, green: 3 }, cpuMs: { blue: 1, green: 1 } },
    };
    const also = candidate === undefined ? {} : { candidate };
    if (failed !== undefined) {
      const { version } = this.#world.versionOf(failed.hash);
      const running = main === undefined ? {} : { running: main };
      return {
        kind: 'rule',
        version,
        hash: failed.hash,
        state: 'quarantined',
        reason: failed.reason,
        ...running,
        ...also,
      };
    }
    return { kind: 'rule', ...main!, state: 'running', errors: Math.round(this.#errors), ...also };
  }

  #later(ms: number, run: () => void): void {
    const life = this.#life;
    this.#world.timeline.after(ms, () => {
      if (life === this.#life && this.#isUp) run();
    });
  }
}
