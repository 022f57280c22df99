/**
 * The agent: what production and the simulation start.
 *
 *     sensors -> broker -> arrivals -> journal -> pipeline -> outbox -> uplink -> hub
 *                   ^________ publisher _____________|            deployer <-> hub
 */
import {
  type Fault,
  type FoldHost,
  type FunctionSandbox,
  faultLine,
  type LogLine,
  type Sandbox,
  type SendHttp,
  SqliteError,
  UsageError,
  type Witness,
} from '@weir/runtime';
import type { Logger } from 'pino';
import type { AgentClock } from './clock/agent-clock.ts';
import { type Clock, every } from './clock/clock.ts';
import { isFelt } from './clock/timekeeping.ts';
import { Commands } from './commands/commands.ts';
import { ownCommands } from './commands/own-commands.ts';
import type { Config } from './config/config.ts';
import type { Deployer } from './deploy/deployer.ts';
import { type BesidePorts, besideOf } from './functions/beside.ts';
import { DeadLetters } from './functions/dead-letters.ts';
import type { OfferedEvent } from './functions/event-queue.ts';
import { LogLeaseHolder } from './functions/log-lease.ts';
import { LogLines } from './functions/log-lines.ts';
import { Pipeline } from './functions/pipeline.ts';
import type { Committed } from './functions/pipeline-ports.ts';
import { Publisher } from './functions/publisher.ts';
import { Requests } from './functions/requests.ts';
import { connectToHub, type HubPorts } from './hub-connection.ts';
import { Arrivals } from './intake/arrivals.ts';
import type { Broker, LocalPublish, OpenBroker } from './intake/broker.ts';
import type { Users } from './intake/users.ts';
import { type NoticePorts, noticeTeller, type Teller } from './notices/teller.ts';
import { GapTeller } from './outbox/gap-teller.ts';
import type { SpoolState } from './spool/operations.ts';
import type { Spool } from './spool/spool.ts';
import type { Storage } from './spool/storage.ts';
import { type BufferReport, BufferWatch } from './status/buffer.ts';
import type { MachineState } from './status/machine.ts';
import { RepeatedFailures } from './status/repeated-failures.ts';
import { printable, type StatusReport, uplinkStatus } from './status/report.ts';
import type { Meter } from './uplink/meter.ts';
import type { Uplink } from './uplink/uplink.ts';
import { UsageReporter } from './usage/usage-reporter.ts';

export interface AgentPorts {
  clock: Clock;
  /** The same clock, where it has to learn what time it is. Undefined: it is right. */
  time?: AgentClock | undefined;
  /** 0 to 1 */
  random: () => number;
  /** Open; closed by the agent. */
  spool: Spool;
  /** The same, as far as it has a disk. Undefined: it has none that could fail. */
  storage?: Pick<Storage, 'status' | 'health' | 'onChange'>;
  createHost: (onStatus: () => void, onFault: (fault: Fault) => void, witness?: Witness) => FoldHost;
  /** What the machine has left; undefined: it cannot be asked. */
  machine?: (() => Promise<MachineState>) | undefined;
  /** In which the host runs its functions. */
  sandbox: Pick<Sandbox, 'restarts'>;
  /** In which versions are tried: what they do to it, what runs does not notice. */
  trials: FunctionSandbox;
  /** Names this boot of the machine; absent: nobody knows, and what the agent did not survive is not put aside. */
  bootId?: string | undefined;
  /** Undefined: a device without a hub. */
  hub: HubPorts | undefined;
  /** Sends the requests of functions. */
  sendHttp: SendHttp;
  /** How the device itself tells people of alerts; undefined: none of its channels reaches further than its own broker. */
  notices?: NoticePorts;
  users: Users;
  openBroker: OpenBroker;
  log: Logger;
  /** The agent cannot go on; a supervisor is to start it again. */
  onFatal: (error: Error) => void;
}

export interface AgentOptions {
  device: string;
  version: string;
  config: Config;
}

export interface Agent {
  /** @returns the port of the local broker */
  start(): Promise<{ mqttPort: number }>;
  /** Takes nothing more, makes durable what was taken; what is computed after that is left to the next run. Idempotent. */
  stop(): Promise<void>;
  status(): Promise<StatusReport>;
  buffer(): Promise<BufferReport>;
  /** Gets a new certificate now. @throws {UsageError} `no-hub` */
  renew(): Promise<void>;
}

/** A sensor may wait longer for its acknowledgement than a supervisor does for the end. */
const DRAIN_MS = 2_000;
const LAST = { refused: 20, logs: 100 };
/** Of a few steps; more are of steps that are run again and again while nothing can be committed. */
const FAULTS_MAX = 100;
/** Letters are told by a rate a minute. */
const TELL_LETTERS_MS = 60_000;

export async function createAgent(ports: AgentPorts, options: AgentOptions): Promise<Agent> {
  return new EdgeAgent(ports, options, await ports.spool.call('state'));
}

class EdgeAgent implements Agent {
  #ports: AgentPorts;
  #options: AgentOptions;
  #startedAt: number;
  #mqttPort = 0;
  #arrivals: Arrivals;
  #broker: Broker;
  #pipeline: Pipeline;
  #publisher: Publisher;
  #requests: Requests;
  #teller: Teller;
  #usage: UsageReporter;
  #gaps: GapTeller;
  #commands: Commands;
  #logs: LogLines;
  /** Of steps that are not committed yet. */
  #faults: LogLine[] = [];
  #failures = new RepeatedFailures();
  #logLease: LogLeaseHolder;
  #uplink: Uplink | undefined;
  #meter: Meter | undefined;
  #buffer: BufferWatch;
  /** Bytes of the journal that functions have passed. */
  #passedBytes = 0;
  #deployer: Deployer | undefined;
  #stopTelling = () => {};
  #cancelSteady = () => {};
  #stopping: Promise<void> | undefined;

  constructor(ports: AgentPorts, options: AgentOptions, { journalBytes, epoch }: SpoolState) {
    this.#ports = ports;
    this.#options = options;
    this.#startedAt = ports.clock.now();
    const { clock, spool, users, log } = ports;
    const { config } = options;
    const stamp = () => ports.time?.stamp();
    const onFailure = (what: string, error: Error) => this.#onFailure(what, error);
    this.#logs = new LogLines(clock, config.functions.logLinesPerSecond, (line) => {
      log[line.level]({ function: line.fold }, line.text);
      this.#logLease.take(line);
    });
    const onReport = () => this.#uplink?.changed();
    this.#logLease = new LogLeaseHolder({ spool, clock, kept: () => this.#logs.last, onReport, onFailure });
    this.#arrivals = new Arrivals(
      {
        spool,
        clock,
        stamp,
        onDurable: (group) => this.#pipeline.offer(group),
        onPressure: (held) => this.#broker.hold(held),
        onFailure: (error) => onFailure('readings could not be made durable; sensors are not acknowledged', error),
      },
      { ...config.intake, journalBytesMax: config.journal.bytesMax },
      journalBytes,
    );
    this.#broker = ports.openBroker({ arrivals: this.#arrivals, users, clock }, config);
    const publish = (message: LocalPublish) => this.#broker.publish(message);
    this.#publisher = new Publisher({ spool, clock, publish, onFailure }, config.functions.publishesMax);
    this.#requests = new Requests(
      { device: options.device, epoch },
      {
        ...{ clock, random: ports.random, send: ports.sendHttp },
        secret: (name) => ports.hub?.secrets?.value(name),
        synced: () => spool.call('synced'),
        offerEvent: (event) => this.#pipeline.offerEvent(event),
        onFailure,
      },
      config.functions.requests,
    );
    this.#teller = noticeTeller(
      { spool, clock, random: ports.random, publish, onFailure },
      config.alerts,
      ports.notices,
    );
    const telling = { spool, clock, isConnected: () => this.#uplink?.isOpen ?? false, onTold: onReport, onFailure };
    this.#usage = new UsageReporter(telling, config.usage.report);
    this.#gaps = new GapTeller(telling, config.outbox.gapsEvery);
    const offerEvent = (event: OfferedEvent) => this.#pipeline.offerEvent(event);
    const status = () => this.#pipeline.status();
    const isSettled = () => this.#deployer?.isSettled ?? true;
    const letters = new DeadLetters({ spool, clock, offerEvent, status, isSettled });
    const { passthrough } = config.intake;
    const agentCommands = ownCommands({ letters, logLease: this.#logLease, offerEvent, publish, passthrough });
    this.#commands = new Commands({ spool, clock, agentCommands, offerEvent, onReport, onFailure });
    const beside: BesidePorts = {
      ...{ device: options.device, spool, clock, sandbox: ports.trials },
      onStatus: () => void this.#deployer?.report(),
      log: (level, message) => log[level](message),
    };
    this.#pipeline = new Pipeline(
      {
        ...{ spool, clock, stamp },
        createHost: (onStatus, witness) => ports.createHost(onStatus, (fault) => this.#onFault(fault), witness),
        ...besideOf(beside, config.deploy),
        requests: this.#requests,
        commands: this.#commands,
        isConnected: () => this.#uplink?.isOpen ?? false,
        onCommitted: (commit) => this.#onCommitted(commit),
        onDamaged: (bytes) => this.#arrivals.passed(bytes),
        onLogs: (lines) => this.#logs.add(this.#withFaults(lines)),
        onUncommitted: (used) => this.#usage.keep(used),
        onStatus: () => void this.#deployer?.report(),
        onFailure,
        log: (level, message) => log[level](message),
      },
      { ...config.functions, trial: config.deploy.trial },
    );
    if (ports.hub !== undefined) {
      const connected = connectToHub(ports, ports.hub, options, {
        deploy: (request) => this.#pipeline.deploy(request),
        status,
        kept: () => this.#pipeline.kept,
        candidates: () => this.#pipeline.candidates,
        damaged: () => this.#pipeline.damaged,
        onCommand: (payload) => void this.#commands.onMessage(payload),
        drainS: (lanes) => this.#buffer.drainS(lanes),
        backlog: () => ({ waiting: this.#arrivals.journalBytes, passed: this.#passedBytes }),
      });
      ({ deployer: this.#deployer, meter: this.#meter, uplink: this.#uplink } = connected);
    }
    ports.storage?.onChange(() => void this.#deployer?.report());
    this.#buffer = new BufferWatch({
      ...{ device: options.device, spool, clock, config, startedAt: this.#startedAt },
      uplink: () => this.#uplink,
      meter: this.#meter,
    });
  }

  async start(): Promise<{ mqttPort: number }> {
    const { spool, clock, bootId } = this.#ports;
    await spool.call('beginRun', bootId);
    const state = await spool.call('state');
    this.#startTime();
    await this.#pipeline.start();
    this.#mqttPort = await this.#broker.start();
    this.#publisher.start(state.publishes);
    await this.#teller.start();
    await this.#deployer?.start(state);
    this.#uplink?.start();
    this.#buffer.start();
    this.#ports.hub?.renewal?.start(() => this.#uplink?.renewed());
    this.#stopTelling = every(clock, TELL_LETTERS_MS, () => this.#tellLetters());
    this.#cancelSteady = clock.after(this.#options.config.deploy.trial.steadyAfter, () => void this.#isSteady());
    this.#usage.start();
    this.#gaps.start();
    return { mqttPort: this.#mqttPort };
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async renew(): Promise<void> {
    const renewal = this.#ports.hub?.renewal;
    if (renewal === undefined) {
      throw new UsageError('no-hub', 'this device has no certificate to renew', 'enrol it with weir-agent join');
    }
    await renewal.renew();
  }

  buffer(): Promise<BufferReport> {
    return this.#buffer.report();
  }

  async status(): Promise<StatusReport> {
    const { spool, clock, time } = this.#ports;
    const [counts, lastRefused, droppedRanges, trials, budget] = await Promise.all([
      spool.call('counts'),
      spool.call('lastRefused', LAST.refused),
      spool.call('droppedRanges'),
      spool.call('trials'),
      this.#meter?.status(),
    ]);
    return {
      device: this.#options.device,
      version: this.#options.version,
      startedAt: this.#startedAt,
      now: clock.now(),
      clock: time?.status(),
      storage: await this.#ports.storage?.status(),
      uplink: uplinkStatus(this.#uplink, this.#startedAt),
      broker: { host: this.#options.config.mqtt.host, port: this.#mqttPort, connections: this.#broker.connections },
      accepted: counts.accepted,
      futureReadings: counts.futureReadings,
      refused: counts.refused,
      lastRefused: lastRefused.map((each) => ({ ...each, head: printable(each.head) })),
      journal: { bytes: this.#arrivals.journalBytes, lagRows: this.#pipeline.lagRows },
      lanes: counts.lanes,
      ...{ droppedRanges, trials, deployments: this.#deployer?.status() ?? {} },
      ...(budget !== undefined && { budget }),
      ...(this.#ports.hub?.renewal && { certificate: this.#ports.hub.renewal.status() }),
      ...(this.#deployer !== undefined && { trust: this.#deployer.trust }),
      functions: this.#pipeline.status(),
      ruleLatency: this.#pipeline.latency.report,
      logs: this.#logs.last.slice(-LAST.logs),
      logsSuppressed: this.#logs.suppressed,
      publishes: { waiting: counts.publishesWaiting, dropped: counts.publishesDropped },
      requests: this.#requests.status(),
      notices: await this.#teller.status(),
      sandbox: { restarts: this.#ports.sandbox.restarts },
      deadLetters: { waiting: counts.deadLetters, dropped: counts.deadLettersDropped },
      commands: { waiting: counts.commandsWaiting, dropped: counts.commandsDropped },
    };
  }

  #startTime(): void {
    const { time, spool, log } = this.#ports;
    const onFailure = (error: Error) => this.#onFailure('what is known of the time cannot be kept', error);
    time?.start({
      // What is moved by no more than a blink need not be moved where functions keep it.
      onLearned: (learned) =>
        isFelt(learned.shift) ? this.#pipeline.learn(learned) : spool.call('learnTime', learned).catch(onFailure),
      keep: (kept, stamp) => void spool.call('keepTime', kept, stamp).catch(onFailure),
      log: (level, message) => log[level](message),
    });
  }

  #isSteady(): Promise<void> {
    return this.#ports.spool.call('runIsSteady').catch((fault) => this.#onFailure('a steady run is not noted', fault));
  }

  #onFault(fault: Fault): void {
    if (this.#faults.length < FAULTS_MAX) this.#faults.push(faultLine(fault, this.#ports.clock.now()));
  }

  /** What functions said and where they threw, as it happened. */
  #withFaults(lines: readonly LogLine[]): readonly LogLine[] {
    if (this.#faults.length === 0) return lines;
    return [...lines, ...this.#faults.splice(0)].sort((a, b) => a.ts - b.ts);
  }

  async #tellLetters(): Promise<void> {
    const { spool, clock } = this.#ports;
    await spool.call('tellDeadLetters', clock.now()).catch((error) => this.#onFailure('letters cannot be told', error));
    this.#uplink?.changed();
  }

  #onCommitted({ passedBytes, alerts, publishes, lanes }: Committed): void {
    this.#passedBytes += passedBytes;
    if (passedBytes > 0) this.#arrivals.passed(passedBytes);
    this.#publisher.add(publishes);
    if (alerts.length > 0) this.#teller.wake();
    for (const { state, severity, summary, episode } of alerts) {
      if (state !== 'pending') this.#ports.log.warn({ episode, severity }, `alert ${state}: ${summary}`);
    }
    if (lanes.some(({ items }) => items > 0)) this.#uplink?.changed();
  }

  #onFailure(what: string, error: Error): void {
    this.#failures.tell(this.#ports, what, error);
    if (!(error instanceof SqliteError) || this.#stopping !== undefined) return;
    if (error.code === 'closed' || error.code === 'corrupt') this.#ports.onFatal(error);
  }

  async #stop(): Promise<void> {
    this.#stopTelling();
    this.#cancelSteady();
    this.#gaps.stop();
    this.#logLease.stop();
    this.#broker.quiesce();
    let cancel = () => {};
    const enough = new Promise<void>((resolve) => {
      cancel = this.#ports.clock.after(DRAIN_MS, resolve);
    });
    await Promise.race([this.#arrivals.drain(), enough]);
    cancel();
    this.#commands.stop();
    const carried = this.#requests.stop();
    await this.#pipeline.stop();
    await carried;
    await this.#usage.stop();
    await this.#deployer?.stop();
    this.#buffer.stop();
    this.#ports.hub?.renewal?.stop();
    await this.#uplink?.stop();
    await this.#ports.time?.stop();
    await this.#teller.stop();
    await this.#publisher.stop();
    await this.#broker.stop();
    // Where it cannot be kept, the disk is what ended it: that counts once, as any other end.
    await this.#ports.spool.call('endRun').catch(() => {});
    await this.#ports.spool.close();
  }
}
