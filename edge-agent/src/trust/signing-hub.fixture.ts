/** A hub that signs what it is told to want, as the agent's trust meets it. */
import type { JsonObject } from '@weir/protocols';
import { hashBundle, signStatement } from '@weir/runtime';
import { KEYS, releaseOfBundle, rootOfHub } from '@weir/runtime/trust-fixture';
import { RefusedError } from './refused-error.ts';
import type { HubFiles } from './trust.ts';

const VALID_MS = 3 * 86_400_000;

export class SigningHub implements HubFiles {
  readonly device: string;
  readonly now: () => number;
  /** Texts of root files, by their order. */
  rootFiles: string[] = [rootOfHub()];
  readonly bundles = new Map<string, Uint8Array>();
  readonly releases = new Map<string, string>();
  /** Hashes of bundles that were fetched. */
  readonly fetched: string[] = [];
  deployments: JsonObject = {};
  sequence = 1;
  /** In place of what it would sign. */
  statement: string | undefined;
  key = KEYS.hub;

  constructor(device: string, now: () => number) {
    this.device = device;
    this.now = now;
  }

  /** Takes a bundle, with a release by its author. @returns its hash */
  add(bytes: Uint8Array, release = 1, floor = 1, sparesLastGood = false): string {
    const hash = hashBundle(bytes);
    this.bundles.set(hash, bytes);
    this.releases.set(hash, releaseOfBundle(bytes, release, floor, sparesLastGood));
    return hash;
  }

  want(deployments: JsonObject): void {
    this.deployments = deployments;
    this.sequence++;
  }

  /** What the shadow says of it. */
  get hint(): { sequence: number; root: number } {
    return { sequence: this.sequence, root: this.rootFiles.length };
  }

  async deployment(): Promise<{ root: number; statement: string }> {
    const root = this.rootFiles.length;
    if (root === 0) throw new RefusedError({ code: 'no-root', reason: 'the hub has no root file yet' });
    const { device, sequence, deployments } = this;
    const issuedAt = this.now();
    const fields = { device, sequence, issuedAt, expires: issuedAt + VALID_MS, deployments };
    return { root, statement: this.statement ?? signStatement('deployment', fields, [this.key]) };
  }

  async roots(after: number): Promise<string[]> {
    return this.rootFiles.slice(after);
  }

  async release(hash: string): Promise<string> {
    const release = this.releases.get(hash);
    if (release === undefined) throw new RefusedError({ code: 'unsigned', reason: 'the hub has no release of it' });
    return release;
  }

  async bundle(hash: string): Promise<Uint8Array> {
    this.fetched.push(hash);
    const bytes = this.bundles.get(hash);
    if (bytes === undefined) throw new Error('the hub answered 404 for the bundle');
    return bytes;
  }
}
