/**
 * A user function as a fold: its states live here as texts, its code in the sandbox.
 *
 * Contained: a step that times out or fills its heap is tried once more (a busy machine can look like a loop), then
 * left out and counted as a strike, and what is wrong again and again quarantines the version (`patience.ts`). What was
 * left out becomes a dead letter.
 */
import { createHash } from 'node:crypto';
import { type AlertTransition, type Columns, type Json, type Manifest, readingAt } from '@weir/protocols';
import { type Places, placesOf } from '../bundle/places.ts';
import type { KeptState, StepEvent, StepRequest, Unit } from '../sandbox/protocol.ts';
import type { FunctionSandbox, Outcome } from '../sandbox/sandbox.ts';
import { type Answer, NEEDS_STATE, parseAnswer, tellLogs } from './answer.ts';
import type { DeadInput, DeadLetter, Deployed, Fault, Usage } from './fold.ts';
import type { FunctionState } from './function-state.ts';
import { movedStates, movedTimes, type TimeMove } from './move-time.ts';
import { OpenAlerts } from './open-alerts.ts';
import { emptyFunctionOutput, type FunctionOutput, Outputs } from './outputs.ts';
import { Patience } from './patience.ts';
import { plausibleTs } from './plausible.ts';
import { Beat } from './schedule.ts';
import { seedOf } from './seed.ts';
import { pickColumns, SeriesFilter } from './select.ts';
import { earliestTimer, type InputPlace, momentOf, type StepContent } from './step-content.ts';
import { Verdicts } from './verdicts.ts';

export interface FunctionFoldOptions {
  device: string;
  sandbox: FunctionSandbox;
  /** How far commands go. */
  reach: 'device' | 'fleet';
  onFault: (fault: Fault) => void;
  /** Between retries. */
  wait: (ms: number) => Promise<void>;
}

export class FunctionFold {
  readonly manifest: Manifest;
  readonly unit: Unit;
  /** Of the condition of a rule. */
  readonly verdicts: Verdicts;
  quarantined: string | undefined;
  /** Its states before were for something else, by their `key`: they are gone, and who raised its alerts with them. */
  readonly isRekeyed: boolean;
  /** Message of the last failed step. */
  lastError: string | undefined;
  /** Steps that did not fail. */
  stepsWell = 0;
  readonly usage: Usage = { invocations: 0, readings: 0, cpuMs: 0, heapBytesMax: 0, errors: 0, outputs: 0 };
  #options: FunctionFoldOptions;
  #hash: string;
  #filter: SeriesFilter;
  #places: Places;
  #states: Map<string, KeptState>;
  #alerts: OpenAlerts;
  #outputs: Outputs;
  #ran: Map<string, number>;
  #lagMs: number;
  #beats: Beat[];
  /** When the next timer is due, in event time. */
  #nextTimer: number | undefined;
  /** Names version and configuration. */
  #version: string;
  #revision = 0;
  /** Whether the isolate made the current revision itself. */
  #handedOver = false;
  #patience: Patience;
  #changed = false;

  constructor(
    manifest: Manifest,
    deployed: Deployed,
    unit: Unit,
    state: FunctionState | undefined,
    options: FunctionFoldOptions,
  ) {
    this.manifest = manifest;
    this.unit = unit;
    this.#options = options;
    this.#hash = deployed.hash;
    this.#filter = new SeriesFilter(manifest.inputs);
    this.#places = placesOf(deployed.bundle.kind === 'function' ? deployed.bundle.sourceMap : undefined);
    this.#beats = manifest.schedules.map((schedule) => new Beat(schedule));
    const source = { kind: 'function', name: manifest.name, version: manifest.version } as const;
    const states = state?.states ?? [];
    this.#states = new Map(states.filter(([key]) => (key === '') === (manifest.key !== 'series')));
    this.isRekeyed = this.#states.size < states.length;
    this.#alerts = new OpenAlerts(options.device, source, state?.alerts ?? { opened: 0, open: [] });
    this.#outputs = new Outputs({ manifest, alerts: this.#alerts, reach: options.reach });
    this.#ran = new Map(state?.ran);
    this.#lagMs = state?.lagMs ?? 0;
    this.#nextTimer = earliestTimer(this.#states);
    this.#version = createHash('sha256').update(unit.key).digest('hex').slice(0, 12);
    this.#patience = new Patience(this.#version, state?.throwing);
    this.verdicts = new Verdicts(manifest, state?.said);
    this.quarantined = deployed.quarantined;
  }

  get state(): FunctionState {
    const throwing = this.#patience.state;
    const said = this.verdicts.state;
    const kept = { states: [...this.#states], alerts: this.#alerts.state, ran: [...this.#ran], lagMs: this.#lagMs };
    return { ...kept, ...(throwing !== undefined && { throwing }), ...(said !== undefined && { said }) };
  }

  get changed(): boolean {
    return this.#changed || this.#patience.changed;
  }

  set changed(changed: boolean) {
    this.#changed = changed;
    if (!changed) this.#patience.changed = false;
  }

  handles(handler: Manifest['handlers'][number]): boolean {
    return this.manifest.handlers.includes(handler);
  }

  async step(columns: Columns, place: InputPlace): Promise<FunctionOutput | undefined> {
    if (this.quarantined !== undefined || !(this.handles('reading') || this.handles('readings'))) return undefined;
    const selected = this.#filter.select(columns);
    if (selected === undefined) return this.#fall(place.receivedAt, [], place);
    this.usage.readings += selected.index.length;
    const content: StepContent = { columns: selected };
    const moments = this.#momentsOf(selected, place.receivedAt);
    if (moments !== undefined) this.#keepTime(moments, place.receivedAt, content);
    return this.#run(content, place);
  }

  /** Runs the schedules and timers that have fallen due; several missed runs of a schedule are made up by one. */
  async tick(now: number, position: string, arrivedUntil: number): Promise<FunctionOutput | undefined> {
    if (this.quarantined !== undefined) return undefined;
    const schedules = this.#beats.flatMap((beat) => this.#dueAt(beat, now) ?? []);
    return this.#fall(arrivedUntil, schedules, { position, receivedAt: now });
  }

  /** The handler `start`, for states that have not seen this version. */
  async begin({ position, receivedAt }: InputPlace): Promise<FunctionOutput | undefined> {
    const waiting = [...this.#states.values()].some(({ started }) => started !== this.#version);
    const isFirst = this.#states.size === 0 && this.manifest.key !== 'series';
    if (!this.handles('start') || this.quarantined !== undefined || !(waiting || isFirst)) return undefined;
    return this.#run({ event: { handler: 'start', at: receivedAt } }, { position, receivedAt });
  }

  async event(
    handler: Exclude<StepEvent['handler'], 'start'>,
    { keys, value, at }: { keys?: string[] | undefined; value?: Json | undefined; at: number },
    place: InputPlace,
  ): Promise<FunctionOutput | undefined> {
    if (this.quarantined !== undefined || !this.handles(handler)) return undefined;
    const event: StepEvent = { handler, at };
    if (keys !== undefined) event.keys = keys;
    if (value !== undefined) event.value = value;
    return this.#run({ event }, place);
  }

  /** Ends every open alert. */
  endAll(reason: 'removed' | 'quarantined', ts: number, alerts: AlertTransition[]): void {
    if (this.#alerts.endAll(reason, ts, alerts)) this.changed = true;
  }

  /** A person ended this alert; what raises it again begins another. @returns whether it was open here */
  endByHand(episode: string, ts: number, alerts: AlertTransition[]): boolean {
    const isOpen = this.#alerts.endByHand(episode, ts, alerts);
    if (isOpen) this.changed = true;
    return isOpen;
  }

  /** A version that takes over with a state of its own says where its alerts differ from what was told. */
  settleAlerts(ts: number, alerts: AlertTransition[]): void {
    if (this.#alerts.settle(ts, alerts)) this.changed = true;
  }

  moveTime(move: TimeMove): void {
    this.#states = movedStates(this.#states, move);
    this.#ran = movedTimes(this.#ran, move);
    this.#alerts.moveTime(move);
    this.#nextTimer = earliestTimer(this.#states);
    this.#revision++;
    [this.#handedOver, this.changed] = [false, true];
  }

  /** What has fallen due, if anything has. */
  async #fall(
    arrivedUntil: number,
    schedules: NonNullable<StepContent['schedules']>,
    place: InputPlace,
  ): Promise<FunctionOutput | undefined> {
    const timersUntil = arrivedUntil - this.#lagMs;
    if (schedules.length === 0 && !(this.#nextTimer !== undefined && this.#nextTimer <= timersUntil)) return undefined;
    return this.#run({ schedules, timersUntil }, place);
  }

  /** Undefined: nothing of it depends on event time. */
  #momentsOf({ ts }: Columns, receivedAt: number): Float64Array | undefined {
    if (!this.handles('timers') && !this.#beats.some(({ inEventTime }) => inEventTime)) return undefined;
    return ts.map((each) => plausibleTs(each, receivedAt));
  }

  #keepTime(moments: Float64Array, receivedAt: number, content: StepContent): void {
    let latest = 0;
    for (const moment of moments) if (moment > latest) latest = moment;
    this.#lagMs = Math.max(0, receivedAt - latest);
    this.changed = true;
    // As a tick at its arrival would: at which input timers of other series fire must not hang on when the clock ticks.
    content.timersUntil = receivedAt - this.#lagMs;
    for (const beat of this.#beats) {
      const marks = beat.inEventTime ? beat.marks(moments) : undefined;
      if (marks !== undefined) content.marks = { ...content.marks, [beat.name]: marks };
    }
  }

  #dueAt(beat: Beat, now: number): { name: string; at: number } | undefined {
    if (beat.inEventTime) return undefined;
    const { name } = beat;
    const due = beat.before(now) ?? 0;
    const last = this.#ran.get(name);
    // A clock that was ahead and has been set right must not silence it until then.
    const isAhead = last !== undefined && last > now;
    if (last !== undefined && due <= last && !isAhead) return undefined;
    this.#ran.set(name, due);
    this.changed = true;
    // The first moment only sets the beat.
    return last === undefined || isAhead ? undefined : { name, at: due };
  }

  async #run(content: StepContent, place: InputPlace): Promise<FunctionOutput> {
    const output = emptyFunctionOutput();
    const isWell = await this.#step(content, place, output);
    if (this.verdicts.note(output.emitted)) this.changed = true;
    if (!isWell) output.emitted.push(...this.verdicts.unknown(momentOf(content)));
    // Nobody will say that its alerts are over; so it is said now.
    if (this.quarantined !== undefined) this.endAll('quarantined', momentOf(content), output.alerts);
    for (const list of [output.emitted, output.alerts, output.publishes, output.requests, output.commands]) {
      this.usage.outputs += list.length;
    }
    return output;
  }

  /** @returns whether it has said what it has to say */
  async #step(content: StepContent, place: InputPlace, output: FunctionOutput): Promise<boolean> {
    const { outcome, answer } = await this.#tryAll(content, place);
    if (outcome.kind !== 'returned') {
      const message = this.#places.name(outcome.message);
      const fault: Fault = { fold: this.manifest.name, kind: outcome.kind, message, stack: '' };
      this.#options.onFault(fault);
      this.#strike(`${outcome.kind}: ${message}`, outcome.kind === 'crashed');
      this.#bury(content, place, fault, output);
      this.#stopIfWanted(fault);
      return false;
    }
    if (answer === undefined) {
      this.#strike('threw: the isolate answered with something that is no answer');
      return false;
    }
    this.#patience.cameBack();
    if (this.manifest.onError === 'stop' && answer.faults.length > 0) {
      tellLogs(answer, this.manifest.name, this.#places, output);
      this.#undo(answer, content, place, output);
      return false;
    }
    this.#revision++;
    this.#handedOver = true;
    this.#settle(answer, content, place, output);
    return !answer.failed;
  }

  /** The step as a whole, again and again where its policy says so. */
  async #tryAll(content: StepContent, place: InputPlace): Promise<{ outcome: Outcome; answer: Answer | undefined }> {
    const { onError, name } = this.manifest;
    const seed = seedOf(`${name}\n${place.device ?? this.#options.device}\n${place.position}`);
    const { retry: retries, backoff } = typeof onError === 'object' ? onError : { retry: 0, backoff: 0 };
    for (let retry = 0; ; retry++) {
      let outcome = await this.#attempt(content, place, seed);
      if (outcome.kind === 'timed-out' || outcome.kind === 'out-of-memory' || outcome.kind === 'crashed') {
        outcome = await this.#attempt(content, place, seed);
      }
      const answer = outcome.kind === 'returned' ? parseAnswer(outcome.text) : undefined;
      if (retry >= retries || answer?.faults.length === 0) return { outcome, answer };
      this.#handedOver = false;
      await this.#options.wait(backoff * 2 ** retry);
    }
  }

  async #attempt(content: StepContent, place: InputPlace, seed: number): Promise<Outcome> {
    const { sandbox, device } = this.#options;
    const request: StepRequest = {
      instance: device,
      revision: this.#revision,
      device: place.device ?? device,
      seed,
      receivedAt: place.receivedAt,
      ...content,
    };
    if (this.handles('start')) request.version = this.#version;
    if (!this.#handedOver) request.states = [...this.#states];
    this.usage.invocations++;
    let outcome = await sandbox.step(this.unit, request);
    if (outcome.kind === 'returned' && outcome.text === NEEDS_STATE) {
      outcome = await sandbox.step(this.unit, { ...request, states: [...this.#states] });
    }
    this.usage.cpuMs += (outcome.usage?.cpuUs ?? 0) / 1_000;
    this.usage.heapBytesMax = Math.max(this.usage.heapBytesMax, outcome.usage?.heapBytes ?? 0);
    return outcome;
  }

  #settle(answer: Answer, content: StepContent, place: InputPlace, output: FunctionOutput): void {
    for (const [key, state] of answer.states) this.#states.set(key, state);
    if (answer.states.length > 0) this.changed = true;
    this.#nextTimer = answer.next;
    tellLogs(answer, this.manifest.name, this.#places, output);
    const thrown = answer.faults.length;
    const at = { position: place.position, device: place.device ?? this.#options.device };
    for (const each of answer.outputs) {
      const said = this.#outputs.accept(each, at, output);
      if (said === 'told') this.changed = true;
      else if (said !== undefined) answer.faults.push({ at: -1, message: said, stack: '' });
    }
    const [first] = this.#count(answer, content);
    if (thrown > 0 && first !== undefined) this.#bury(content, place, first, output, answer);
  }

  /** For `onError: 'stop'`: as if the step had never been. */
  #undo(answer: Answer, content: StepContent, place: InputPlace, output: FunctionOutput): void {
    this.#handedOver = false;
    const [first] = this.#count(answer, content);
    this.#bury(content, place, first!, output);
    this.#stopIfWanted(first!);
  }

  #stopIfWanted({ message, place }: Fault): void {
    if (this.manifest.onError !== 'stop') return;
    this.quarantined ??= `stopped, as its onError says: ${place === undefined ? message : `${message} (${place})`}`;
  }

  /** Input that was left out. @param answer says which readings; without it all */
  #bury(content: StepContent, place: InputPlace, fault: Fault, output: FunctionOutput, answer?: Answer): void {
    const input = this.#deadInput(content, place, answer);
    if (input === undefined) return;
    const { name, version } = this.manifest;
    const { kind, message, stack } = fault;
    const letter: DeadLetter = {
      id: `${name}:${place.position}`,
      fold: name,
      version,
      hash: this.#hash,
      at: place.receivedAt,
      kind,
      message,
      stack,
      input,
    };
    if (fault.place !== undefined) letter.place = fault.place;
    output.deadLetters.push(letter);
  }

  #deadInput({ columns, event }: StepContent, place: InputPlace, answer: Answer | undefined): DeadInput | undefined {
    const device = place.device ?? this.#options.device;
    if (columns !== undefined) {
      if (answer === undefined || answer.failed) return { kind: 'readings', columns, device };
      const left = [...new Set(answer.left)].filter((at) => at < columns.index.length).sort((a, b) => a - b);
      return left.length === 0 ? undefined : { kind: 'readings', columns: pickColumns(columns, left), device };
    }
    if (event === undefined || event.handler === 'start') return undefined;
    const { handler, keys, value = null, at } = event;
    return { kind: 'event', handler, value, at, device, ...(keys !== undefined && { keys }) };
  }

  /** @returns the faults as they were told */
  #count(answer: Answer, { columns }: StepContent): Fault[] {
    if (!answer.failed) this.stepsWell++;
    const isEnough = this.#patience.threw(answer.failed === true);
    if (answer.faults.length === 0) return [];
    this.usage.errors++;
    const faults = answer.faults.map((fault) => this.#told(fault, columns));
    const { message, place } = faults[0]!;
    this.lastError = place === undefined ? message : `${message} (${place})`;
    for (const fault of faults) this.#options.onFault(fault);
    if (isEnough) this.quarantined = Patience.reasonOf(this.lastError);
    return faults;
  }

  #told({ at, message, stack }: Answer['faults'][number], columns: Columns | undefined): Fault {
    const place = this.#places.first(stack);
    const fault: Fault = { fold: this.manifest.name, kind: 'threw', message, stack: this.#places.stack(stack) };
    if (place !== undefined) fault.place = place;
    if (columns !== undefined && at >= 0 && at < columns.index.length) fault.reading = readingAt(columns, at);
    return fault;
  }

  #strike(message: string, isCrash = false): void {
    this.usage.errors++;
    this.lastError = message;
    this.#handedOver = false;
    this.quarantined = this.#patience.strike(message, isCrash) ?? this.quarantined;
  }
}
