/**
 * A sandbox whose processes run only while something is in it: for what is tried beside what runs. A device that tries
 * nothing does not pay for a second process.
 */
import type { FunctionSandbox, Outcome, Sandbox } from './sandbox.ts';

/** Versions are tried one after another; a start takes the time of some steps. */
const IDLE_MS = 5_000;

/** @param make makes one that is not started yet */
export function sandboxOnDemand(make: () => Sandbox): FunctionSandbox & Pick<Sandbox, 'stop'> {
  return new SandboxOnDemand(make);
}

class SandboxOnDemand implements FunctionSandbox {
  readonly #make: () => Sandbox;
  readonly #keys = new Set<string>();
  #started: Promise<Sandbox> | undefined;
  #inFlight = 0;
  #idle: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(make: () => Sandbox) {
    this.#make = make;
  }

  load(unit: Parameters<Sandbox['load']>[0]): Promise<Outcome> {
    this.#keys.add(unit.key);
    return this.#with((sandbox) => sandbox.load(unit));
  }

  step(unit: Parameters<Sandbox['step']>[0], request: Parameters<Sandbox['step']>[1]): Promise<Outcome> {
    this.#keys.add(unit.key);
    return this.#with((sandbox) => sandbox.step(unit, request));
  }

  drop(key: string): void {
    if (!this.#keys.delete(key)) return;
    void this.#started?.then((sandbox) => sandbox.drop(key));
    this.#endWhenIdle();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#idle);
    await this.#end();
  }

  async #with(work: (sandbox: Sandbox) => Promise<Outcome>): Promise<Outcome> {
    if (this.#stopped) return { kind: 'crashed', message: 'the sandbox has ended' };
    clearTimeout(this.#idle);
    this.#inFlight++;
    try {
      this.#started ??= this.#start();
      return await work(await this.#started);
    } finally {
      this.#inFlight--;
      this.#endWhenIdle();
    }
  }

  async #start(): Promise<Sandbox> {
    const sandbox = this.#make();
    await sandbox.start();
    return sandbox;
  }

  #endWhenIdle(): void {
    if (this.#keys.size > 0 || this.#inFlight > 0 || this.#stopped) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.#end(), IDLE_MS).unref();
  }

  async #end(): Promise<void> {
    const started = this.#started;
    this.#started = undefined;
    await (await started)?.stop();
  }
}
