/**
 * What is asked of the shadows of one device, one after another, in the order in which it came. All that has come while
 * a write was under way is decided in memory, and made durable by one more write: a device may update its shadow faster
 * than a disk can sync.
 *
 *     ask, ask, ask -> [ decide, decide, decide ] -> one write -> three answers, in order
 *
 * Nothing is answered before it is durable. What another process has written meanwhile makes the write fail; then it is
 * read again, and all is decided anew.
 */
import {
  deleteShadow,
  documentOf,
  existing,
  type KeptShadow,
  type ShadowDocument,
  ShadowError,
  type ShadowLimits,
  type ShadowRequest,
  type ShadowTombstone,
  updateShadow,
} from '@weir/protocols';
import { type Store, StoreError } from '../store/store.ts';
import { countShadows, readShadow, type StoredShadow, shadowChange } from './kept.ts';

/** `name` undefined: the classic shadow. */
export type ShadowAsk =
  | { verb: 'get'; name: string | undefined }
  | { verb: 'delete'; name: string | undefined }
  | { verb: 'update'; name: string | undefined; request: ShadowRequest };

export type ShadowOutcome =
  | { verb: 'get'; document: ShadowDocument }
  | { verb: 'update'; before: ShadowDocument | undefined; after: ShadowDocument }
  | { verb: 'delete'; tombstone: ShadowTombstone };

export interface ThingLimits extends ShadowLimits {
  /** Named shadows of a device. */
  namedMax: number;
}

interface Waiting {
  ask: ShadowAsk;
  resolve(outcome: ShadowOutcome): void;
  reject(error: unknown): void;
}

type Decided = { outcome: ShadowOutcome } | { error: unknown };

/** Another process may write the same shadow; it does not do so without end. */
const ATTEMPTS_MAX = 8;

export class Thing {
  readonly #device: string;
  readonly #ports: { store: Store; seconds: () => number };
  readonly #limits: ThingLimits;
  #waiting: Waiting[] = [];
  #isRunning = false;
  /** By name, as the last write has left them. */
  readonly #stored = new Map<string | undefined, StoredShadow>();

  constructor(device: string, ports: { store: Store; seconds: () => number }, limits: ThingLimits) {
    this.#device = device;
    this.#ports = ports;
    this.#limits = limits;
  }

  /** Resolves when it is durable. @throws {ShadowError}, {StoreError} */
  ask(ask: ShadowAsk): Promise<ShadowOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ask, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What is asked in the same turn is decided together.
    await undefined;
    while (this.#waiting.length > 0) {
      const round = this.#waiting;
      this.#waiting = [];
      const decided = await this.#decideAll(round.map(({ ask }) => ask));
      for (const [at, { resolve, reject }] of round.entries()) {
        const each = decided[at]!;
        if ('error' in each) reject(each.error);
        else resolve(each.outcome);
      }
    }
    // Between two rounds only: what is kept for longer would have to be told of what others write.
    this.#stored.clear();
    this.#isRunning = false;
  }

  async #decideAll(asks: readonly ShadowAsk[]): Promise<Decided[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(asks);
      } catch (error) {
        this.#stored.clear();
        const again = error instanceof StoreError && error.code === 'conflict' && attempt < ATTEMPTS_MAX;
        // What was decided is not durable, and what was read stood on it.
        if (!again) return asks.map(() => ({ error }));
      }
    }
  }

  /** @throws {StoreError} when nothing of it was written */
  async #attempt(asks: readonly ShadowAsk[]): Promise<Decided[]> {
    await this.#load(asks);
    let room = await this.#room(asks);
    const now = this.#ports.seconds();
    const changed = new Map<string | undefined, KeptShadow>();
    const decided = asks.map((ask): Decided => {
      const { name } = ask;
      const before = changed.get(name) ?? this.#stored.get(name)!.kept;
      try {
        const isNew = ask.verb === 'update' && name !== undefined && before === undefined;
        if (isNew && room <= 0) {
          throw new ShadowError(400, `the device has ${this.#limits.namedMax} named shadows, and may have no more`);
        }
        const { kept, outcome } = this.#decide(ask, before, now);
        if (kept !== undefined) changed.set(name, kept);
        if (isNew) room--;
        return { outcome };
      } catch (error) {
        return { error };
      }
    });
    await this.#write(changed);
    return decided;
  }

  #decide(ask: ShadowAsk, before: KeptShadow | undefined, now: number): { kept?: KeptShadow; outcome: ShadowOutcome } {
    const title = ask.name ?? this.#device;
    if (ask.verb === 'get') return { outcome: { verb: 'get', document: existing(before, title) } };
    if (ask.verb === 'delete') {
      const tombstone = deleteShadow(before, title, now);
      return { kept: tombstone, outcome: { verb: 'delete', tombstone } };
    }
    const after = updateShadow(before, ask.request, now, this.#limits);
    return { kept: after, outcome: { verb: 'update', before: documentOf(before), after } };
  }

  async #load(asks: readonly ShadowAsk[]): Promise<void> {
    const missing = new Set(asks.map(({ name }) => name).filter((name) => !this.#stored.has(name)));
    const { store } = this.#ports;
    await Promise.all(
      [...missing].map(async (name) => this.#stored.set(name, await readShadow(store, this.#device, name))),
    );
  }

  /** How many more named shadows there may be; not looked for where none is made. */
  async #room(asks: readonly ShadowAsk[]): Promise<number> {
    const makesOne = ({ verb, name }: ShadowAsk) =>
      verb === 'update' && name !== undefined && this.#stored.get(name)!.kept === undefined;
    if (!asks.some(makesOne)) return 0;
    const { namedMax } = this.#limits;
    return namedMax - (await countShadows(this.#ports.store, this.#device, namedMax));
  }

  async #write(changed: ReadonlyMap<string | undefined, KeptShadow>): Promise<void> {
    if (changed.size === 0) return;
    const changes = [...changed].map(([name, kept]) =>
      shadowChange(this.#device, name, kept, this.#stored.get(name)!.itemVersion),
    );
    await this.#ports.store.write(changes);
    for (const [name, kept] of changed) {
      this.#stored.set(name, { kept, itemVersion: this.#stored.get(name)!.itemVersion + 1 });
    }
  }
}
