import type { ReportedDeployment } from '@weir/protocols';
import type { Store } from '../../store/store.ts';
import type { DeploymentRecord, DeviceRecord } from '../fleet.ts';
import { itemsOf, memberKey, prefixRange } from '../keys.ts';
import type { Winner } from '../winners.ts';
import { type Facts, notedOf, viewOf } from './facts.ts';
import type { DeviceView, Rollout } from './rollout.ts';
import { type Admission, admissionsOf } from './stored.ts';

export interface CrewPorts {
  store: Store;
  device(id: string): Promise<DeviceRecord | undefined>;
  /** What a device says of what runs under a name, there or in the hub. */
  reported(device: string, target: DeploymentRecord): Promise<ReportedDeployment | undefined>;
  /** What the device should run if this were wanted by its group. */
  wantedWith(device: string, assumed: DeploymentRecord): Promise<Map<string, Winner> | undefined>;
}

/** Devices that are asked for at a time. */
const CONCURRENCY = 32;

/** The devices of a group, as one rollout after another of one name needs to know them; kept up with what happens. */
export class Crew {
  readonly #ports: CrewPorts;
  readonly #group: string;
  readonly #name: string;
  #facts = new Map<string, Facts>();
  #admissions = new Map<string, Admission>();
  /** Devices of which something changed; undefined: everything is to be read anew. */
  #changed: Set<string> | undefined;

  constructor(ports: CrewPorts, group: string, name: string) {
    this.#ports = ports;
    this.#group = group;
    this.#name = name;
  }

  has(device: string): boolean {
    return this.#facts.has(device);
  }

  /** Something is to be read before it can be looked at. */
  get isStale(): boolean {
    return this.#changed === undefined || this.#changed.size > 0;
  }

  changed(device: string): void {
    this.#changed?.add(device);
  }

  /** Members and all that is known of them is read again. */
  forget(): void {
    this.#changed = undefined;
  }

  /** Looks at what has changed. */
  async read(rollout: Rollout): Promise<void> {
    if (this.#changed === undefined) await this.#readAll(rollout);
    else await this.#readChanged(rollout);
  }

  views(rollout: Rollout): DeviceView[] {
    return [...this.#facts.values()].map((facts) => viewOf(facts, rollout));
  }

  /** Of these it is known that they were let in: it has just been written. */
  admitted(devices: readonly string[], { order, wave }: Rollout, at: number): void {
    for (const device of devices) {
      this.#note(device, { order, wave, at });
    }
  }

  /** So are these to run it. */
  running(admissions: ReadonlyMap<string, Admission>): void {
    for (const [device, admission] of admissions) this.#note(device, admission);
  }

  /** All that were let in, to this rollout or to one before. */
  get letIn(): ReadonlySet<string> {
    return new Set(this.#admissions.keys());
  }

  #note(device: string, admission: Admission): void {
    this.#admissions.set(device, admission);
    const facts = this.#facts.get(device);
    if (facts !== undefined) facts.admission = admission;
  }

  /** Whether what is known of admissions is what the rollout counts. */
  isComplete({ order, admitted }: Rollout): boolean {
    let count = 0;
    for (const admission of this.#admissions.values()) if (admission.order === order) count += 1;
    return count === admitted;
  }

  /** Admissions of devices that are seen to run what they were let in to, as they are to be noted. */
  newlyRunning(rollout: Rollout, now: number): Map<string, Admission> {
    const noted = new Map<string, Admission>();
    for (const facts of this.#facts.values()) {
      const admission = notedOf(facts, rollout, now);
      if (admission !== undefined) noted.set(facts.device, admission);
    }
    return noted;
  }

  async #readAll(rollout: Rollout): Promise<void> {
    this.#changed = new Set();
    await this.#readAdmissions();
    const joined = new Map<string, number>();
    const members = { table: 'group', partition: this.#group, ...prefixRange('device/') };
    for await (const { sort, json } of itemsOf(this.#ports.store, members)) {
      joined.set(sort.slice('device/'.length), joinedAtOf(json));
    }
    const facts = await inChunks([...joined], ([device, joinedAt]) => this.#read(device, joinedAt, rollout));
    this.#facts = new Map(facts.flatMap((each) => (each === undefined ? [] : [[each.device, each]])));
  }

  async #readAdmissions(): Promise<void> {
    const all = await admissionsOf(this.#ports.store, this.#group, this.#name);
    this.#admissions = new Map([...all].map(([device, { admission }]) => [device, admission]));
  }

  async #readChanged(rollout: Rollout): Promise<void> {
    const changed = [...this.#changed!];
    this.#changed = new Set();
    const facts = await inChunks(changed, async (device) => {
      const joinedAt = this.#facts.get(device)?.joinedAt ?? (await this.#joinedAt(device));
      return joinedAt === undefined ? undefined : this.#read(device, joinedAt, rollout);
    });
    for (const [at, each] of facts.entries()) {
      if (each === undefined) this.#facts.delete(changed[at]!);
      else this.#facts.set(each.device, each);
    }
  }

  async #joinedAt(device: string): Promise<number | undefined> {
    const item = await this.#ports.store.get(memberKey(this.#group, device));
    return item && joinedAtOf(item.json);
  }

  async #read(device: string, joinedAt: number, { target }: Rollout): Promise<Facts | undefined> {
    const record = await this.#ports.device(device);
    if (!record?.groups.includes(this.#group)) return undefined;
    const { presence, tags, groups } = record;
    const facts: Facts = {
      device,
      joinedAt,
      connected: presence?.connected ?? false,
      since: presence?.since ?? 0,
      tags,
      overridden: groups.length > 1 && (await this.#isOverridden(device, target)),
    };
    if (tags.tz !== undefined) facts.zone = tags.tz;
    const admission = this.#admissions.get(device);
    if (admission !== undefined) facts.admission = admission;
    const reported = await this.#ports.reported(device, target);
    if (reported !== undefined) facts.reported = reported;
    return facts;
  }

  async #isOverridden(device: string, target: DeploymentRecord): Promise<boolean> {
    const wanted = await this.#ports.wantedWith(device, target);
    return wanted?.get(target.name)?.deployment.order !== target.order;
  }
}

function joinedAtOf(json: unknown): number {
  return (json as { addedAt?: number } | undefined)?.addedAt ?? 0;
}

async function inChunks<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let at = 0; at < items.length; at += CONCURRENCY) {
    done.push(...(await Promise.all(items.slice(at, at + CONCURRENCY).map(work))));
  }
  return done;
}
