/**
 * HTTP requests of functions in the cloud: kept with the commit that caused them, carried afterwards, answered by events.
 *
 *     table `request` · partition <log partition> · sort <device>/<number> · json: WaitingRequest[]
 *
 * What a step asks for is one item, or a few, so that it fits into the very write that keeps the step: an item that is
 * there is one whose step is kept. Each answer takes its request out of the item.
 */
import { createHash } from 'node:crypto';
import { byteLength } from '@weir/protocols';
import {
  type AllowList,
  type Answer,
  type Declared,
  eventPosition,
  type HttpRequest,
  type RequestCarrier,
  type RequestQueue,
  RequestRoom,
  type RoomLimits,
  unansweredLetter,
  type WaitingRequest,
} from '@weir/runtime';
import type { Change, ItemKey, Store } from '../store/store.ts';
import type { OfferedEvent, OnceChanges } from './event-queue.ts';
import type { WorkerCounts } from './limits.ts';

/** What the workers of all partitions share. */
export interface RequestService {
  carrier: RequestCarrier;
  allow: AllowList;
  /** Of one partition. */
  room: RoomLimits;
}

export interface RequestsPorts {
  store: Store;
  service: RequestService;
  counts: WorkerCounts;
  now: () => number;
  offerEvent(event: OfferedEvent): Promise<void>;
}

const TABLE = 'request';
/** An item is written again with each of its answers. */
const PACK_BYTES = 65_536;
/** Items of one step: it must fit into one write of a hundred changes. */
const PACKS_MAX = 16;
/** As JSON; an item may have 400,000. */
const REQUEST_BYTES_MAX = 300_000;

interface Pack {
  key: ItemKey;
  device: string;
  requests: readonly WaitingRequest[];
}

const OWNER_ENDING = ':cloud';

function ownerOf(device: string): string {
  return `${device}${OWNER_ENDING}`;
}

/** @param owner of a request that was admitted here */
export function deviceOf(owner: string): string {
  return owner.slice(0, -OWNER_ENDING.length);
}

/** Those of one partition. */
export class PartitionRequests implements RequestQueue {
  readonly #partition: number;
  readonly #ports: RequestsPorts;
  readonly #room: RequestRoom;
  /** By owner and id of each request that the store has. */
  #packs = new Map<string, Pack>();

  constructor(partition: number, ports: RequestsPorts) {
    this.#partition = partition;
    this.#ports = ports;
    this.#room = new RequestRoom(ports.service.room);
  }

  /** Reads what waits, and has it carried; to be called before anything is admitted, and whenever a commit failed. */
  async load(): Promise<void> {
    const packs = new Map<string, Pack>();
    let after: string | undefined;
    do {
      const query = { table: TABLE, partition: `${this.#partition}` };
      const page = await this.#ports.store.query(after === undefined ? query : { ...query, after });
      for (const { sort, json } of page.items) {
        const device = sort.slice(0, sort.lastIndexOf('/'));
        hold(packs, { key: this.#key(sort), device, requests: json as WaitingRequest[] });
      }
      after = page.next;
    } while (after !== undefined);
    this.#packs = packs;
    this.recount();
    this.#carry(this.#waiting);
  }

  /** What was admitted was not committed. */
  recount(): void {
    this.#room.reset(this.#waiting);
  }

  /**
   * Finds room for what a step asks for.
   * @param declared what the function's manifest says it asks for
   * @returns the changes that keep it; undefined: there are none
   */
  admit(
    device: string,
    requests: readonly HttpRequest[],
    declared: (fold: string) => Declared,
  ): OnceChanges | undefined {
    if (requests.length === 0) return undefined;
    const { allow } = this.#ports.service;
    const refusal = (request: HttpRequest) => tooLarge(request) ?? allow.refusal(request, declared(request.fold));
    const { kept, dropped } = this.#room.admit(ownerOf(device), requests, refusal);
    this.#ports.counts.requestsRefused += kept.filter(({ refused }) => refused !== undefined).length;
    this.#ports.counts.requestsDropped += dropped;
    const all = packed(kept).map((each): Pack => ({ key: this.#keyOf(device, each[0]!), device, requests: each }));
    const packs = all.slice(0, PACKS_MAX);
    for (const { requests: beyond } of all.slice(PACKS_MAX)) {
      this.#room.release(beyond);
      this.#ports.counts.requestsDropped += beyond.length;
    }
    return {
      changes: packs.map(({ key, requests: json }) => ({ put: key, json })),
      committed: () => {
        for (const pack of packs) hold(this.#packs, pack);
        this.#carry(packs.flatMap((pack) => pack.requests));
      },
    };
  }

  async settle(waiting: WaitingRequest, { response, isDead }: Answer): Promise<void> {
    const { request } = waiting;
    const name = nameOf(waiting);
    const pack = this.#packs.get(name);
    // Another worker has seen to it.
    if (pack === undefined) return;
    const { device } = pack;
    await this.#ports.offerEvent({
      device,
      event: { kind: 'response', response },
      position: eventPosition('response', request.id),
      isDue: () => this.#packs.has(name),
      ...(isDead && {
        letter: (deployed) =>
          unansweredLetter(request, response.error ?? 'no answer', { at: this.#ports.now(), device, deployed }),
      }),
      settles: () => ({
        changes: [this.#without(name)],
        committed: () => {
          this.#release(name);
          this.#ports.counts.requestsAnswered++;
          if (isDead) this.#ports.counts.requestsDead++;
        },
      }),
    });
  }

  #without(name: string): Change {
    const { key, requests } = this.#packs.get(name)!;
    const left = requests.filter((each) => nameOf(each) !== name);
    return left.length > 0 ? { put: key, json: left } : { remove: key };
  }

  #release(name: string): void {
    const pack = this.#packs.get(name)!;
    this.#packs.delete(name);
    this.#room.release(pack.requests.filter((each) => nameOf(each) === name));
    pack.requests = pack.requests.filter((each) => nameOf(each) !== name);
  }

  get #waiting(): WaitingRequest[] {
    return [...new Set(this.#packs.values())].flatMap(({ requests }) => requests);
  }

  #carry(requests: readonly WaitingRequest[]): void {
    if (requests.length > 0) this.#ports.service.carrier.add(this, requests);
  }

  /** Derives from the first request in it: a step that is run again writes the same items. */
  #keyOf(device: string, first: WaitingRequest): ItemKey {
    return this.#key(`${device}/${createHash('sha256').update(first.request.id).digest('hex').slice(0, 20)}`);
  }

  #key(sort: string): ItemKey {
    return { table: TABLE, partition: `${this.#partition}`, sort };
  }
}

function hold(packs: Map<string, Pack>, pack: Pack): void {
  for (const waiting of pack.requests) packs.set(nameOf(waiting), pack);
}

function nameOf({ owner, request }: WaitingRequest): string {
  return `${owner}\0${request.id}`;
}

/** In their order, as many to an item as fit. */
function packed(requests: readonly WaitingRequest[]): WaitingRequest[][] {
  const packs: WaitingRequest[][] = [];
  let bytes = PACK_BYTES;
  for (const waiting of requests) {
    const size = byteLength(JSON.stringify(waiting));
    if (bytes + size > PACK_BYTES) {
      packs.push([]);
      bytes = 0;
    }
    packs.at(-1)!.push(waiting);
    bytes += size;
  }
  return packs;
}

function tooLarge(request: HttpRequest): string | undefined {
  const bytes = byteLength(JSON.stringify(request));
  return bytes > REQUEST_BYTES_MAX ? `it has ${bytes} bytes, over ${REQUEST_BYTES_MAX}` : undefined;
}
