/** Keeps a program running, as systemd would: starts it again after it has crashed, ended or not come up. */
import type { SimulatedDatabase } from './database.ts';
import type { Dice } from './dice.ts';
import type { CrashKind, DatabaseFile } from './disk.ts';
import { Life } from './life.ts';
import type { Timeline } from './timeline.ts';
import type { Trace } from './trace.ts';

export interface Running {
  stop(): Promise<void>;
}

export interface SupervisorPorts {
  name: string;
  timeline: Timeline;
  trace: Trace;
  dice: Dice;
  files: readonly DatabaseFile[];
  /** Of one run: opens databases into `opened`. */
  boot(life: Life, opened: SimulatedDatabase[]): Promise<Running>;
  /** Its connections end, with a word or without. */
  onGone(silently: boolean): void;
}

const RESTART_MS = 5_000;

export class Supervisor {
  readonly #ports: SupervisorPorts;
  #life: Life | undefined;
  #running: Running | undefined;
  #opened: SimulatedDatabase[] = [];
  #runs = 0;
  #crashKind: CrashKind = 'kill';
  #isCalm = false;
  #isHalted = false;

  constructor(ports: SupervisorPorts) {
    this.#ports = ports;
  }

  get isRunning(): boolean {
    return this.#running !== undefined;
  }

  /** Starts so far. */
  get runs(): number {
    return this.#runs;
  }

  get life(): Life | undefined {
    return this.#life;
  }

  start(): void {
    const { name, timeline, trace } = this.#ports;
    this.#isHalted = false;
    const run = ++this.#runs;
    trace.add(timeline.now, `${name} starts, run ${run}`);
    const life = new Life(`${name} ${run}`, timeline, () => this.#ended(life));
    this.#life = life;
    this.#crashKind = 'kill';
    const opened: SimulatedDatabase[] = [];
    this.#opened = opened;
    this.#ports.boot(life, opened).then(
      (running) => {
        if (life.isAlive) this.#running = running;
      },
      (error: Error) => {
        trace.add(timeline.now, `${name} does not come up: ${error.message}`);
        if (!isOfTheWorld(error)) timeline.fail(error);
        life.end();
      },
    );
  }

  /** Dies at once, or with one of its next deeds. */
  crash(kind: CrashKind, afterDeeds: number): void {
    this.#crashKind = kind;
    if (afterDeeds === 0) this.#life?.end();
    else this.#life?.endAfter(afterDeeds);
  }

  /** How it is to die next, by whatever. */
  willCrash(kind: CrashKind): void {
    this.#crashKind = kind;
  }

  /** Ends in order, and is started again. */
  async restart(): Promise<void> {
    const life = this.#life;
    const running = this.#running;
    if (running === undefined || life === undefined) return;
    this.#ports.trace.add(this.#ports.timeline.now, `${this.#ports.name} stops`);
    this.#running = undefined;
    await running.stop();
    life.end();
  }

  /** Dies, and stays down until `start`. */
  halt(): void {
    this.#isHalted = true;
    this.#life?.end();
  }

  /** It is not needed any more. */
  abandon(): void {
    this.#life?.forget();
    this.#life = undefined;
    for (const database of this.#opened.splice(0)) database.shut();
  }

  /** From now on it comes back quickly. */
  calm(): void {
    this.#isCalm = true;
  }

  #ended(life: Life): void {
    if (this.#life !== life) return;
    const { name, timeline, trace, files, dice, onGone } = this.#ports;
    trace.add(timeline.now, `${name} ends: ${this.#crashKind}`);
    this.#life = undefined;
    this.#running = undefined;
    for (const file of files) file.crash(this.#crashKind);
    for (const database of this.#opened.splice(0)) database.shut();
    onGone(this.#crashKind === 'power');
    if (this.#isHalted) return;
    const restartMs = this.#isCalm ? RESTART_MS : dice.pick([100, RESTART_MS, 30_000]);
    timeline.after(restartMs, () => this.start());
  }
}

/** A disk that fails is no bug of the program. */
function isOfTheWorld(error: Error): boolean {
  const { code } = error as Error & { code?: string };
  return ['full', 'io', 'busy', 'readonly', 'corrupt', 'closed'].includes(code ?? '');
}
