/** Tries versions before they take over: one that cannot be started must not have stopped what ran before it. */
import { bundleIdentity } from '@weir/protocols';
import { flowNode, flowOf } from '../fold/flow.ts';
import type { Deployed, FoldHost, FoldStatus, StepInput } from '../fold/fold.ts';
import type { Failure } from './succession.ts';

/** A busy machine can look like code that loops. */
const ATTEMPTS = 2;
/** Of steps that all failed: fewer may all have met the one reading that nobody expected. */
const FAILED_STEPS_MIN = 3;

/** What a version is given to do before it takes over. What it makes of it goes nowhere. */
export interface Drill {
  /** What came last, oldest first. */
  inputs: readonly StepInput[];
  /** JSON of the state that it would take over; undefined: none. */
  state: string | undefined;
  /** Time is over: what it has shown until then counts. */
  isOver: () => boolean;
}

/**
 * @param createHost makes a host beside the one that runs
 * @returns why it cannot be started; undefined: it can
 */
export async function rehearse(
  createHost: () => FoldHost,
  deployed: Deployed,
  now: number,
  drill?: Drill,
): Promise<string | undefined> {
  if (deployed.bundle.kind !== 'function') return undefined;
  for (let attempt = 1; ; attempt++) {
    const host = createHost();
    try {
      const states = new Map(drill?.state === undefined ? [] : [[deployed.name, drill.state]]);
      await host.deploy([deployed], states, `rehearsal.${now}`, now);
      const status = host.status()[0];
      if (status?.state !== 'failed') return drill && (await carryOut(host, drill));
      if (attempt === ATTEMPTS) return status.reason ?? 'it cannot be started';
    } finally {
      host.dispose();
    }
  }
}

async function carryOut(host: FoldHost, { inputs, isOver }: Drill): Promise<string | undefined> {
  for (const [at, input] of inputs.entries()) {
    const status = host.status()[0]!;
    if (isOver() || status.state === 'quarantined') break;
    await host.step({ ...input, position: `rehearsal.${at}` });
  }
  return whatFailed(host.status()[0]!);
}

function whatFailed({ state, reason, errors, stepsWell = 0 }: FoldStatus): string | undefined {
  const isUnfit = state === 'quarantined' || (stepsWell === 0 && errors >= FAILED_STEPS_MIN);
  return isUnfit ? `it failed at what came last, beside what runs: ${reason}` : undefined;
}

/**
 * Which of `changed` cannot run beside all of `next`, and why.
 *
 * @param tried what was found of those that were tried before; they are not tried again
 */
export async function unfitOf(
  createHost: () => FoldHost,
  next: readonly Deployed[],
  changed: ReadonlySet<string>,
  now: number,
  tried: ReadonlyMap<string, Failure | undefined> = new Map(),
): Promise<Map<string, Failure>> {
  const unfit = new Map<string, Failure>();
  for (const deployed of next) {
    const { name } = deployed;
    if (!changed.has(name)) continue;
    const reason = tried.has(name) ? undefined : await rehearse(createHost, deployed, now);
    const failure = tried.get(name) ?? (reason === undefined ? undefined : failureOf(deployed, reason));
    if (failure !== undefined) unfit.set(name, failure);
  }
  for (;;) {
    const flow = next.flatMap(({ name, bundle }) =>
      bundle.kind === 'function' && !unfit.has(name) ? [flowNode(bundle.manifest)] : [],
    );
    const cycle = flowOf(flow).cycle ?? [];
    const closing = next.filter(({ name }) => cycle.includes(name) && changed.has(name));
    if (closing.length === 0) return unfit;
    const reason = `functions would feed one another in a circle: ${cycle.join(' -> ')}`;
    for (const deployed of closing) unfit.set(deployed.name, failureOf(deployed, reason));
  }
}

function failureOf(deployed: Deployed, reason: string): Failure {
  return { version: versionOf(deployed), state: 'failed', reason };
}

export function versionOf({ bundle, hash }: Deployed): string {
  return bundleIdentity(bundle, hash).version;
}
