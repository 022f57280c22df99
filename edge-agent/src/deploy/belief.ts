/**
 * What of the hub's wishes the device believes.
 *
 *     shadow      a hint that there is something new, and what people see
 *     statement   signed for this device: what is worked towards
 *
 * Where the statement is refused, people are told so of each deployment that the shadow has and nobody works towards.
 */
import { type Json, type JsonObject, sameJson, type WantedDeployment, type WeirReported } from '@weir/protocols';
import type { Clock } from '../clock/clock.ts';
import type { Trust } from '../trust/trust.ts';
import { type Failure, objectAt, parseDesired, type Wanted } from './convergence.ts';

export interface BeliefPorts {
  trust: Pick<Trust, 'refresh' | 'deployments' | 'status'>;
  clock: Pick<Clock, 'monotonic'>;
  log: (level: 'info' | 'warn', message: string) => void;
}

export class Belief {
  readonly #ports: BeliefPorts;
  readonly #refreshMs: number;
  /** By the shadow. */
  #announced: Map<string, WantedDeployment> = new Map();
  /** By `monotonic`, ms: when the hub was asked last; undefined: not since the connect, or in vain. */
  #askedAt: number | undefined;
  #isAsking = false;
  #again = false;

  /** @param refreshMs the hub is asked so often without a hint: the shadow may be held back */
  constructor(ports: BeliefPorts, refreshMs: number) {
    this.#ports = ports;
    this.#refreshMs = refreshMs;
  }

  /** What was missed while the hub was away, nobody knows. */
  onUp(): void {
    this.#askedAt = undefined;
  }

  /** @param desired of the shadow. @returns whether the hub is to be asked */
  hear(desired: JsonObject): boolean {
    this.#announced = parseDesired(desired).wanted;
    const { sequence, root } = objectAt(desired, 'statement');
    const { trust, clock } = this.#ports;
    const { status } = trust;
    if (this.#askedAt === undefined || status.refused !== undefined) return true;
    if (sequence !== undefined && sequence !== status.sequence) return true;
    if (root !== undefined && root !== status.root?.version) return true;
    return clock.monotonic() - this.#askedAt >= this.#refreshMs;
  }

  /**
   * Asks the hub, and again when there is news before it has answered.
   *
   * @returns JSON of what is believed from now on; undefined: nothing yet, or somebody is asking
   */
  async ask(): Promise<string | undefined> {
    if (this.#isAsking) {
      this.#again = true;
      return undefined;
    }
    this.#isAsking = true;
    const { trust, clock, log } = this.#ports;
    try {
      do {
        this.#again = false;
        await trust.refresh();
        this.#askedAt = clock.monotonic();
      } while (this.#again);
    } catch (error) {
      this.#askedAt = undefined;
      log('warn', `what is to run cannot be asked for: ${(error as Error).message}`);
    } finally {
      this.#isAsking = false;
    }
    const { deployments } = trust;
    return deployments === undefined ? undefined : JSON.stringify({ deployments });
  }

  /** What is reported of, and what is wrong with it. */
  told(believed: Wanted, failures: ReadonlyMap<string, Failure>): { told: Wanted; failures: Map<string, Failure> } {
    const told = new Map(believed);
    const all = new Map(failures);
    const { refused } = this.#ports.trust.status;
    if (refused === undefined) return { told, failures: all };
    for (const [name, announced] of this.#announced) {
      const known = believed.get(name);
      if (known !== undefined && sameJson(known as Json, announced as Json)) continue;
      const { code, reason } = refused;
      told.set(name, announced);
      all.set(name, { hash: announced.hash, reason: `${code}: ${reason}`, code });
    }
    return { told, failures: all };
  }

  /** That nobody is trusted yet is no news where nothing is wanted. */
  report(): Pick<WeirReported, 'trust'> {
    const { root, sequence, refused } = this.#ports.trust.status;
    const isNews = refused !== undefined && (refused.code !== 'no-root' || this.#announced.size > 0);
    if (root === undefined && !isNews) return {};
    const trust = { ...(root !== undefined && { root: root.version }), sequence };
    return { trust: isNews ? { ...trust, refused: refused.code } : trust };
  }
}
