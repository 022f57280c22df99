/** Runs letters of this device again, or removes them, when the hub says so; the hub is told what became of each. */
import type { Report } from '@weir/protocols';
import { type FoldStatus, replayPosition } from '@weir/runtime';
import { z } from 'zod';
import type { Clock } from '../clock/clock.ts';
import type { AgentCommand } from '../commands/agent-commands.ts';
import type { Spool } from '../spool/spool.ts';
import type { OfferedEvent } from './event-queue.ts';

export interface DeadLettersPorts {
  spool: Spool;
  clock: Clock;
  offerEvent: (event: OfferedEvent) => Promise<void>;
  /** Of functions that are here. */
  status: () => FoldStatus[];
  /** Whether what the hub wants to run is known, and runs as far as it can. */
  isSettled: () => boolean;
}

type Outcome = 'run again' | 'failed again' | 'not run' | 'not here any more';

const idsSchema = z.object({ ids: z.array(z.string().max(256)).min(1).max(1_000) });

/** The version that was deployed before a replay was asked for comes by another way, and may come later. */
const SETTLED_LOOK_MS = 250;
/** A version that takes longer is not waited for: other commands wait, too. */
const SETTLED_WAIT_MS = 60_000;

export class DeadLetters {
  readonly #ports: DeadLettersPorts;

  constructor(ports: DeadLettersPorts) {
    this.#ports = ports;
  }

  /**
   * The agent runs it from its own copy. A letter goes with the commit of what its replay brought about, so that one
   * that is asked for twice, or by a command that is run again, has its effects once.
   */
  readonly replay: AgentCommand = async (payload) => {
    const { data, error } = idsSchema.safeParse(payload);
    if (error !== undefined) return { outcome: 'failed', detail: z.prettifyError(error) };
    await this.#settled();
    const outcomes: Outcome[] = [];
    for (const id of data.ids) outcomes.push(await this.#replay(id));
    const counts = [...Map.groupBy(outcomes, (outcome) => outcome)].map(
      ([outcome, some]) => `${some.length} ${outcome}`,
    );
    return { outcome: 'done', detail: counts.join(', ') };
  };

  readonly remove: AgentCommand = async (payload) => {
    const { data, error } = idsSchema.safeParse(payload);
    if (error !== undefined) return { outcome: 'failed', detail: z.prettifyError(error) };
    await this.#ports.spool.call('endDeadLetters', data.ids, 'removed', this.#ports.clock.now());
    return { outcome: 'done' };
  };

  async #settled(): Promise<void> {
    const { clock, isSettled } = this.#ports;
    const end = clock.monotonic() + SETTLED_WAIT_MS;
    while (!isSettled() && clock.monotonic() < end) {
      await new Promise<void>((resolve) => clock.after(SETTLED_LOOK_MS, resolve));
    }
  }

  async #replay(id: string): Promise<Outcome> {
    const { spool, clock, offerEvent } = this.#ports;
    const kept = await spool.call('deadLetter', id);
    if (kept === undefined) {
      await spool.call('endDeadLetters', [id], 'dropped', clock.now());
      return 'not here any more';
    }
    const { letter, replays } = kept;
    const position = replayPosition(id, replays);
    let isTaken = true;
    await offerEvent({
      event: { kind: 'replay', letter },
      position,
      settled: (output) => {
        isTaken = output !== undefined;
        return isTaken ? { deadLetter: { id, position } } : {};
      },
    });
    if (isTaken) return (await spool.call('deadLetter', id)) === undefined ? 'run again' : 'failed again';
    const report: Report = { type: 'dead-letter-kept', id, ts: clock.now(), detail: this.#whyNot(letter.fold) };
    await spool.call('addReports', [report], clock.now());
    return 'not run';
  }

  #whyNot(fold: string): string {
    const status = this.#ports.status().find(({ name }) => name === fold);
    if (status === undefined) return `${fold} is not deployed here: deploy it, then replay again`;
    const { version, state, reason = 'for no reason that is known' } = status;
    return `${fold}@${version} is ${state} (${reason.slice(0, 300)}): deploy a version that runs, then replay again`;
  }
}
