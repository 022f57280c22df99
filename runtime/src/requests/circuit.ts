/**
 * The circuit breaker of one destination: whoever cannot answer is not asked again and again.
 *
 *     closed --failures in a row--> open --its time is over--> half-open --the probe succeeds--> closed
 *                                     ^_________________________|  the probe fails: open, for twice as long
 *
 * An attempt that began before the circuit opened says nothing about it any more; only the probe does.
 */

export type Circuit =
  | { readonly state: 'closed'; readonly failures: number }
  /** `times`: how often it opened in a row. */
  | { readonly state: 'open'; readonly until: number; readonly times: number }
  | { readonly state: 'half-open'; readonly times: number };

export type AttemptResult = 'succeeded' | 'failed' | 'abandoned';

export const CLOSED: Circuit = { state: 'closed', failures: 0 };

/** One or two are an accident; so many in a row are a destination that is down. */
export const FAILURES_MAX = 5;
/** A restart is over by then. */
export const OPEN_MS = 10_000;
/** What comes back is found within some minutes. */
export const OPEN_MS_MAX = 300_000;

/** @returns when an attempt may begin: now, at that time, or not before the probe has ended */
export function admission(circuit: Circuit, now: number): number | 'after-probe' {
  if (circuit.state === 'half-open') return 'after-probe';
  return circuit.state === 'open' ? Math.max(circuit.until, now) : now;
}

/** An attempt that was admitted begins. */
export function begun(circuit: Circuit): { circuit: Circuit; isProbe: boolean } {
  if (circuit.state !== 'open') return { circuit, isProbe: false };
  return { circuit: { state: 'half-open', times: circuit.times }, isProbe: true };
}

/** @param chance in [0, 1): up to a fifth is added, so that many hosts do not come back as one */
export function ended(
  circuit: Circuit,
  { isProbe, result, now, chance }: { isProbe: boolean; result: AttemptResult; now: number; chance: number },
): Circuit {
  if (isProbe && circuit.state === 'half-open') {
    if (result === 'succeeded') return CLOSED;
    // Cut short: the next attempt is the probe.
    if (result === 'abandoned') return { state: 'open', until: now, times: circuit.times };
    return opened(circuit.times + 1, now, chance);
  }
  if (circuit.state !== 'closed' || result === 'abandoned') return circuit;
  if (result === 'succeeded') return CLOSED;
  const failures = circuit.failures + 1;
  return failures < FAILURES_MAX ? { state: 'closed', failures } : opened(1, now, chance);
}

function opened(times: number, now: number, chance: number): Circuit {
  const ms = Math.min(OPEN_MS_MAX, OPEN_MS * 2 ** (times - 1));
  return { state: 'open', until: now + Math.round(ms * (1 + chance / 5)), times };
}
