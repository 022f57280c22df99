/**
 * Runs commands, each once in effect: those of the hub, and those that functions of this device send to it.
 *
 *     uplink ----> spool ----\
 *                             +--> one at a time --> pipeline, or the agent itself --> spool: ended, and a report
 *     functions -> spool ----/
 *
 * A command is durable before anything else is done with it. What it brings about and its end are one transaction, so
 * whatever ends the agent before that, the command is run again from the state of before.
 */
import { AGENT_COMMAND_PREFIX, CommandError, type CommandMessage, decodeCommand, type Report } from '@weir/protocols';
import { eventPosition, type StepOutput } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { OfferedEvent } from '../functions/event-queue.ts';
import type { Spool } from '../spool/spool.ts';
import type { AgentCommands } from './agent-commands.ts';
import type { EndedCommand, KeptCommand, Taken } from './table.ts';

export interface CommandsPorts {
  spool: Spool;
  clock: Clock;
  offerEvent: (event: OfferedEvent) => Promise<void>;
  agentCommands: AgentCommands;
  /** Something for the hub was committed. */
  onReport: () => void;
  onFailure: (what: string, error: Error) => void;
}

type End = Omit<EndedCommand, 'origin' | 'id'>;

const RETRY_MS = 1_000;
/** What was asked of the spool before a command ended is answered long before so many more have. */
const ENDED_KEPT = 1_000;
const FAULTS_TOLD = 3;

export class Commands {
  #ports: CommandsPorts;
  /** In the order in which they came. */
  #waiting = new Map<string, KeptCommand>();
  /** An answer of the spool may be late, for it waits for a sync, and speak of what has ended since. */
  #ended = new Set<string>();
  /** Answers of the spool that the disk had failed: what was asked may be kept all the same, and stands before what comes. */
  #failures = 0;
  /** Those after which was seen what is kept. */
  #failuresSeen = 0;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(ports: CommandsPorts) {
    this.#ports = ports;
  }

  /** A message of the hub. It sends it again unless it gets an answer. */
  async onMessage(payload: Uint8Array): Promise<void> {
    const { clock, onReport, onFailure } = this.#ports;
    try {
      const message = decodeCommand(payload);
      const taken = await this.#take(message);
      // Known is also one that is kept, and of which the answer was that the disk had failed.
      if (taken === 'taken' || taken === 'known') this.add(await this.#upTo(keptOf(message, clock.now())));
      if (taken === 'ended') onReport();
      if (taken === 'full') throw new Error('too many wait already');
    } catch (error) {
      onFailure('a command of the hub was not taken', error as Error);
      if (error instanceof CommandError && error.id !== undefined) await this.#refuse(error.id, error.message);
    }
  }

  async #take(message: CommandMessage): Promise<Taken> {
    try {
      return await this.#ports.spool.call('takeCommand', message, this.#ports.clock.now());
    } catch (error) {
      this.#failures++;
      throw error;
    }
  }

  /** @returns what is to be run: one that was taken, and those before it that nobody here knows to be kept */
  async #upTo(taken: KeptCommand): Promise<KeptCommand[]> {
    const failures = this.#failures;
    if (failures === this.#failuresSeen) return [taken];
    const kept = await this.#ports.spool.call('keptCommands');
    this.#failuresSeen = Math.max(this.#failuresSeen, failures);
    return kept;
  }

  /** Those that the spool has; of those that are here already, or were, nothing comes twice. */
  add(commands: readonly KeptCommand[]): void {
    for (const kept of commands) if (!this.#ended.has(keyOf(kept))) this.#waiting.set(keyOf(kept), kept);
    this.#wake();
  }

  /** What is on hand is left to the next run. To be called before the pipeline stops. */
  stop(): void {
    this.#stopped = true;
  }

  #wake(): void {
    if (this.#stopped || this.#waiting.size === 0) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      this.#wake();
    });
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const [next] = this.#waiting.values();
      if (next === undefined) return;
      try {
        await this.#carryOut(next);
        this.#waiting.delete(keyOf(next));
        this.#rememberEnded(keyOf(next));
      } catch (error) {
        if (this.#stopped) return;
        this.#ports.onFailure(`the command ${next.command.name} could not be run; it is tried again`, error as Error);
        await new Promise<void>((resolve) => this.#ports.clock.after(RETRY_MS, resolve));
      }
    }
  }

  #rememberEnded(key: string): void {
    this.#ended.add(key);
    if (this.#ended.size <= ENDED_KEPT) return;
    const [oldest] = this.#ended;
    this.#ended.delete(oldest!);
  }

  async #carryOut(kept: KeptCommand): Promise<void> {
    const { origin, command, expiresAt } = kept;
    const { id, name, function: fn } = command;
    if (expiresAt !== undefined && expiresAt <= this.#ports.clock.now()) return this.#end(kept, { outcome: 'expired' });
    if (fn === undefined && name.startsWith(AGENT_COMMAND_PREFIX)) return this.#runByAgent(kept);
    await this.#ports.offerEvent({
      event: { kind: 'command', command },
      position: eventPosition('command', keyOf(kept)),
      settled: (output) => ({ command: { origin, id, ...endOf(fn, output) } }),
    });
  }

  async #runByAgent(kept: KeptCommand): Promise<void> {
    const { name, payload } = kept.command;
    const run = this.#ports.agentCommands.get(name);
    if (run === undefined) {
      return this.#end(kept, { outcome: 'unknown-function', detail: `this agent knows no command ${name}` });
    }
    const { reports = [], ...end } = await run(payload).catch((error: Error) => {
      this.#ports.onFailure(`the command ${name} failed`, error);
      return { outcome: 'failed' as const, detail: error.message, reports: [] };
    });
    // Torn off by the stop, perhaps: the next run does what is left of it.
    if (!this.#stopped) await this.#end(kept, end, reports);
  }

  async #end({ origin, command: { id } }: KeptCommand, end: End, reports: readonly Report[] = []): Promise<void> {
    await this.#ports.spool.call('endCommand', { origin, id, ...end }, reports, this.#ports.clock.now());
    this.#ports.onReport();
  }

  async #refuse(id: string, detail: string): Promise<void> {
    const { spool, clock, onReport, onFailure } = this.#ports;
    const ts = clock.now();
    const report: Report = { type: 'command-done', id, ts, outcome: 'failed', detail: detail.slice(0, 500) };
    await spool
      .call('addReports', [report], ts)
      .then(onReport, (error) => onFailure('the hub could not be told that a command was refused', error as Error));
  }
}

function keyOf({ origin, command }: KeptCommand): string {
  return `${origin}/${command.id}`;
}

function keptOf({ expiresIn, after: _, ...command }: CommandMessage, now: number): KeptCommand {
  return { origin: 'hub', command, expiresAt: now + expiresIn };
}

/** @param output undefined: nobody took it */
function endOf(fn: string | undefined, output: StepOutput | undefined): End {
  if (output === undefined) {
    const detail =
      fn === undefined ? 'no function here handles commands' : `no function ${fn} here runs and handles commands`;
    return { outcome: 'unknown-function', detail };
  }
  const { deadLetters } = output;
  if (deadLetters.length === 0) return { outcome: 'done' };
  const told = deadLetters.slice(0, FAULTS_TOLD).map(({ fold, kind, message }) => `${fold} ${kind}: ${message}`);
  const more = deadLetters.length > FAULTS_TOLD ? ` and ${deadLetters.length - FAULTS_TOLD} more` : '';
  return { outcome: 'failed', detail: told.join('; ') + more };
}
