/**
 * Rollouts over a fleet of model devices: the real fleet and its rollouts on a store in memory and a simulated clock,
 * with devices that are away, crash and are given versions that fail, and hubs that are killed between any two writes.
 * Then everything heals, must come to an end, and every device must run what stands.
 */
import {
  addRoot,
  createMemoryDownlink,
  createMemoryStore,
  type DeploymentRecord,
  isOpen,
  type RolloutStatus,
  type RolloutWords,
  rolloutOptions,
  type Store,
} from '@weir/cloud';
import type { JsonObject, ReportedDeployment, WantedDeployment } from '@weir/protocols';
import { KEYS, releaseOfBundle, rootOfHub } from '@weir/runtime/trust-fixture';
import { Dice } from '../dice.ts';
import { Timeline } from '../timeline.ts';
import { Agent, type AgentWorld } from './agent.ts';
import { RolloutChecks } from './checks.ts';
import { HubLife } from './hub-life.ts';
import { QUALITIES, type Version } from './version.ts';

export interface RolloutRunOptions {
  seed: number;
  devices: number;
  /** Of them, away at any time. */
  awayShare?: number;
  show?: (line: string) => void;
}

export interface RolloutRun {
  seed: number;
  violations: string[];
  simulatedMs: number;
  /** Of hubs. */
  kills: number;
  done: number;
  aborted: number;
  superseded: number;
}

const START = Date.UTC(2026, 10, 28, 9);
const MINUTE = 60_000;
const SHADOW = 'weir';
const GROUPS = ['everything', 'half'];
const NAMES = ['alpha', 'beta'];
/** Nothing can come of a rollout whose devices all run another group's: it waits, and says so. */
const OVERRIDDEN = "on all its devices another group's";

export async function simulateRollouts(options: RolloutRunOptions): Promise<RolloutRun> {
  const world = new RolloutWorld(options);
  await world.run();
  return world.result();
}

class RolloutWorld implements AgentWorld {
  readonly timeline = new Timeline(START);
  readonly #options: RolloutRunOptions;
  readonly #dice: Dice;
  readonly #store: Store = createMemoryStore();
  readonly #downlink = createMemoryDownlink(() => this.timeline.now);
  readonly #versions = new Map<string, Version>();
  readonly #checks = new RolloutChecks(
    (hash) => this.versionOf(hash),
    (line) => this.#show(line),
  );
  readonly #agents = new Map<string, Agent>();
  #hub: HubLife | undefined;
  #rival: HubLife | undefined;
  #isChaos = true;
  #kills = 0;
  #count = 0;

  constructor(options: RolloutRunOptions) {
    this.#options = options;
    this.#dice = new Dice(`rollouts ${options.seed}`);
  }

  async run(): Promise<void> {
    const { devices, awayShare = 0.3 } = this.#options;
    await this.#setUp(devices);
    for (const agent of this.#agents.values()) if (!this.#dice.chance(awayShare)) agent.boot();
    const ups = this.#agents.size;
    this.#repeat(
      () => (awayShare * 4 * MINUTE) / ups,
      () => this.#disturb(awayShare),
    );
    this.#repeat(
      () => 4 * MINUTE,
      () => void this.#operate(),
    );
    await this.timeline.runUntil(START + this.#dice.between(30, 60) * MINUTE);
    this.#isChaos = false;
    this.#rival?.kill();
    if (this.isHubUp()) this.#hub!.kill();
    await this.timeline.runUntil(this.timeline.now + MINUTE);
    for (const agent of this.#agents.values()) agent.boot();
    this.#repeatAlways(2 * MINUTE, () => void this.#finish());
    const deadline = this.timeline.now + 12 * 60 * MINUTE;
    for (let isQuiet = false; !isQuiet && this.timeline.now < deadline; ) {
      await this.timeline.runUntil(this.timeline.now + 5 * MINUTE);
      const isHere = [...this.#agents.values()].every(({ isConnected }) => isConnected);
      const open = (await this.#open()).filter(({ progress }) => !progress?.waiting?.includes(OVERRIDDEN));
      isQuiet = isHere && open.length === 0;
    }
    await this.timeline.runUntil(this.timeline.now + 10 * MINUTE);
    await this.#verifyEnd();
  }

  result(): RolloutRun {
    const count = (phase: string) => this.#checks.rollouts.filter((each) => each.phase === phase).length;
    const { violations } = this.#checks;
    const ends = { done: count('done'), aborted: count('aborted'), superseded: this.#superseded };
    return {
      seed: this.#options.seed,
      violations,
      simulatedMs: this.timeline.now - START,
      kills: this.#kills,
      ...ends,
    };
  }

  /** Their last word is with those that have been. */
  get #superseded(): number {
    return this.#checks.rollouts.filter(isOpen).length;
  }

  versionOf(hash: string): Version {
    return this.#versions.get(hash)!;
  }

  async wanted(device: string): Promise<Record<string, WantedDeployment> | undefined> {
    if (!this.isHubUp()) throw new Error('the hub is away');
    const document = await this.#downlink.getShadow(device, SHADOW);
    const state = document?.state as { desired?: { deployments?: Record<string, WantedDeployment> } } | undefined;
    return state?.desired?.deployments ?? {};
  }

  async report(device: string, reported: Record<string, ReportedDeployment | null>): Promise<void> {
    const hub = this.#hub;
    if (hub === undefined || hub.isDead) throw new Error('the hub is away');
    const deployments = reported as unknown as JsonObject;
    await this.#downlink.updateShadow(device, SHADOW, { state: { reported: { deployments } } });
    const current = await this.#downlink.getShadow(device, SHADOW);
    const topic = `$aws/things/${device}/shadow/name/${SHADOW}/update/documents`;
    hub.fleet.shadowTold(topic, JSON.stringify({ previous: null, current, timestamp: 0 }));
  }

  presence(device: string, connected: boolean): void {
    const hub = this.#hub;
    if (hub !== undefined && !hub.isDead) void hub.fleet.presence(device, connected, Math.floor(this.timeline.now));
  }

  installed(device: string, version: Version): void {
    this.#show(`${device} begins ${version.name}@${version.version} (${version.quality})`);
    this.#checks.installed(device, version);
  }

  isHubUp(): boolean {
    return this.#hub !== undefined && !this.#hub.isDead;
  }

  async #setUp(devices: number): Promise<void> {
    const hub = this.#makeHub(0);
    this.#hub = hub;
    await addRoot(this.#store, rootOfHub(), KEYS.hub.keyid, Math.floor(this.timeline.now));
    for (const group of GROUPS) await hub.fleet.createGroup(group);
    const groupsOf = (at: number) => (at % 2 === 0 ? GROUPS : GROUPS.slice(0, 1));
    for (let at = 0; at < devices; at++) {
      const id = `gw${at}`;
      const { secret } = await hub.fleet.createToken({ groups: groupsOf(at), ttlMs: MINUTE, uses: 1 });
      const now = Math.floor(this.timeline.now);
      await hub.fleet.enrol({ secret, device: id, certificateSerial: id, publicKey: '', now });
      this.#agents.set(id, new Agent(id, this, this.#dice.fork(id)));
    }
    await this.#deploy('everything', 'alpha', 'good', undefined);
    hub.kill();
  }

  /** Some ten kills in a run, whatever its size. */
  #killShare(): number {
    return 10 / (this.#options.devices * 12 + 300);
  }

  #makeHub(killShare: number): HubLife {
    const life: HubLife = new HubLife({
      ...{ timeline: this.timeline, store: this.#store, downlink: this.#downlink },
      ...{ dice: this.#dice.fork(`hub ${this.#count++}`), killShare, downlinkShare: killShare === 0 ? 0 : 0.01 },
      onWrite: (changes) => this.#checks.wrote(changes),
      onShadow: (device) => this.timeline.after(this.#dice.between(5, 200), () => this.#agents.get(device)?.sync()),
      onFailed: (what) => this.#checks.violations.push(what),
      onKilled: () => {
        if (life === this.#hub) this.#onKilled();
        if (life === this.#rival) this.#rival = undefined;
      },
    });
    return life;
  }

  #onKilled(): void {
    this.#kills += 1;
    this.#show('the hub is killed');
    // Who is connected to it is known to nobody until it is up again: that is a matter of hubs, not of rollouts.
    this.#rival?.kill();
    for (const agent of this.#agents.values()) {
      agent.dropped();
      agent.connectSoon();
    }
    this.timeline.after(this.#dice.between(500, 20_000), () => this.#startHub());
  }

  #startHub(): void {
    if (this.isHubUp()) return;
    this.#show('a hub starts');
    this.#hub = this.#makeHub(this.#isChaos ? this.#killShare() : 0);
    void this.#hub.fleet.start();
  }

  /** A device comes or goes, or crashes; now and then another hub takes part in what there is to do. */
  #disturb(awayShare: number): void {
    const agent = this.#dice.pick([...this.#agents.values()]);
    agent.away();
    const ms = this.#dice.chance(0.5) ? this.#dice.exponential(20_000) : this.#dice.exponential(8 * MINUTE * awayShare);
    this.timeline.after(ms, () => agent.boot());
    if (this.#rival === undefined && this.#dice.chance(0.02)) {
      this.#rival = this.#makeHub(this.#killShare());
      this.#rival.fleet.startRollouts();
    }
  }

  /** What people do: mostly they deploy the next one. */
  async #operate(): Promise<void> {
    if (!this.isHubUp()) return;
    const group = this.#dice.pick(GROUPS);
    const name = this.#dice.pick(NAMES);
    const { rollouts } = this.#hub!.fleet;
    try {
      if (this.#dice.chance(0.4)) {
        const action = this.#dice.pick(['pause', 'resume', 'abort', 'switch', 'retry'] as const);
        this.#show(`an operator asks: ${action} ${group}/${name}`);
        if (action === 'retry') await this.#hub!.fleet.retry(group, name);
        else await rollouts.act(group, name, action);
      } else {
        const quality = this.#dice.chance(0.4) ? 'good' : this.#dice.pick(QUALITIES);
        await this.#deploy(group, name, quality, this.#words(quality));
      }
    } catch (error) {
      // Refused: there is nothing of the kind. Whatever else it may be ends the run.
      if (!(error as { code?: string }).code?.includes('-')) throw error;
    }
  }

  #words(quality: string): RolloutWords | undefined {
    if (quality === 'good' && this.#dice.chance(0.1)) return undefined;
    const words: RolloutWords = {
      waves: this.#dice.pick(['1,10%,50%,100%', '1,50%,100%', '5%,100%', '100%', '2,3,50%,100%']),
      soak: this.#dice.pick(['10s', '60s', '3m']),
      abortAt: this.#dice.pick(['10%', '25%', '1', '3']),
      errorsMax: 10,
    };
    if (this.#dice.chance(0.2)) words.rate = this.#dice.pick([30, 600, 6_000]);
    if (this.#dice.chance(0.2)) words.minReport = '20%';
    if (this.#dice.chance(0.2)) words.blueGreen = this.#dice.pick(['automatic', 'asked']);
    if (this.#dice.chance(0.1)) words.at = new Date(this.timeline.now + 5 * MINUTE).toISOString();
    return words;
  }

  async #deploy(group: string, name: string, quality: Version['quality'], words: RolloutWords | undefined) {
    const version = `${this.#versions.size + 1}.0.0`;
    const rule = { name, version, sensor: '*', metric: 'temperature', above: 80, for: 0 };
    const bytes = new TextEncoder().encode(JSON.stringify({ weir: 1, kind: 'rule', rule }));
    const { fleet } = this.#hub!;
    const { hash } = await fleet.putBundle(bytes, releaseOfBundle(bytes));
    this.#versions.set(hash, { name, version, hash, quality });
    this.#show(`${group}/${name}@${version} (${quality}) is deployed: ${JSON.stringify(words)}`);
    const rollout = words && rolloutOptions(words);
    await fleet.deploy({ group, hash, where: 'edge', config: {}, ...(rollout !== undefined && { rollout }) });
  }

  /** At the end people let go on what they held up. */
  async #finish(): Promise<void> {
    for (const { target, phase, options } of await this.#open()) {
      const { rollouts } = this.#hub!.fleet;
      if (phase === 'paused') await rollouts.act(target.group, target.name, 'resume');
      if (options.blueGreen === 'asked' && phase === 'soaking') await rollouts.act(target.group, target.name, 'switch');
    }
  }

  async #open(): Promise<RolloutStatus[]> {
    return (await this.#hub!.fleet.rollouts.list(GROUPS)).filter(isOpen);
  }

  async #verifyEnd(): Promise<void> {
    for (const { target, phase, told, progress } of await this.#open()) {
      const why = progress?.waiting ?? told.at(-1)!.text;
      if (why.includes(OVERRIDDEN)) continue;
      this.#checks.violations.push(`${target.group}/${target.name}@${target.version} is stuck: ${phase}; ${why}`);
    }
    const standing = new Map<string, DeploymentRecord>();
    for (const group of GROUPS) {
      for (const each of (await this.#hub!.fleet.group(group))!.deployments)
        standing.set(`${group}/${each.name}`, each);
      if ((await this.#open()).some(({ target }) => target.group === group)) continue;
      const left = await this.#store.query({ table: 'group', partition: group, from: 'admitted/', to: 'admitted0' });
      if (left.items.length > 0) this.#checks.violations.push(`${left.items.length} admissions are left in ${group}`);
    }
    for (const agent of this.#agents.values()) {
      const record = await this.#hub!.fleet.device(agent.id);
      for (const name of NAMES) {
        const own = record!.groups.flatMap((group) => standing.get(`${group}/${name}`) ?? []);
        const told = agent.told(name);
        const failed = told !== null && told?.state === 'quarantined' ? told.hash : undefined;
        this.#checks.verifyDevice(agent.id, own, agent.running(name), failed);
      }
    }
  }

  #repeat(meanMs: () => number, run: () => void): void {
    this.timeline.after(this.#dice.exponential(meanMs()), () => {
      if (!this.#isChaos) return;
      run();
      this.#repeat(meanMs, run);
    });
  }

  #repeatAlways(ms: number, run: () => void): void {
    this.timeline.after(ms, () => {
      run();
      this.#repeatAlways(ms, run);
    });
  }

  #show(line: string): void {
    this.#options.show?.(`${((this.timeline.now - START) / 1000).toFixed(1).padStart(9)} s  ${line}`);
  }
}
