/**
 * Whom this device believes what it is to run.
 *
 *     root file    whose signatures count; the first one came with the enrolment, or is asked for once
 *     statement    what the hub says this device is to run, now
 *     release      what an author says of a bundle
 *
 * The shadow says no more than that there is something new. What cannot be verified is not taken, and what runs goes
 * on. Whatever is taken is kept before it counts: a power cut at any moment leaves what was before, or what came after.
 */
import type { Json, JsonObject, Release, Root, WantedDeployment } from '@weir/protocols';
import {
  type Refusal,
  type Verdict,
  verifyBundle,
  verifyDeployment,
  verifyRelease,
  verifyRoot,
  type WantedBundle,
} from '@weir/runtime';
import type { Spool } from '../spool/spool.ts';
import { RefusedError } from './refused-error.ts';
import { type Floors, floorsOf, type KeptTrust } from './trust-table.ts';

/** What is signed, and bundles, from the hub; what comes is believed by nobody yet. */
export interface HubFiles {
  /**
   * @param known number of the statement that was taken last
   * @returns text of one of now, and the version of the hub's root file
   * @throws {RefusedError} `no-root`: the hub has none; `too-long`
   */
  deployment(known: number): Promise<{ root: number; statement: string }>;
  /** @returns texts of root files after that version, in order; none: there is no later one */
  roots(after: number): Promise<string[]>;
  /** @returns text of the release statement @throws {RefusedError} `unsigned`: the hub has none; `too-long` */
  release(hash: string): Promise<string>;
  /** @param bytes that it has; what is longer is not read to its end @throws {RefusedError} `too-long`, `hash-mismatch` */
  bundle(hash: string, bytes: number): Promise<Uint8Array>;
}

export interface TrustPorts {
  spool: Pick<Spool, 'call'>;
  files: HubFiles;
  /** ms since epoch; undefined: nobody knows what time it is. */
  now: () => number | undefined;
  log: (level: 'info' | 'warn', message: string) => void;
}

/** From the enrolment. */
export interface TrustOrigin {
  device: string;
  enrolment: string;
  /** Text of the root file that came with it. */
  root?: string | undefined;
}

export interface TrustStatus {
  /** Of the root file; absent: nobody is trusted yet. */
  root?: { version: number; expires: number };
  /** Of the last statement that was taken; 0: none. */
  sequence: number;
  /** Why the hub's last word was not taken; absent: it was. */
  refused?: Refusal;
}

/** Sixteen at a time they come; more than a few hundred in a row nobody makes. */
const ROOT_ANSWERS_MAX = 64;

export class Trust {
  readonly #ports: TrustPorts;
  readonly #origin: TrustOrigin;
  #kept: KeptTrust;
  #root: Root | undefined;
  /** What the last statement that was taken said; undefined: none was taken since the hub has its key. */
  #deployments: JsonObject | undefined;
  #floors = new Map<string, Floors>();
  #releases = new Map<string, number>();
  #refused: Refusal | undefined;

  constructor(origin: TrustOrigin, ports: TrustPorts) {
    this.#origin = origin;
    this.#ports = ports;
    this.#kept = { enrolment: origin.enrolment, root: undefined, sequence: 0, time: 0 };
  }

  /** Takes up where the last run stopped. @param desired JSON of what was taken then */
  async start(desired: string | undefined): Promise<void> {
    const { trust, floors, releases } = await this.#ports.spool.call('trust');
    this.#floors = floors;
    this.#releases = releases;
    if (trust?.enrolment === this.#origin.enrolment) {
      this.#kept = trust;
      if (trust.sequence > 0 && desired !== undefined) this.#deployments = deploymentsIn(desired);
    }
    const text = this.#kept.root ?? this.#origin.root;
    if (text === undefined) return;
    const verdict = verifyRoot(undefined, text, undefined);
    if (verdict.ok) this.#take(verdict.value, text);
    else this.#ports.log('warn', `the root file that this device has is not valid: ${verdict.code}: ${verdict.reason}`);
  }

  get status(): TrustStatus {
    const root = this.#root;
    return {
      ...(root !== undefined && { root: { version: root.version, expires: root.expires } }),
      sequence: this.#kept.sequence,
      ...(this.#refused !== undefined && { refused: this.#refused }),
    };
  }

  /** What the device is to run, by the last statement that was taken; undefined: there was none. */
  get deployments(): JsonObject | undefined {
    return this.#deployments;
  }

  /** Asks the hub what is to run. Calls must not overlap. @throws when the hub is away */
  async refresh(): Promise<void> {
    try {
      await this.#refresh();
      this.#refused = undefined;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      const reason = error.message.slice(error.code.length + 2);
      if (this.#refused?.code !== error.code && error.code !== 'no-root') {
        this.#ports.log('warn', `what the hub wants is not taken, what runs goes on: ${error.message}`);
      }
      this.#refused = { code: error.code, reason };
    }
  }

  /**
   * A bundle that may run here, from the card or from the hub; it is on the card when it resolves.
   *
   * @returns undefined: it is not here, and the hub is away
   * @throws {RefusedError} it may not run; and when the hub does not give it
   */
  async obtain(
    name: string,
    { kind, hash, bytes }: Pick<WantedDeployment, 'kind' | 'hash' | 'bytes'>,
    isConnected: boolean,
  ): Promise<Uint8Array | undefined> {
    const { spool, files } = this.#ports;
    const wanted = { name, kind, hash, bytes };
    const text = await this.#releaseFor(wanted, isConnected);
    if (text === undefined) return undefined;
    const release = required(this.#verify(text, wanted));
    const here = await spool.call('bundle', hash);
    const isWhole = here !== undefined && verifyBundle(here, release).ok;
    if (isWhole && text === (await spool.call('releaseOf', hash))) return here;
    if (!isWhole && !isConnected) return undefined;
    const content = isWhole ? here : await files.bundle(hash, release.length);
    required(verifyBundle(content, release));
    await spool.call('stageRelease', content, release, text);
    this.#raise(name, floorsOf(release));
    this.#releases.set(hash, release.release);
    return content;
  }

  /**
   * The newest there is, for it may have raised the floor; where the hub is away, or has none, that on the card.
   *
   * @returns undefined: none is here, and the hub is away
   * @throws when the hub has none, or does not answer
   */
  async #releaseFor(wanted: WantedBundle, isConnected: boolean): Promise<string | undefined> {
    const { spool, files } = this.#ports;
    const kept = await spool.call('releaseOf', wanted.hash);
    if (!isConnected) return kept;
    try {
      return await files.release(wanted.hash);
    } catch (error) {
      if (kept !== undefined && this.#verify(kept, wanted).ok) return kept;
      throw error;
    }
  }

  /** What ran here and can be gone back to, unless a newer release has said that it is not to run any more. */
  mayReturnTo(name: string, hash: string): boolean {
    return (this.#releases.get(hash) ?? Number.POSITIVE_INFINITY) >= this.#floorsOf(name).lastGood;
  }

  #floorsOf(name: string): Floors {
    return this.#floors.get(name) ?? { wanted: 0, lastGood: 0 };
  }

  #raise(name: string, by: Floors): void {
    const { wanted, lastGood } = this.#floorsOf(name);
    this.#floors.set(name, { wanted: Math.max(wanted, by.wanted), lastGood: Math.max(lastGood, by.lastGood) });
  }

  async #refresh(): Promise<void> {
    const { spool, files } = this.#ports;
    const now = this.#now();
    const answer = await files.deployment(this.#kept.sequence);
    if (answer.root > (this.#root?.version ?? 0)) await this.#followRoots(answer.root);
    const root = this.#root;
    if (root === undefined) throw new RefusedError({ code: 'no-root', reason: 'this device has no root file' });
    const { sequence } = this.#kept;
    const known = this.#deployments === undefined ? undefined : { sequence, deployments: this.#deployments };
    const { device } = this.#origin;
    const statement = required(verifyDeployment(answer.statement, { root, now, device, known }));
    const next = {
      ...this.#kept,
      sequence: statement.sequence,
      time: Math.max(this.#kept.time, Math.min(statement.issuedAt, now)),
    };
    // The same again is not worth a write.
    if (known?.sequence !== statement.sequence) {
      await spool.call('keepStatement', next, JSON.stringify({ deployments: statement.deployments }));
    }
    this.#kept = next;
    this.#deployments = statement.deployments;
  }

  /** Not before any statement that was taken. @throws {RefusedError} `clock-unknown` */
  #now(): number {
    const now = this.#ports.now();
    if (now !== undefined) return Math.max(now, this.#kept.time);
    const reason = 'what time it is is not known: nothing new is taken, and what runs goes on';
    throw new RefusedError({ code: 'clock-unknown', reason });
  }

  /** One after the other: each says who may sign the next. */
  async #followRoots(version: number): Promise<void> {
    for (let answers = 0; answers < ROOT_ANSWERS_MAX; answers++) {
      const known = this.#root?.version ?? 0;
      if (known >= version) return;
      const texts = await this.#ports.files.roots(known);
      if (texts.length === 0) return;
      for (const text of texts) await this.#follow(text);
    }
  }

  async #follow(text: string): Promise<void> {
    const before = this.#root;
    const root = required(verifyRoot(before, text, undefined));
    if (before === undefined && root.version !== 1) {
      throw new RefusedError({ code: 'root-skipped', reason: `the hub begins with version ${root.version}` });
    }
    const isOtherHub = before !== undefined && !sameKeys(before, root);
    // Who had the hub's old key may have counted up as far as it goes; nothing that it signed is believed any more.
    const kept = { ...this.#kept, root: text, ...(isOtherHub && { sequence: 0 }) };
    await this.#ports.spool.call('keepTrust', kept);
    this.#kept = kept;
    this.#take(root, text);
    if (isOtherHub) this.#deployments = undefined;
    this.#ports.log('info', `version ${root.version} of the root file says now whom this device trusts`);
  }

  #take(root: Root, text: string): void {
    this.#root = root;
    this.#kept = { ...this.#kept, root: text };
  }

  #verify(text: string, wanted: WantedBundle): Verdict<Release> {
    const now = this.#now();
    const root = this.#root;
    if (root === undefined) throw new RefusedError({ code: 'no-root', reason: 'this device has no root file' });
    return verifyRelease(text, { root, now, floor: this.#floorsOf(wanted.name).wanted }, wanted);
  }
}

/** @throws {RefusedError} */
function required<T>(verdict: Verdict<T>): T {
  if (verdict.ok) return verdict.value;
  throw new RefusedError(verdict);
}

function sameKeys(a: Root, b: Root): boolean {
  const keys = ({ roles }: Root) => [...roles.deployment.keyids].sort().join(' ');
  return keys(a) === keys(b);
}

function deploymentsIn(desired: string): JsonObject | undefined {
  const { deployments } = JSON.parse(desired) as { deployments?: Json };
  return deployments === undefined ? undefined : (deployments as JsonObject);
}
