/** Runs the functions and rules of devices, and puts what they bring about among the effects of a commit. */
import { type AlertTransition, type Columns, columnsOf, isGatherer } from '@weir/protocols';
import {
  type DeadLetter,
  type DeviceCommand,
  declaredRequests,
  type FoldEvent,
  type LogLine,
  leftOfReplay,
  replayPosition,
  type StepOutput,
} from '@weir/runtime';
import type { Origin } from '../api/events.ts';
import type { Clock } from '../clock/clock.ts';
import type { Commands } from '../commands/commands.ts';
import { type HubLetter, toFold } from '../dead-letters/dead-letter.ts';
import type { Logger } from '../logger.ts';
import type { CloudUsage } from '../usage/cloud-usage.ts';
import type { Device } from './devices.ts';
import type { Effects } from './effects.ts';
import type { ForGatherer } from './gather/feeds.ts';
import type { WorkerCounts } from './limits.ts';
import { PUBLISHES_MAX, type PublishCarrier, publishChange } from './publishes.ts';
import type { PartitionRequests } from './requests.ts';

export interface FoldsOptions {
  partition: number;
  publisher: PublishCarrier;
  requests: PartitionRequests;
  commands: Pick<Commands, 'admit'>;
  counts: WorkerCounts;
  usage: CloudUsage;
  logger: Logger;
  clock: Clock;
  logLinesPerSecond: number;
  /** All lines, for whoever looks; the log of the hub has as many as the rate allows. */
  onLogs?(device: string, lines: readonly LogLine[]): void;
}

/** What names an input for ever, and when it came; ms since epoch. */
export interface Arrival {
  position: string;
  receivedAt: number;
  /** Whose it is, where a function gathers what is another device's. */
  from?: string;
}

/** Those of all devices of one partition. */
export class Folds {
  readonly #options: FoldsOptions;
  #logged = { second: 0, lines: 0, unsaid: 0 };

  constructor(options: FoldsOptions) {
    this.#options = options;
  }

  /** Makes what the fleet wants what runs. */
  async converge(device: Device, effects: Effects): Promise<void> {
    const now = this.#options.clock.now();
    const { state, folds } = device;
    for (const output of await folds.converge(now, state.isOnline)) await this.#absorb(device, output, now, effects);
    const standing = state.fed.turn(folds.targets, isGatherer(state.device) ? true : state.isOnline);
    if (standing.length === 0 && state.fed.changes().length === 0) return;
    effects.touch(state);
    handOn(device, standing, now, effects);
  }

  async step(device: Device, arrival: Arrival, columns: Columns, effects: Effects): Promise<void> {
    const { position, receivedAt, from } = arrival;
    await this.converge(device, effects);
    const input = { position, receivedAt, columns };
    const output = await device.folds.step(from === undefined ? input : { ...input, device: from });
    const raw = from === undefined ? columns : undefined;
    if (output !== undefined) await this.#absorb(device, output, receivedAt, effects, raw);
    else handOn(device, device.folds.feeds.readings(raw, NO_COLUMNS), receivedAt, effects);
  }

  async event(device: Device, event: FoldEvent, { position, receivedAt }: Arrival, effects: Effects): Promise<void> {
    await this.converge(device, effects);
    const { feeds } = device.folds;
    if (event.kind === 'presence') handOn(device, feeds.presence(event.online), receivedAt, effects);
    if (event.kind === 'alerts') handOn(device, feeds.alerts(event.alerts), receivedAt, effects);
    const output = await device.folds.event(event, position, receivedAt);
    if (output !== undefined) await this.#absorb(device, output, receivedAt, effects);
  }

  async tick(device: Device, effects: Effects): Promise<void> {
    const { clock, usage } = this.#options;
    await this.converge(device, effects);
    const now = clock.now();
    const output = await device.folds.tick(now);
    if (output === undefined) return;
    if (isQuiet(output)) usage.keep(output.usage, now);
    else await this.#absorb(device, output, now, effects);
    usage.release(effects, now);
  }

  /** @returns false when nobody takes it: its function is not there, or does not run */
  async replay(device: Device, letter: HubLetter, effects: Effects): Promise<boolean> {
    await this.converge(device, effects);
    const now = this.#options.clock.now();
    const dead = toFold(letter);
    const position = replayPosition(dead.id, letter.replays);
    const output = await device.folds.event({ kind: 'replay', letter: dead }, position, now);
    if (output === undefined) return false;
    const left = leftOfReplay(output.deadLetters, { fold: dead.fold, position });
    const deadLetters = output.deadLetters.filter((each) => each !== left);
    await this.#absorb(device, { ...output, deadLetters }, now, effects);
    effects.touch(device.letters);
    if (left === undefined) await device.letters.remove(letter);
    else await device.letters.again(letter, left);
    return true;
  }

  /** @param raw readings of the device that were stepped over */
  async #absorb(
    device: Device,
    output: StepOutput,
    receivedAt: number,
    effects: Effects,
    raw?: Columns,
  ): Promise<void> {
    const { clock, publisher, requests, partition } = this.#options;
    const { emitted, alerts, publishes, logs } = output;
    effects.touch(device.folds);
    effects.use(output.usage);
    if (emitted.index.length > 0) {
      effects.touch(device.state);
      effects.add(device.state.keepEmitted(emitted, clock.now()));
    }
    const admitted = publisher.admit(publishes);
    if (admitted.length < publishes.length) this.#tellDropped(device, publishes.length - admitted.length);
    effects.add(admitted.map((publish) => publishChange(partition, device.state.device, publish)));
    const declared = (fold: string) => declaredRequests(fold, device.folds.deployed);
    const asked = requests.admit(device.state.device, output.requests, declared);
    if (asked !== undefined) effects.addOnce(asked.changes, asked.committed);
    await this.#addCommands(device, output.commands, effects);
    const own = addTransitions('cloud', device, alerts, effects);
    const { feeds } = device.folds;
    handOn(device, [...feeds.readings(raw, emitted), ...feeds.alerts(own)], receivedAt, effects);
    await this.keepLetters(device, output.deadLetters, effects);
    this.#log(device, logs);
  }

  async keepLetters(device: Device, letters: readonly DeadLetter[], effects: Effects): Promise<void> {
    if (letters.length === 0) return;
    effects.touch(device.letters);
    const dropped = await device.letters.add(letters);
    this.#options.counts.deadLetters += letters.length;
    this.#options.counts.deadLettersDropped += dropped;
    if (dropped === 0) return;
    const text = `${dropped} dead letters dropped: too large, or too many of one step`;
    this.#log(device, [{ fold: 'dead-letters', level: 'warn', text, ts: this.#options.clock.now() }]);
  }

  async #addCommands(device: Device, commands: readonly DeviceCommand[], effects: Effects): Promise<void> {
    if (commands.length === 0) return;
    const { commands: keeper, counts, clock } = this.#options;
    const { changes, committed, dropped } = await keeper.admit(device.state.device, commands);
    effects.addOnce(changes, committed);
    if (dropped.length === 0) return;
    counts.commandsDropped += dropped.length;
    const text = `${dropped.length} commands dropped: ${[...new Set(dropped)].slice(0, 5).join('; ')}`;
    this.#log(device, [{ fold: 'commands', level: 'warn', text, ts: clock.now() }]);
  }

  #tellDropped(device: Device, publishes: number): void {
    this.#options.counts.publishesDropped += publishes;
    const text = `${publishes} messages to devices dropped: over ${PUBLISHES_MAX} wait for the downlink`;
    this.#log(device, [{ fold: 'publishes', level: 'warn', text, ts: this.#options.clock.now() }]);
  }

  /** What functions say, up to a rate: one that says too much must not fill the disk of the hub. */
  #log(device: Device, lines: readonly LogLine[]): void {
    const { logger, clock, partition, logLinesPerSecond, onLogs } = this.#options;
    onLogs?.(device.state.device, lines);
    const second = Math.floor(clock.now() / 1000);
    if (second !== this.#logged.second) {
      const { unsaid } = this.#logged;
      if (unsaid > 0) logger.warn({ partition, lines: unsaid }, 'log lines of functions were left out');
      this.#logged = { second, lines: 0, unsaid: 0 };
    }
    for (const { fold, level, text, ts } of lines) {
      if (++this.#logged.lines > logLinesPerSecond) this.#logged.unsaid++;
      else logger[level]({ device: device.state.device, fold, ts }, text);
    }
  }
}

/** A device speaks of itself alone; the front has told of those that do not. @returns those of itself */
export function addTransitions(
  origin: Origin,
  { state }: Device,
  alerts: readonly AlertTransition[],
  effects: Effects,
): AlertTransition[] {
  const own = alerts.filter((alert) => alert.device === state.device);
  effects.addTransitions(origin, own);
  return own;
}

const NO_COLUMNS = columnsOf([]);

function handOn(device: Device, contents: readonly ForGatherer[], receivedAt: number, effects: Effects): void {
  for (const { gatherer, content } of contents) {
    effects.handOn(gatherer, { device: device.state.device, receivedAt, content });
  }
}

/** In the cloud nothing is forwarded any further. */
function isQuiet({ emitted, usage: _, forwarded: _forwarded, ...lists }: StepOutput): boolean {
  return emitted.index.length === 0 && Object.values(lists).every((list) => list.length === 0);
}
