/** One run over a prepared journal, from its start to where nothing is left to do. */
import { cpSync } from 'node:fs';
import { AgentProcess, type Tuning } from './agent-process.ts';
import type { Hit } from './kill.ts';
import { type Ended, Life } from './life.ts';
import { Listener } from './listener.ts';
import { differences, type Outcome, outcomeOf, publishesIn } from './outcome.ts';
import type { Plan } from './plan.ts';

export interface Uninterrupted extends Ended {
  outcome: Outcome;
}

export interface KilledRun {
  hits: readonly Hit[];
  /** Empty: it ended as the uninterrupted run did. */
  faults: string[];
  /** Messages that an actuator heard, and how many of them again. */
  heard: number;
  repeated: number;
}

/** Those of the agent. */
const DEFAULTS: Tuning = { uncommittedReadingsMax: 2_000, handoffReadingsMax: 20_000, processes: 1 };
const FAULTS_TOLD = 3;

export async function uninterrupted(prepared: string, data: string, outboxBytesMax: string): Promise<Uninterrupted> {
  cpSync(prepared, data, { recursive: true });
  const life = new Life({ start: () => new AgentProcess(data, DEFAULTS, outboxBytesMax), onStart: () => {} });
  try {
    const ended = await life.end();
    return { outcome: outcomeOf(data), ...ended };
  } finally {
    await life.abandon();
  }
}

export async function killedRun(
  prepared: string,
  data: string,
  { tuning, points }: Plan,
  outboxBytesMax: string,
  wanted: Uninterrupted,
): Promise<KilledRun> {
  cpSync(prepared, data, { recursive: true });
  const listener = new Listener();
  const life = new Life({
    start: () => new AgentProcess(data, tuning, outboxBytesMax),
    onStart: (agent) => listener.follow(agent),
  });
  try {
    for (const point of points) await life.kill(point, wanted.steps);
    await life.end(wanted.sinceRow);
  } finally {
    listener.stop();
    await life.abandon();
  }
  const outcome = outcomeOf(data);
  const { heard } = listener;
  const faults = [...differences(wanted.outcome, outcome), ...unheardOf(outcome, heard)];
  return { hits: life.hits, faults, heard: heard.length, repeated: heard.length - new Set(heard).size };
}

/** What the world was told and never was, and names that two messages share. */
function unheardOf(outcome: Outcome, heard: readonly string[]): string[] {
  const publishes = publishesIn(outcome);
  const committed = new Set(publishes.map(({ topic, payload }) => `${topic} ${payload}`));
  const faults = [...new Set(heard)]
    .filter((message) => !committed.has(message))
    .map((message) => `heard by an actuator and never committed: ${message}`);
  if (new Set(publishes.map(({ id }) => id)).size < publishes.length)
    faults.unshift('an id of a publish was used twice');
  return faults.slice(0, FAULTS_TOLD);
}
