/** Runs a rule again over what came to one device, and keeps what it said on the way. */
import { type AlertTransition, type Columns, type JsonObject, sliceColumns } from '@weir/protocols';
import type { BuiltBundle } from '../bundle/bundle.ts';
import type { FunctionSandbox } from '../sandbox/sandbox.ts';
import type { Arrivals } from './arrival.ts';
import { REPLAY_TICK_MS, RuleReplay } from './replay.ts';
import { factsOf } from './rule-facts.ts';
import { StepLog } from './step-log.ts';

/** What came to one device. */
export interface ArrivedAt {
  device: string;
  arrivals: Arrivals;
}

export interface RunAgainOptions {
  sandbox: FunctionSandbox;
  /** Whose rule it is: a device, or `<group>/<rule>` of one that gathers. */
  device: string;
  config: JsonObject;
  /** What is told of; what was before brings the rule up. Event time, ms. */
  from: number;
  /** Until when the clock runs. */
  until: number;
}

export interface RunAgain {
  transitions: AlertTransition[];
  /** By subject: a series, a sensor, or the device. */
  logs: Map<string, StepLog>;
  faults: string[];
}

export async function runAgain(
  built: Pick<BuiltBundle, 'bundle' | 'hash'>,
  sources: readonly ArrivedAt[],
  { sandbox, device, config, from, until }: RunAgainOptions,
): Promise<RunAgain> {
  const { plan } = factsOf(built.bundle);
  const result: RunAgain = { transitions: [], logs: new Map(), faults: [] };
  const logOf = (subject: string) => {
    const known = result.logs.get(subject) ?? new StepLog(plan, from);
    result.logs.set(subject, known);
    return known;
  };
  const replay = new RuleReplay(built, {
    ...{ sandbox, device, config },
    onTransition: (transition) => result.transitions.push(transition),
    onStep: ({ subject, judged }) => logOf(subject).take(judged),
    onFault: ({ message }) => result.faults.push(message),
  });
  try {
    await replay.start(Math.min(from, ...sources.map(({ arrivals }) => arrivals.arrivedAt[0] ?? from)));
    for (const { at, columns, of } of stepsIn(sources)) await replay.step(columns, at, of === device ? undefined : of);
    await replay.runUntil(until);
    return result;
  } finally {
    replay.dispose();
  }
}

/** What came within a tick from one device, the earliest first. */
function stepsIn(sources: readonly ArrivedAt[]): { at: number; columns: Columns; of: string }[] {
  const steps = sources.flatMap(({ device, arrivals: { columns, arrivedAt } }) => {
    const own: { at: number; columns: Columns; of: string }[] = [];
    for (let start = 0; start < arrivedAt.length; ) {
      const tick = Math.floor(arrivedAt[start]! / REPLAY_TICK_MS);
      let end = start + 1;
      while (end < arrivedAt.length && Math.floor(arrivedAt[end]! / REPLAY_TICK_MS) === tick) end++;
      own.push({ at: arrivedAt[end - 1]!, columns: sliceColumns(columns, start, end), of: device });
      start = end;
    }
    return own;
  });
  return sources.length === 1 ? steps : steps.sort((a, b) => a.at - b.at);
}
