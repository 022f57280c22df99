/**
 * Makes what runs here what the hub wants, by the shadow `weir`, and tells the hub how it is doing.
 *
 * The shadow is a state, not a message: it is asked for after each connect and once a minute, and a delta only makes
 * the agent ask sooner. What it says is a hint, and what people read; believed is the statement that the hub has signed
 * for this device, which is fetched when the hint is another. What is wanted is kept, so that the way there goes on
 * without a hub.
 */
import {
  byteLength,
  type Json,
  type JsonObject,
  type ReportedDeployment,
  SHADOW_LIMITS,
  shadowPrefix,
  type WantedDeployment,
  WEIR_SHADOW,
} from '@weir/protocols';
import { type FoldStatus, hashBundle } from '@weir/runtime';
import type { ClockStatus } from '../clock/agent-clock.ts';
import { type Clock, every } from '../clock/clock.ts';
import type { CandidateStatus } from '../functions/candidates.ts';
import type { Kept } from '../functions/deployments.ts';
import type { KeptDeployment } from '../functions/kept-deployments.ts';
import type { DeployRequest } from '../functions/pipeline-ports.ts';
import type { TrialKey } from '../functions/trial-table.ts';
import type { Secrets } from '../secrets/secrets.ts';
import type { SpoolState } from '../spool/operations.ts';
import type { Spool } from '../spool/spool.ts';
import type { StorageHealth } from '../spool/storage.ts';
import type { VitalsWatch } from '../status/vitals.ts';
import { RefusedError } from '../trust/refused-error.ts';
import type { HubFiles, Trust, TrustStatus } from '../trust/trust.ts';
import { Belief } from './belief.ts';
import {
  cutToFit,
  type Failure,
  missingBundle,
  objectAt,
  parseDesired,
  parseObject,
  patchOf,
  reportDeployments,
  type Stage,
  sameTarget,
  targetOf,
  type Wanted,
} from './convergence.ts';
import { candidatesIn, keyOfCandidate, sameKeys } from './green.ts';
import { healthOf } from './health.ts';
import { Room, type RoomLimits, type RoomPorts } from './room.ts';

export interface DeployerPorts {
  spool: Spool;
  clock: Clock;
  /** What is to run, and what may. */
  trust: Pick<Trust, 'start' | 'refresh' | 'obtain' | 'deployments' | 'status' | 'mayReturnTo'>;
  /** For what runs already, and is damaged. */
  files: Pick<HubFiles, 'bundle'>;
  /** Runs it, and commits that it runs. */
  deploy: (request: DeployRequest) => Promise<void>;
  status: () => FoldStatus[];
  /** What runs, as it is committed. */
  kept: () => Kept;
  /** What runs beside it. */
  candidates: () => readonly CandidateStatus[];
  /** Names of what is deployed and does not run, for its bundle cannot be read. */
  damaged: () => ReadonlySet<string>;
  /** To the hub; rejects when it is away. */
  publish: (topic: string, payload: string) => Promise<void>;
  isConnected: () => boolean;
  /** Absent, or undefined: it is right. */
  clockStatus?: () => ClockStatus | undefined;
  /** Absent, or undefined: all is well. */
  storageHealth?: () => StorageHealth | undefined;
  /** Absent: this device has none. */
  secrets?: Pick<Secrets, 'hear' | 'report'> | undefined;
  /** Absent: what it counts is all that it tells of itself. */
  vitals?: Pick<VitalsWatch, 'start' | 'stop' | 'read'>;
  /** Absent: the disk cannot be asked. */
  machine?: RoomPorts['machine'];
  log: (level: 'info' | 'warn', message: string) => void;
}

export interface DeployerLimits extends RoomLimits {
  /** ms */
  poll: number;
  report: number;
  refresh: number;
}

/** Of the shadow, for what the hub may add to it meanwhile. */
const MARGIN_BYTES = 64;

export class Deployer {
  readonly subscriptions: readonly string[];
  #prefix: string;
  #ports: DeployerPorts;
  #limits: DeployerLimits;
  #agent: { version: string; startedAt: number };
  /** JSON of the shadow's desired section. */
  #desired = '';
  /** JSON of what is believed. */
  #statement = '';
  #belief: Belief;
  #wanted: Map<string, WantedDeployment> = new Map();
  #undecided = new Set<string>();
  #failures = new Map<string, Failure>();
  #stages = new Map<string, Stage>();
  #room: Room;
  #candidateFailures = new Map<string, Failure>();
  /** The reported section as the hub has it; undefined: not asked yet. */
  #known: JsonObject | undefined;
  #version = 0;
  /** Questions to the hub what is to run that it has not answered. */
  #learning = 0;
  #converging: Promise<void> | undefined;
  #again = false;
  #reporting = false;
  #reportAgain = false;
  #stops: (() => void)[] = [];
  #stopped = false;

  constructor(device: string, version: string, ports: DeployerPorts, limits: DeployerLimits) {
    this.#prefix = shadowPrefix(device, WEIR_SHADOW);
    this.subscriptions = ['get/accepted', 'get/rejected', 'update/delta', 'update/rejected'].map(
      (suffix) => `${this.#prefix}/${suffix}`,
    );
    this.#ports = ports;
    this.#room = new Room(ports, limits);
    this.#belief = new Belief(ports, limits.refresh);
    this.#limits = limits;
    this.#agent = { version, startedAt: ports.clock.now() };
  }

  /** Takes up where the last run stopped. */
  async start({ desired }: Pick<SpoolState, 'desired'>): Promise<void> {
    const { clock, trust } = this.#ports;
    await trust.start(desired);
    if (desired !== undefined) this.#understand(desired);
    this.#ports.vitals?.start();
    this.#stops = [
      every(clock, this.#limits.poll, () => this.#ask()),
      every(clock, this.#limits.report, () => this.report()),
    ];
    this.#converge();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ports.vitals?.stop();
    for (const stop of this.#stops) stop();
    await this.#converging;
  }

  get trust(): TrustStatus {
    return this.#ports.trust.status;
  }

  /** What the hub wants is heard on this connection, and runs as far as it can. */
  get isSettled(): boolean {
    const isIdle = this.#learning === 0 && this.#converging === undefined;
    return isIdle && this.#known !== undefined && this.#ports.isConnected();
  }

  /** The uplink is up. */
  onUp(): void {
    this.#known = undefined;
    this.#version = 0;
    this.#belief.onUp();
    this.#ask();
  }

  /** @returns false when the message is not for the deployer */
  onMessage(topic: string, payload: Uint8Array): boolean {
    if (!topic.startsWith(`${this.#prefix}/`)) return false;
    const suffix = topic.slice(this.#prefix.length + 1);
    const body = parseObject(payload);
    if (body === undefined) this.#ports.log('warn', `the hub's message on ${topic} is not JSON`);
    else if (suffix === 'get/accepted') this.#onShadow(body);
    else if (suffix === 'update/delta') this.#ask();
    else if (suffix === 'get/rejected') this.#onRejected(body);
    else this.#ports.log('warn', `the hub refused the report: ${body.code} ${body.message}`);
    return true;
  }

  /** Tells the hub what has changed since it was told last. */
  async report(): Promise<void> {
    if (this.#known === undefined || this.#stopped || !this.#ports.isConnected()) return;
    this.#reportAgain = true;
    if (this.#reporting) return;
    this.#reporting = true;
    try {
      while (this.#reportAgain && !this.#stopped) {
        this.#reportAgain = false;
        await this.#reportOnce();
      }
    } catch (error) {
      this.#ports.log('warn', `the state could not be reported: ${(error as Error).message}`);
    } finally {
      this.#reporting = false;
    }
  }

  async #reportOnce(): Promise<void> {
    const { spool, publish } = this.#ports;
    const { counts, vitals = {} } = (await this.#ports.vitals?.read()) ?? { counts: await spool.call('counts') };
    const { accepted, refused, lanes } = counts;
    const waiting = lanes.reduce((sum, { items }) => sum + items, 0);
    const dropped = lanes.reduce((sum, lane) => sum + lane.dropped, 0);
    const rest = {
      agent: this.#agent,
      ...this.#belief.report(),
      ...this.#ports.secrets?.report(),
      health: { accepted, refused, waiting, dropped, ...this.#health(), ...vitals },
    };
    const all = this.status();
    const bytesMax =
      SHADOW_LIMITS.bytesMax - byteLength(this.#desired) - byteLength(JSON.stringify(rest)) - MARGIN_BYTES;
    const actual = { ...rest, deployments: cutToFit(all, bytesMax) };
    const patch = this.#known && patchOf(this.#known, actual);
    if (patch === undefined) return;
    await publish(`${this.#prefix}/update`, JSON.stringify({ state: { reported: patch } }));
    this.#known = actual as unknown as JsonObject;
  }

  /** How each wanted deployment is doing. */
  status(): Record<string, ReportedDeployment> {
    const { kept, candidates, status } = this.#ports;
    const { told, failures } = this.#belief.told(this.#wanted, this.#failures);
    const underWay = { failures, stages: this.#stages, candidateFailures: this.#candidateFailures };
    return reportDeployments(told, kept(), { ...underWay, candidates: candidates() }, status());
  }

  #health(): ReturnType<typeof healthOf> {
    return healthOf(this.#ports.storageHealth?.(), this.#ports.clockStatus?.());
  }

  #ask(): void {
    if (this.#ports.isConnected()) this.#ports.publish(`${this.#prefix}/get`, '').catch(() => {});
  }

  #onShadow(document: JsonObject): void {
    const version = document.version as number;
    // Answers may overtake one another. @see AWS IoT developer guide: messages are not ordered
    if (version < this.#version) return;
    this.#version = version;
    const desired = objectAt(document.state, 'desired');
    this.#known = objectAt(document.state, 'reported');
    this.#desired = JSON.stringify(desired);
    void this.#ports.secrets?.hear(desired);
    if (this.#belief.hear(desired)) void this.#learn();
    else this.#converge();
  }

  async #learn(): Promise<void> {
    this.#learning++;
    const json = await this.#belief.ask();
    this.#learning--;
    if (json !== undefined && json !== this.#statement) this.#understand(json);
    this.#converge();
  }

  /** Without a shadow nothing is wished for; what runs goes on. The first report makes one. */
  #onRejected({ code, message }: JsonObject): void {
    if (code !== 404) {
      this.#ports.log('warn', `the hub refused to tell what is wanted: ${code} ${message}`);
      return;
    }
    this.#known = {};
    void this.report();
  }

  #understand(json: string): void {
    this.#statement = json;
    const { wanted, faults } = parseDesired(JSON.parse(json) as Json);
    this.#wanted = wanted;
    this.#undecided = new Set(faults.map((fault) => fault.slice(0, fault.indexOf(':'))));
    for (const fault of faults) this.#ports.log('warn', `a deployment is not understood: ${fault}`);
    for (const [name, { hash }] of this.#failures) {
      if (wanted.get(name)?.hash !== hash) this.#failures.delete(name);
    }
  }

  #converge(): void {
    this.#again = true;
    this.#converging ??= this.#run().finally(() => {
      this.#converging = undefined;
      // What was wanted while the last report was under way.
      if (this.#again && !this.#stopped) this.#converge();
    });
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      void this.report();
      this.#stages.clear();
      try {
        await this.#step();
      } catch (error) {
        this.#ports.log('warn', `the deployment failed: ${(error as Error).message}`);
      }
    }
    this.#stages.clear();
    await this.report();
  }

  async #step(): Promise<void> {
    const wanted = this.#wanted;
    const undecided = this.#undecided;
    const { kept, damaged, deploy, log } = this.#ports;
    const broken = damaged();
    await this.#room.clear([...wanted.values()].flatMap(({ hash, candidate }) => [hash, candidate?.hash ?? hash]));
    const atHand = new Set<string>();
    let isMended = false;
    for (const [name, deployment] of wanted) {
      const before = kept().get(name);
      const missing = missingBundle(before, deployment, broken.has(name));
      if (missing === undefined) continue;
      const isRepair = broken.has(name) && missing.hash === before?.hash;
      if (!(await this.#obtain(name, missing, isRepair))) continue;
      atHand.add(missing.hash);
      this.#stages.set(name, { hash: missing.hash, state: 'staged' });
      isMended ||= broken.has(name);
    }
    const target = (now: Kept) => targetOf(wanted, now, atHand, undecided).map((each) => this.#withoutForbidden(each));
    const running = [...kept().values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const candidates = await this.#obtainCandidates(wanted, undecided);
    const isSame = sameTarget(running, target(kept())) && sameKeys(this.#ports.candidates(), candidates);
    if (isSame && !isMended) return;
    const hashesNeeded = [...wanted.values(), ...candidates].map(({ hash }) => hash);
    for (const stage of this.#stages.values()) stage.state = 'starting';
    void this.report();
    await deploy({ targetOf: target, hashesNeeded, candidates });
    log('info', `deployed: ${[...kept().keys()].join(', ') || 'nothing'}`);
  }

  /** A newer release may say that what ran before it is not to run any more, whatever becomes of the newer one. */
  #withoutForbidden(next: KeptDeployment): KeptDeployment {
    const { lastGood, ...rest } = next;
    return lastGood === undefined || this.#ports.trust.mayReturnTo(next.name, lastGood.hash) ? next : rest;
  }

  /** @returns those that shall run beside what runs and are here; of what was not understood those that do */
  async #obtainCandidates(wanted: Wanted, undecided: ReadonlySet<string>): Promise<TrialKey[]> {
    const running = this.#ports.candidates();
    const found = running
      .filter(({ name }) => undecided.has(name))
      .map(({ name, hash, config }) => ({ name, hash, config }));
    for (const [name, candidate] of candidatesIn(wanted)) {
      const key = keyOfCandidate(name, candidate, running);
      const isHere = running.some((each) => sameKeys([each], [key]));
      if (isHere || (await this.#obtain(name, candidate, false, this.#candidateFailures))) found.push(key);
    }
    return found;
  }

  /**
   * @param isRepair it runs already, and what of it is on the card is damaged
   * @returns whether the bundle is here, and may run
   */
  async #obtain(
    name: string,
    wanted: WantedDeployment,
    isRepair: boolean,
    failures = this.#failures,
  ): Promise<boolean> {
    const { trust, isConnected, log } = this.#ports;
    try {
      await this.#room.check(wanted);
      const isHere = isRepair
        ? await this.#repair(wanted)
        : (await trust.obtain(name, wanted, isConnected())) !== undefined;
      if (isHere) failures.delete(name);
      return isHere;
    } catch (error) {
      const reason = this.#room.reasonOf(error as Error);
      const code = error instanceof RefusedError ? error.code : undefined;
      failures.set(name, { hash: wanted.hash, reason, ...(code !== undefined && { code }) });
      log('warn', `${name}@${wanted.version} cannot be deployed: ${reason}`);
      return false;
    }
  }

  /** It was taken once, and its hash says that it is the same. */
  async #repair({ hash, bytes: bytesMax }: WantedDeployment): Promise<boolean> {
    const { spool, files, isConnected } = this.#ports;
    const here = await spool.call('bundle', hash);
    if (here !== undefined && hashBundle(here) === hash) return true;
    if (!isConnected()) return false;
    await spool.call('stageBundle', hash, await files.bundle(hash, bytesMax));
    return true;
  }
}
