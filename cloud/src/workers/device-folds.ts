/** The folds of one device that run in the cloud: which version of each, as the fleet wants it or as it has to be. */
import { configDigest, isGatherer, type JsonObject, type ReportedDeployment, sameJson } from '@weir/protocols';
import {
  type Deployed,
  deploymentOfState,
  emptyStepOutput,
  type FoldEvent,
  type FoldHost,
  type FoldStatus,
  type Holding,
  joinOutputs,
  mend,
  refuse,
  replaceFold,
  reportOf,
  restoredState,
  type StepInput,
  type StepOutput,
  savesState,
  Trials,
  takeOver,
  unfitOf,
  versionOf,
  wantedAgain,
} from '@weir/runtime';
import { CLOUD_DEPLOYMENTS_MAX } from '../fleet/cloud-room.ts';
import type { CloudDeployed, Feed, Fleet } from '../fleet/fleet.ts';
import type { Change, Store } from '../store/store.ts';
import { Feeds } from './gather/feeds.ts';
import { type CloudSuccession, KeptFolds } from './kept-folds.ts';
import type { RuleCosts } from './rule-costs.ts';

export interface HostPorts {
  makeHost(device: string, onStatus: (status: FoldStatus[]) => void): FoldHost;
  /** Of what runs, not of what is only tried. */
  ruleCosts?: Pick<RuleCosts, 'watch'>;
}

export interface DeviceFoldsPorts extends HostPorts {
  store: Store;
  fleet: Pick<Fleet, 'cloudDeployments' | 'cloudBundle' | 'cloudStatus'>;
  onError(device: string, what: string, error: Error): void;
}

/** Of good versions in one commit, whose states are written once more: it must not have more changes than one write. */
const TAKEOVERS_MAX = 16;

export class DeviceFolds {
  readonly device: string;
  #ports: DeviceFoldsPorts;
  #host: FoldHost | undefined;
  #revision: number | undefined;
  #wanted: readonly CloudDeployed[] = [];
  #kept: KeptFolds | undefined;
  /** What the host holds. */
  #deployed: readonly Deployed[] = [];
  #targets: readonly Feed[] = [];
  /** Undefined: to be made anew of what runs. */
  #feeds: Feeds | undefined;
  #trials = new Trials();
  /** Whether any function has yet to prove itself; asked at every step. */
  #isOnTrial = false;
  #healthChanged = false;
  /** Nobody knows whether the device is there: the first that comes from it says so. */
  #isUnheard = false;
  /** What the fleet was told last, as JSON; undefined: nothing yet. */
  #told: string | undefined;
  /** When it was last asked to do anything but a step, ms since epoch. */
  #now = 0;

  constructor(device: string, ports: DeviceFoldsPorts) {
    this.device = device;
    this.#ports = ports;
  }

  /** True while anything runs here. */
  get active(): boolean {
    return this.#host !== undefined;
  }

  /** What runs here. */
  get deployed(): readonly Deployed[] {
    return this.#deployed;
  }

  /** Functions that gather what comes from here. */
  get feeds(): Feeds {
    this.#feeds ??= new Feeds(this.device, this.#targets, this.#deployed);
    return this.#feeds;
  }

  /** Gatherers to which what comes from here is handed on; another list when they change. */
  get targets(): readonly Feed[] {
    return this.#targets;
  }

  /**
   * Makes what the fleet wants what runs.
   * @param isOnline whether the device is there, as the log says; undefined: nobody knows
   * @returns what that brought about, e.g. the end of alerts
   */
  async converge(now: number, isOnline?: boolean): Promise<StepOutput[]> {
    this.#now = now;
    const { revision, deployed, feeds = [] } = await this.#ports.fleet.cloudDeployments(this.device);
    if (revision === this.#revision) return [];
    this.#targets = feeds;
    this.#feeds = undefined;
    this.#wanted = this.#withinLimit(deployed);
    this.#kept ??= await KeptFolds.load(this.#ports.store, this.device);
    const idle = this.#host === undefined && this.#wanted.length === 0 && this.#kept.deployed.length === 0;
    if (idle) {
      this.#revision = revision;
      return [];
    }
    const outputs: StepOutput[] = [];
    if (this.#host === undefined) outputs.push(await this.#open(this.#kept, now));
    const { output, isWhole } = await this.#change(this.#host!, this.#kept, now);
    outputs.push(output);
    const stands = await this.#stand(isOnline, now);
    if (stands !== undefined) outputs.push(stands);
    if (isWhole) this.#revision = revision;
    if (this.#wanted.length === 0) this.dispose();
    return outputs;
  }

  /** Undefined when nothing runs here. */
  async step(input: StepInput): Promise<StepOutput | undefined> {
    const stands = this.#isUnheard ? await this.#stand(true, input.receivedAt) : undefined;
    const output = await this.#settle(await this.#host?.step(input), input.position);
    return stands !== undefined && output !== undefined ? joinOutputs(stands, output) : output;
  }

  async tick(now: number): Promise<StepOutput | undefined> {
    const position = `tick-${now}`;
    return this.#settle(await this.#host?.tick(now, position), position);
  }

  /** Undefined when nothing here takes it. */
  async event(event: FoldEvent, position: string, now: number): Promise<StepOutput | undefined> {
    return this.#settle(await this.#host?.event(event, position, now), position);
  }

  status(): FoldStatus[] {
    return this.#host?.status() ?? [];
  }

  get weight(): number {
    return this.#kept?.weight ?? 0;
  }

  changes(): Change[] {
    return this.#kept?.changes() ?? [];
  }

  committed(): void {
    this.#kept?.committed();
    this.#tellFleet();
  }

  dispose(): void {
    this.#host?.dispose();
    this.#host = undefined;
    this.#deployed = [];
  }

  /** Rules that begin are to know whether the device is there: what is not said while it is away is no silence. */
  async #stand(isOnline: boolean | undefined, now: number): Promise<StepOutput | undefined> {
    const is = isOnline === undefined || isGatherer(this.device) ? 'unheard' : isOnline ? 'online' : 'offline';
    this.#isUnheard = is === 'unheard' && !isGatherer(this.device);
    const position = `stands-${now}`;
    return this.#settle(await this.#host?.event({ kind: 'standing', is }, position, now), position);
  }

  #withinLimit(deployed: readonly CloudDeployed[]): readonly CloudDeployed[] {
    if (deployed.length <= CLOUD_DEPLOYMENTS_MAX) return deployed;
    const error = new Error(`${deployed.length} cloud deployments, over ${CLOUD_DEPLOYMENTS_MAX}`);
    this.#ports.onError(this.device, 'some cloud deployments do not run', error);
    return deployed.slice(0, CLOUD_DEPLOYMENTS_MAX);
  }

  /**
   * Starts what ran last; one whose bundle is gone cannot be ended any more.
   * @throws when one cannot be read just now: without it its alerts would seem to be nobody's
   */
  async #open(kept: KeptFolds, now: number): Promise<StepOutput> {
    const before: Deployed[] = [];
    for (const each of kept.deployed) {
      const found = this.#deployedFor(each) ?? (await this.#load(each));
      if (typeof found !== 'string') before.push(found);
    }
    const made = this.#ports.makeHost(this.device, () => {
      this.#healthChanged = true;
    });
    const host = this.#ports.ruleCosts?.watch(made) ?? made;
    this.#host = host;
    if (before.length === 0) return emptyStepOutput();
    const position = `deploy-${now}`;
    // A state that the host does not hear of it does not forget: a newer version may know what to do with it.
    const isBefore = (state: string) => before.some(({ name }) => name === deploymentOfState(state));
    const states = new Map([...kept.states].filter(([state]) => isBefore(state)));
    const output = await host.deploy(before, states, position, now);
    return this.#take({ kept: kept.deployed, deployed: before, output }, position);
  }

  async #change(host: FoldHost, kept: KeptFolds, now: number): Promise<{ output: StepOutput; isWhole: boolean }> {
    const position = `deploy-${now}`;
    this.#prove(kept);
    const { target, isWhole } = await this.#fitTarget(host, kept.deployed, now);
    const again = target.filter((next) => this.#isStartedAgain(kept.deployed, next));
    for (const next of target) {
      if (
        savesState(
          kept.deployed.find(({ name }) => name === next.name),
          next,
        )
      )
        await kept.saveGood(next.name);
    }
    const deployed = target.map((next) => this.#deployedFor(next)!);
    let output = await host.deploy(deployed, kept.states, position, now);
    // From here on the host holds them.
    kept.states.clear();
    for (const { name } of again) {
      const { current } = await kept.statesOf(name);
      const state = restoredState(current, current);
      const next = deployed.find((each) => each.name === name)!;
      output = joinOutputs(output, await replaceFold(host, deployed, next, state, `${position}.again`, now));
    }
    return { output: await this.#take({ kept: target, deployed, output }, position), isWhole };
  }

  /** What shall run of what is wanted: without what cannot, and no more at once than one commit has room for. */
  async #fitTarget(
    host: FoldHost,
    before: readonly CloudSuccession[],
    now: number,
  ): Promise<{ target: CloudSuccession[]; isWhole: boolean }> {
    const running = host.status().filter(({ state }) => state === 'running');
    const beforeOf = (name: string) => before.find((each) => each.name === name && this.#isHeld(each));
    let takeovers = 0;
    const target = this.#wanted.map((wanted) => {
      const last = beforeOf(wanted.name);
      const next = targetOf(wanted, last);
      return savesState(last, next) && ++takeovers > TAKEOVERS_MAX ? last! : next;
    });
    const changed = target.filter((next) => {
      const last = beforeOf(next.name);
      return last !== undefined && !isSetting(last, next) && running.some(({ name }) => name === next.name);
    });
    const names = new Set(changed.map(({ name }) => name));
    const deployed = target.map((next) => this.#deployedFor(next)!);
    const unfit = await unfitOf(() => this.#makeTrialHost(), deployed, names, now);
    return {
      target: target.map((next) => {
        const why = unfit.get(next.name);
        return why === undefined ? next : refuse(beforeOf(next.name)!, next, why);
      }),
      isWhole: takeovers <= TAKEOVERS_MAX,
    };
  }

  #isStartedAgain(before: readonly CloudSuccession[], next: CloudSuccession): boolean {
    const last = before.find(({ name }) => name === next.name);
    return last !== undefined && last.quarantined !== null && next.quarantined === null && isSetting(last, next);
  }

  #isHeld({ name, hash }: CloudSuccession): boolean {
    return this.#deployed.some((each) => each.name === name && each.hash === hash);
  }

  #deployedFor(next: CloudSuccession): Deployed | undefined {
    const isIt = (each: Deployed) => each.name === next.name && isSetting(each, next);
    const found = this.#wanted.find(isIt) ?? this.#deployed.find(isIt);
    if (found === undefined) return undefined;
    const { name, bundle, hash, config } = found;
    return asKept({ name, bundle, hash, config }, next);
  }

  /** Keeps what a step brought about, with what follows from it for the versions. */
  async #settle(output: StepOutput | undefined, position: string): Promise<StepOutput | undefined> {
    if (output === undefined || this.#kept === undefined) return output;
    const kept = this.#kept.deployed;
    const settled = await this.#take({ kept, deployed: this.#deployed, output }, position);
    if (this.#isOnTrial) this.#prove(this.#kept);
    return settled;
  }

  #prove(kept: KeptFolds): void {
    kept.keepDeployed(this.#trials.prove(kept.deployed, this.status(), this.#now));
    const functions = new Set(
      this.#deployed.filter(({ bundle }) => bundle.kind === 'function').map(({ name }) => name),
    );
    this.#isOnTrial = kept.deployed.some(({ name, proven }) => !proven && functions.has(name));
  }

  async #take(holding: Holding<JsonObject>, position: string): Promise<StepOutput> {
    const kept = this.#kept!;
    const { kept: next, deployed, output } = this.#healthChanged ? await this.#mend(holding, position) : holding;
    this.#healthChanged = false;
    kept.keepStates(output);
    kept.keepDeployed(next);
    if (deployed !== this.#deployed) {
      this.#isOnTrial = true;
      this.#feeds = undefined;
    }
    this.#deployed = deployed;
    return output;
  }

  #mend(holding: Holding<JsonObject>, position: string): Promise<Holding<JsonObject>> {
    const ports = {
      createHost: () => this.#makeTrialHost(),
      load: (next: CloudSuccession) => this.#load(next),
      states: (name: string) => this.#kept!.statesOf(name),
      log: (message: string) => this.#ports.onError(this.device, 'a version has failed', new Error(message)),
    };
    return mend(this.#host!, holding, ports, `${position}.mend`, this.#now);
  }

  #makeTrialHost(): FoldHost {
    return this.#ports.makeHost(this.device, () => {});
  }

  /** @returns why not, when its bundle is gone or may not run */
  async #load(next: CloudSuccession): Promise<Deployed | string> {
    const { name, hash, config } = next;
    const bundle = await this.#ports.fleet.cloudBundle(hash);
    if (bundle === undefined) return `bundle ${hash} is not here, or may not run`;
    return asKept({ name, bundle, hash, config }, next);
  }

  #tellFleet(): void {
    const statuses = this.status();
    const reports = this.#wanted.map((wanted): [string, ReportedDeployment] => {
      const kept = this.#kept?.deployed.find(({ name }) => name === wanted.name);
      const status = statuses.find(({ name, hash }) => name === wanted.name && hash === kept?.hash);
      const config = configDigest(wanted.config);
      const version = { version: versionOf(wanted), hash: wanted.hash, ...(config !== undefined && { config }) };
      const about = { kind: wanted.bundle.kind, ...version };
      if (isSetting(kept?.failed, wanted)) return [wanted.name, reportOf(about, status, kept!.failed)];
      return [wanted.name, reportOf(about, isSetting(kept, wanted) ? status : undefined, undefined)];
    });
    const folds = Object.fromEntries(reports);
    // The count of errors alone is not worth a write.
    const told = JSON.stringify(reports.map(([name, { errors: _, ...rest }]) => [name, rest]));
    if (told === this.#told) return;
    this.#told = told;
    this.#ports.fleet.cloudStatus(this.device, folds).catch((error: Error) => {
      this.#ports.onError(this.device, 'the status of cloud deployments could not be recorded', error);
    });
  }
}

/** Which version follows on what runs. A wish made again for what has failed is another chance. */
function targetOf(wanted: CloudDeployed, before: CloudSuccession | undefined): CloudSuccession {
  if (before === undefined) return takeOver(undefined, wanted);
  const isAgain = before.wish !== wanted.wish;
  if (isSetting(before.failed, wanted) && !isAgain) return before;
  if (!isSetting(before, wanted) || (before.quarantined !== null && isAgain)) return takeOver(before, wanted);
  return before.failed === undefined && !isAgain ? before : wantedAgain(before, wanted.wish);
}

function isSetting(
  setting: { hash: string; config: JsonObject } | undefined,
  { hash, config }: { hash: string; config: JsonObject },
): boolean {
  return setting?.hash === hash && sameJson(setting.config, config);
}

function asKept(deployed: Deployed, { quarantined }: CloudSuccession): Deployed {
  return quarantined === null ? deployed : { ...deployed, quarantined };
}
