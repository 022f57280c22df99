/** Tries versions before they take over: one that cannot be started must not have stopped what ran before it. */
import { bundleIdentity } from '@weir/protocols';
import { flowNode, flowOf } from '../fold/flow.ts';
import type { Deployed, FoldHost } from '../fold/fold.ts';
import type { Failure } from './succession.ts';

/** A busy machine can look like code that loops. */
const ATTEMPTS = 2;

/**
 * @param createHost makes a host beside the one that runs
 * @returns why it cannot be started; undefined: it can
 */
export async function rehearse(
  createHost: () => FoldHost,
  deployed: Deployed,
  now: number,
): Promise<string | undefined> {
  if (deployed.bundle.kind !== 'function') return undefined;
  for (let attempt = 1; ; attempt++) {
    const host = createHost();
    try {
      await host.deploy([deployed], new Map(), `rehearsal.${now}`, now);
      const status = host.status()[0];
      if (status?.state !== 'failed') return undefined;
      if (attempt === ATTEMPTS) return status.reason ?? 'it cannot be started';
    } finally {
      host.dispose();
    }
  }
}

/** Which of `changed` cannot run beside all of `next`, and why. */
export async function unfitOf(
  createHost: () => FoldHost,
  next: readonly Deployed[],
  changed: ReadonlySet<string>,
  now: number,
): Promise<Map<string, Failure>> {
  const unfit = new Map<string, Failure>();
  for (const deployed of next) {
    const reason = changed.has(deployed.name) ? await rehearse(createHost, deployed, now) : undefined;
    if (reason !== undefined) unfit.set(deployed.name, failureOf(deployed, reason));
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
