/** HTTP requests of functions at the edge: kept in the spool, carried from there, answered through the pipeline. */
import {
  AllowList,
  type Answer,
  type Deployed,
  declaredRequests,
  eventPosition,
  type HttpRequest,
  type OpenCircuit,
  RequestCarrier,
  RequestRoom,
  type SendHttp,
  unansweredLetter,
  type WaitingRequest,
} from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import type { OfferedEvent } from './event-queue.ts';

export interface RequestsPorts {
  clock: Clock;
  /** 0 to 1 */
  random: () => number;
  send: SendHttp;
  /** By name; undefined: there is none. */
  secret: (name: string) => string | undefined;
  offerEvent: (event: OfferedEvent) => Promise<void>;
  /** Resolves when everything that was committed is on the disk. */
  synced: () => Promise<void>;
  onFailure: (what: string, error: Error) => void;
}

export interface RequestsStatus {
  /** Not yet answered. */
  waiting: number;
  /** Since the agent was started: answered with an error because they are not allowed or too many wait. */
  refused: number;
  /** Neither sent nor answered, for even those that wait to be refused are too many. */
  dropped: number;
  /** Given up after their last attempt. */
  dead: number;
  /** Destinations that are left alone for a while. */
  circuits: OpenCircuit[];
}

const RETRY_MS = 5_000;

export class Requests {
  readonly #device: string;
  readonly #owner: string;
  readonly #ports: RequestsPorts;
  readonly #allow: AllowList;
  readonly #room: RequestRoom;
  readonly #carrier: RequestCarrier;
  /** Those that are kept and not answered: the moment at which they are on the disk may come late, and twice. */
  readonly #unanswered = new Set<string>();
  readonly #queue = { settle: (waiting: WaitingRequest, answer: Answer) => this.#settle(waiting, answer) };
  #refused = 0;
  #dropped = 0;
  #dead = 0;
  /** When monotonic time was 0, by the clock as it was at the start. */
  #startedAt: number;

  /** @param epoch life of the spool and run of the agent: with another spool, or an older copy of it, ids come again */
  constructor(
    { device, epoch }: { device: string; epoch: string },
    ports: RequestsPorts,
    config: Config['functions']['requests'],
  ) {
    const { clock, random, send, secret, onFailure } = ports;
    this.#startedAt = clock.now() - clock.monotonic();
    this.#device = device;
    this.#owner = `${device}:${epoch}`;
    this.#ports = ports;
    this.#allow = new AllowList(config.allow);
    this.#room = new RequestRoom(config);
    this.#carrier = new RequestCarrier(
      {
        send,
        allow: this.#allow,
        secrets: async (_waiting, name) => secret(name),
        now: () => this.#evenNow(),
        after: (ms, run) => clock.after(ms, run),
        random,
        onFailure,
      },
      { ...config, giveUpMs: config.giveUp },
      // A plant's own network is what a gateway is for.
      'any',
    );
  }

  /** What of them a step is to keep. */
  admit(requests: readonly HttpRequest[], deployed: readonly Deployed[]): WaitingRequest[] {
    if (requests.length === 0) return [];
    const refusal = (request: HttpRequest) => this.#allow.refusal(request, declaredRequests(request.fold, deployed));
    const { kept, dropped } = this.#room.admit(this.#owner, requests, refusal);
    this.#refused += kept.filter(({ refused }) => refused !== undefined).length;
    this.#dropped += dropped;
    return kept;
  }

  /**
   * Carries those that are kept, once they are on the disk: what has left the device would be made again after a power cut,
   * under another name.
   */
  add(requests: readonly WaitingRequest[]): void {
    for (const waiting of requests) this.#unanswered.add(nameOf(waiting));
    this.#carry(requests);
  }

  /** Begins again with those that the spool has. */
  restart(requests: readonly WaitingRequest[]): void {
    this.#room.reset(requests);
    this.add(requests);
  }

  stop(): Promise<void> {
    return this.#carrier.stop();
  }

  status(): RequestsStatus {
    return {
      waiting: this.#room.waiting,
      refused: this.#refused,
      dropped: this.#dropped,
      dead: this.#dead,
      circuits: this.#carrier.openCircuits().map(({ until, ...rest }) => ({
        ...rest,
        until: until === undefined ? undefined : until + this.#stepped,
      })),
    };
  }

  #carry(requests: readonly WaitingRequest[]): void {
    const unanswered = requests.filter((waiting) => this.#unanswered.has(nameOf(waiting)));
    if (unanswered.length === 0) return;
    const { synced, clock, onFailure } = this.#ports;
    synced().then(
      () =>
        this.#carrier.add(
          this.#queue,
          unanswered.filter((waiting) => this.#unanswered.has(nameOf(waiting))),
        ),
      (error) => {
        onFailure('requests are not sent as long as they are not on the disk', error as Error);
        clock.after(RETRY_MS, () => this.#carry(unanswered));
      },
    );
  }

  /** As the clock would stand had nobody set it since the start: a request is not given up because somebody did. */
  #evenNow(): number {
    return this.#startedAt + this.#ports.clock.monotonic();
  }

  get #stepped(): number {
    return Math.round(this.#ports.clock.now() - this.#evenNow());
  }

  async #settle(waiting: WaitingRequest, { response, isDead }: Answer): Promise<void> {
    const { request } = waiting;
    const { id } = request;
    const at = this.#ports.clock.now();
    const letter = (deployed: readonly Deployed[]) =>
      unansweredLetter(request, response.error ?? 'no answer', { at, device: this.#device, deployed });
    await this.#ports.offerEvent({
      event: { kind: 'response', response },
      position: eventPosition('response', id),
      settled: { request: id },
      ...(isDead && { letter }),
    });
    this.#unanswered.delete(nameOf(waiting));
    this.#room.release([waiting]);
    if (isDead) this.#dead++;
  }
}

function nameOf({ owner, request }: WaitingRequest): string {
  return `${owner}/${request.id}`;
}
