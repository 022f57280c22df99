/**
 * Makes what runs here what the hub wants, by the shadow `weir`, and tells the hub how it is doing.
 *
 * The shadow is a state, not a message: it is asked for after each connect and once a minute, and a delta only makes
 * the agent ask sooner. What is wanted is kept, so that the way there goes on without a hub.
 */
import { type Json, type JsonObject, shadowPrefix, type WantedDeployment, WEIR_SHADOW } from '@weir/protocols';
import { type Deployed, type FoldStatus, hashBundle, parseBundle } from '@weir/runtime';
import { type Clock, every } from '../clock/clock.ts';
import { loadDeployed } from '../functions/bundles.ts';
import type { DeployRequest } from '../functions/pipeline.ts';
import type { KeptDeployment } from '../functions/step-commit.ts';
import type { SpoolState } from '../spool/operations.ts';
import type { Spool } from '../spool/spool.ts';
import {
  type Failure,
  isRunning,
  objectAt,
  parseDesired,
  patchOf,
  reportDeployments,
  sameTarget,
  targetOf,
} from './convergence.ts';

export interface DeployerPorts {
  spool: Spool;
  clock: Clock;
  /** @throws when it cannot be had now, or its hash is another */
  fetchBundle: (hash: string, bytes: number) => Promise<Uint8Array>;
  /** Runs it, and commits that it runs. */
  deploy: (request: DeployRequest) => Promise<void>;
  status: () => FoldStatus[];
  /** Names of what is deployed and does not run, for its bundle cannot be read. */
  damaged: () => ReadonlySet<string>;
  /** To the hub; rejects when it is away. */
  publish: (topic: string, payload: string) => Promise<void>;
  isConnected: () => boolean;
  log: (level: 'info' | 'warn', message: string) => void;
}

export interface DeployerLimits {
  /** ms */
  poll: number;
  report: number;
}

export class Deployer {
  readonly subscriptions: readonly string[];
  #prefix: string;
  #ports: DeployerPorts;
  #limits: DeployerLimits;
  #agent: { version: string; startedAt: number };
  #desired = '';
  #wanted: Map<string, WantedDeployment> = new Map();
  #undecided = new Set<string>();
  #kept = new Map<string, KeptDeployment>();
  #failures = new Map<string, Failure>();
  /** The reported section as the hub has it; undefined: not asked yet. */
  #known: JsonObject | undefined;
  #version = 0;
  #converging: Promise<void> | undefined;
  #again = false;
  #reporting = false;
  #stops: (() => void)[] = [];
  #stopped = false;

  constructor(device: string, version: string, ports: DeployerPorts, limits: DeployerLimits) {
    this.#prefix = shadowPrefix(device, WEIR_SHADOW);
    this.subscriptions = ['get/accepted', 'get/rejected', 'update/delta', 'update/rejected'].map(
      (suffix) => `${this.#prefix}/${suffix}`,
    );
    this.#ports = ports;
    this.#limits = limits;
    this.#agent = { version, startedAt: ports.clock.now() };
  }

  /** Takes up where the last run stopped. */
  start({ desired, deployments }: Pick<SpoolState, 'desired' | 'deployments'>): void {
    this.#kept = new Map(deployments.map((each) => [each.name, each]));
    if (desired !== undefined) this.#understand(desired);
    const { clock } = this.#ports;
    this.#stops = [
      every(clock, this.#limits.poll, () => this.#ask()),
      every(clock, this.#limits.report, () => this.report()),
    ];
    this.#converge();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const stop of this.#stops) stop();
    await this.#converging;
  }

  /** The uplink is up. */
  onUp(): void {
    this.#known = undefined;
    this.#version = 0;
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

  /** A function's health has changed. */
  onStatus(statuses: readonly FoldStatus[]): void {
    for (const { name, hash, state, reason = 'it failed again and again' } of statuses) {
      const kept = this.#kept.get(name);
      if (state !== 'quarantined' || kept === undefined || kept.hash !== hash || kept.quarantined !== null) continue;
      this.#kept.set(name, { ...kept, quarantined: reason });
      this.#ports.log('warn', `${name} is quarantined: ${reason}`);
      this.#ports.spool.call('quarantine', name, hash, reason).catch(() => {});
    }
    void this.report();
  }

  /** Tells the hub what has changed since it was told last. */
  async report(): Promise<void> {
    if (this.#known === undefined || this.#reporting || this.#stopped || !this.#ports.isConnected()) return;
    this.#reporting = true;
    try {
      const { accepted, refused, lanes } = await this.#ports.spool.call('counts');
      const waiting = lanes.reduce((sum, { items }) => sum + items, 0);
      const dropped = lanes.reduce((sum, lane) => sum + lane.dropped, 0);
      const deployments = reportDeployments(this.#wanted, this.#kept, this.#failures, this.#ports.status());
      const actual = { agent: this.#agent, deployments, health: { accepted, refused, waiting, dropped } };
      const patch = patchOf(this.#known, actual);
      if (patch === undefined) return;
      await this.#ports.publish(`${this.#prefix}/update`, JSON.stringify({ state: { reported: patch } }));
      this.#known = actual as unknown as JsonObject;
    } catch (error) {
      this.#ports.log('warn', `the state could not be reported: ${(error as Error).message}`);
    } finally {
      this.#reporting = false;
    }
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
    const json = JSON.stringify(desired);
    if (json !== this.#desired) {
      this.#understand(json);
      this.#ports.spool.call('keepDesired', json).catch((error) => {
        this.#ports.log('warn', `what the hub wants cannot be kept: ${error.message}`);
      });
    }
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
    this.#desired = json;
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
    });
  }

  async #run(): Promise<void> {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      void this.report();
      try {
        await this.#step();
      } catch (error) {
        this.#ports.log('warn', `the deployment failed: ${(error as Error).message}`);
      }
    }
    await this.report();
  }

  async #step(): Promise<void> {
    const wanted = this.#wanted;
    const broken = this.#ports.damaged();
    const atHand = new Map<string, Deployed['bundle']>();
    for (const [name, deployment] of wanted) {
      if (isRunning(this.#kept.get(name), deployment) && !broken.has(name)) continue;
      const bundle = await this.#obtain(name, deployment);
      if (bundle !== undefined) atHand.set(deployment.hash, bundle);
    }
    const running = [...this.#kept.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    const target = targetOf(wanted, this.#kept, new Set(atHand.keys()), this.#undecided);
    const isMended = [...broken].some((name) => atHand.has(wanted.get(name)?.hash ?? ''));
    if (sameTarget(running, target) && !isMended) return;
    const hashesNeeded = [...wanted.values()].map(({ hash }) => hash);
    const { deployed, damaged } = await loadDeployed(this.#ports.spool, target);
    for (const { name, error } of damaged)
      this.#ports.log('warn', `the bundle of ${name} is damaged: ${error.message}`);
    await this.#ports.deploy({ wanted: deployed, kept: target, hashesNeeded });
    this.#kept = new Map(target.map((each) => [each.name, each]));
    this.#ports.log('info', `deployed: ${target.map(({ name }) => name).join(', ') || 'nothing'}`);
    // What failed to start was told while it was not yet counted as running.
    this.onStatus(this.#ports.status());
  }

  async #obtain(name: string, wanted: WantedDeployment): Promise<Deployed['bundle'] | undefined> {
    const { spool, fetchBundle, log } = this.#ports;
    try {
      let bytes = await spool.call('bundle', wanted.hash);
      if (bytes === undefined || hashBundle(bytes) !== wanted.hash) {
        if (!this.#ports.isConnected()) return undefined;
        bytes = await fetchBundle(wanted.hash, wanted.bytes);
        checkIdentity(name, wanted, parseBundle(bytes));
        await spool.call('stageBundle', wanted.hash, bytes);
      }
      const bundle = parseBundle(bytes);
      checkIdentity(name, wanted, bundle);
      this.#failures.delete(name);
      return bundle;
    } catch (error) {
      const reason = (error as Error).message;
      this.#failures.set(name, { hash: wanted.hash, reason });
      log('warn', `${name}@${wanted.version} cannot be deployed: ${reason}`);
      return undefined;
    }
  }
}

/** A bundle under another name would take that one's state. */
function checkIdentity(name: string, wanted: WantedDeployment, bundle: Deployed['bundle']): void {
  const found = bundle.kind === 'function' ? bundle.manifest.name : bundle.rule.name;
  if (bundle.kind === wanted.kind && found === name) return;
  throw new Error(`the bundle is the ${bundle.kind} ${found}, wanted is the ${wanted.kind} ${name}`);
}

function parseObject(payload: Uint8Array): JsonObject | undefined {
  try {
    const body = JSON.parse(Buffer.from(payload).toString('utf8')) as Json;
    return typeof body === 'object' && body !== null && !Array.isArray(body) ? body : undefined;
  } catch {
    return undefined;
  }
}
