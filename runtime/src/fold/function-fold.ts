/**
 * A user function as a fold: its state lives here as text, its code in the sandbox.
 *
 * Contained: a step that times out or fills its heap is tried once more (a busy machine can look like a loop), then
 * left out and counted as a strike. Three strikes in a row, or ten steps in a row that threw, quarantine the version.
 */
import type { AlertTransition, Columns, Manifest, Reading } from '@weir/protocols';
import { isName, isTimestamp, isValue, readingAt } from '@weir/protocols';
import { z } from 'zod';
import { type Places, placesOf } from '../bundle/places.ts';
import type { StepRequest, Unit } from '../sandbox/protocol.ts';
import type { Outcome, Sandbox } from '../sandbox/sandbox.ts';
import type { Deployed, Fault, LogLine, Publish } from './fold.ts';
import { OpenAlerts, type OpenAlertsState } from './open-alerts.ts';
import { Beat } from './schedule.ts';
import { SeriesFilter } from './select.ts';

export interface FunctionOutput {
  emitted: Reading[];
  alerts: AlertTransition[];
  publishes: Publish[];
  logs: LogLine[];
}

/** The fold's state: the user's, and what the host keeps for it. */
export interface FunctionState {
  /** JSON text of the user's state; empty before the first step. */
  user: string;
  alerts: OpenAlertsState;
  /** Last run of each schedule, ms. */
  ran: [schedule: string, at: number][];
}

const STRIKES_MAX = 3;
const THROWN_STEPS_MAX = 10;
const PAYLOAD_CHARS_MAX = 65_536;

const answerSchema = z.object({
  need: z.literal('state').optional(),
  failed: z.boolean().optional(),
  state: z.string().optional(),
  // Checked one by one, by kind: up to ten thousand pass here in a step.
  outputs: z.custom<unknown[]>(Array.isArray).default([]),
  logs: z
    .array(z.object({ level: z.enum(['debug', 'info', 'warn', 'error']), text: z.string(), ts: z.number() }))
    .default([]),
  logsDropped: z.number().default(0),
  faults: z.array(z.object({ at: z.number(), message: z.string(), stack: z.string() })).default([]),
});
type Answer = z.infer<typeof answerSchema>;

const alertIntentSchema = z.object({
  name: z.string().min(1).max(128),
  active: z.boolean(),
  severity: z.enum(['info', 'warning', 'critical']),
  summary: z.string().transform((text) => text.slice(0, 500)),
  value: z.union([z.number(), z.boolean(), z.string().max(256)]).optional(),
  sensor: z.string().refine(isName).optional(),
  metric: z.string().refine(isName).optional(),
  ts: z.number().refine(isTimestamp),
});

const publishSchema = z.object({
  topic: z
    .string()
    .min(1)
    .max(256)
    .regex(/^[^+#$\0][^+#\0]*$/),
  payload: z.string().max(PAYLOAD_CHARS_MAX),
  qos: z.union([z.literal(0), z.literal(1)]),
  retain: z.boolean(),
});

export class FunctionFold {
  readonly manifest: Manifest;
  readonly unit: Unit;
  changed = false;
  quarantined: string | undefined;
  /** Message of the last failed step. */
  lastError: string | undefined;
  errors = 0;
  steps = 0;
  readings = 0;
  #sandbox: Sandbox;
  #device: string;
  #filter: SeriesFilter;
  #places: Places;
  #onFault: (fault: Fault) => void;
  #declared: SeriesFilter | undefined;
  #user: string;
  #alerts: OpenAlerts;
  #ran: Map<string, number>;
  #beats: Beat[];
  #revision = 0;
  /** Whether the isolate made the current revision itself. */
  #handedOver = false;
  #strikes = 0;
  #thrownSteps = 0;

  constructor(
    device: string,
    manifest: Manifest,
    deployed: Deployed,
    unit: Unit,
    sandbox: Sandbox,
    state?: FunctionState,
    onFault: (fault: Fault) => void = () => {},
  ) {
    this.#device = device;
    this.manifest = manifest;
    this.unit = unit;
    this.#sandbox = sandbox;
    this.#filter = new SeriesFilter(manifest.inputs);
    this.#places = placesOf(deployed.bundle.kind === 'function' ? deployed.bundle.sourceMap : undefined);
    this.#onFault = onFault;
    if (manifest.outputs.length > 0) this.#declared = new SeriesFilter(manifest.outputs);
    this.#beats = manifest.schedules.map((schedule) => new Beat(schedule));
    const source = { kind: 'function', name: manifest.name, version: manifest.version } as const;
    this.#user = state?.user ?? '';
    this.#alerts = new OpenAlerts(device, source, state?.alerts ?? { opened: 0, open: [] });
    this.#ran = new Map(state?.ran);
    this.quarantined = deployed.quarantined;
  }

  get state(): FunctionState {
    return { user: this.#user, alerts: this.#alerts.state, ran: [...this.#ran] };
  }

  async step(columns: Columns, position: string): Promise<FunctionOutput | undefined> {
    if (this.quarantined !== undefined || !this.#takesReadings()) return undefined;
    const selected = this.#filter.select(columns);
    if (selected === undefined) return undefined;
    this.readings += selected.index.length;
    return this.#run({ columns: selected }, position);
  }

  /** Runs the schedules that have fallen due; several missed runs are made up by one. */
  async tick(now: number, position: string): Promise<FunctionOutput[]> {
    const outputs: FunctionOutput[] = [];
    for (const beat of this.#beats) {
      if (this.quarantined !== undefined) break;
      const { name } = beat;
      const due = beat.before(now) ?? 0;
      const last = this.#ran.get(name);
      // A clock that was ahead and has been set right must not silence it until then.
      const isAhead = last !== undefined && last > now;
      if (last !== undefined && due <= last && !isAhead) continue;
      this.#ran.set(name, due);
      this.changed = true;
      // The first moment only sets the beat.
      if (last === undefined || isAhead) continue;
      const output = await this.#run({ schedule: { name, at: due } }, `${position}.${name}`);
      if (output !== undefined) outputs.push(output);
    }
    return outputs;
  }

  /** Ends every open alert. */
  endAll(reason: 'removed' | 'quarantined', ts: number, alerts: AlertTransition[]): void {
    if (this.#alerts.endAll(reason, ts, alerts)) this.changed = true;
  }

  #takesReadings(): boolean {
    return this.manifest.handlers.includes('reading') || this.manifest.handlers.includes('readings');
  }

  async #run(input: StepContent, position: string): Promise<FunctionOutput | undefined> {
    const output = await this.#step(input, position);
    if (this.quarantined === undefined) return output;
    // Nobody will say that its alerts are over; so it is said now.
    const last = output ?? emptyOutput();
    this.endAll('quarantined', momentOf(input), last.alerts);
    return last;
  }

  async #step(input: StepContent, position: string): Promise<FunctionOutput | undefined> {
    this.steps++;
    const seed = seedOf(`${this.manifest.name}\n${this.#device}\n${position}`);
    let outcome = await this.#attempt(input, seed);
    if (outcome.kind === 'timed-out' || outcome.kind === 'out-of-memory' || outcome.kind === 'crashed') {
      outcome = await this.#attempt(input, seed);
    }
    if (outcome.kind !== 'returned') {
      const message = this.#places.name(outcome.message);
      this.#onFault({ fold: this.manifest.name, kind: outcome.kind, message, stack: '' });
      this.#strike(`${outcome.kind}: ${message}`);
      return undefined;
    }
    const answer = parseAnswer(outcome.text);
    if (answer === undefined) {
      this.#strike('threw: the isolate answered with something that is no answer');
      return undefined;
    }
    this.#strikes = 0;
    this.#revision++;
    this.#handedOver = true;
    return this.#settle(answer, position, input.columns);
  }

  async #attempt(input: StepContent, seed: number): Promise<Outcome> {
    const request: StepRequest = {
      instance: this.#device,
      revision: this.#revision,
      device: this.#device,
      seed,
      ...input,
    };
    if (!this.#handedOver) request.state = this.#user;
    const outcome = await this.#sandbox.step(this.unit, request);
    if (outcome.kind !== 'returned' || outcome.text !== NEEDS_STATE) return outcome;
    return this.#sandbox.step(this.unit, { ...request, state: this.#user });
  }

  #settle(answer: Answer, position: string, columns: Columns | undefined): FunctionOutput {
    if (answer.state !== undefined) {
      this.#user = answer.state;
      this.changed = true;
    }
    const output = emptyOutput();
    const fold = this.manifest.name;
    for (const { level, text, ts } of answer.logs)
      output.logs.push({ fold, level, text: this.#places.stack(text), ts });
    if (answer.logsDropped > 0) {
      const text = `${answer.logsDropped} more log lines in one step were dropped`;
      output.logs.push({ fold, level: 'warn', text, ts: answer.logs.at(-1)?.ts ?? 0 });
    }
    for (const each of answer.outputs) this.#accept(each, position, output, answer.faults);
    this.#count(answer, columns);
    return output;
  }

  /** What comes out of an isolate is checked like anything else from outside. */
  #accept(raw: unknown, position: string, output: FunctionOutput, faults: Answer['faults']): void {
    const each = (raw ?? {}) as { kind?: unknown };
    if (each.kind === 'emit') {
      if (isReading(each) && (this.#declared?.takes(each) ?? true)) output.emitted.push(pickReading(each));
      else if (isReading(each))
        faults.push({ at: -1, message: `emit: ${each.metric} is not among its outputs`, stack: '' });
      else faults.push({ at: -1, message: `emit: no valid reading: ${JSON.stringify(each).slice(0, 200)}`, stack: '' });
    } else if (each.kind === 'alert') {
      const intent = alertIntentSchema.safeParse(each);
      const told = intent.success
        ? this.#alerts.say(intent.data, output.alerts)
        : { problem: intent.error.issues[0]!.message };
      if (told === 'told') this.changed = true;
      else if (told !== undefined) faults.push({ at: -1, message: `alert: ${told.problem}`, stack: '' });
    } else if (each.kind === 'publish') {
      const publish = publishSchema.safeParse(each);
      const id = `${this.manifest.name}:${position}:${output.publishes.length}`;
      if (publish.success) output.publishes.push({ id, ...publish.data });
      else faults.push({ at: -1, message: `publish: ${publish.error.issues[0]!.message}`, stack: '' });
    }
  }

  #count(answer: Answer, columns: Columns | undefined): void {
    if (answer.faults.length === 0) {
      this.#thrownSteps = 0;
      return;
    }
    this.errors++;
    const faults = answer.faults.map((fault) => this.#told(fault, columns));
    const { message, place } = faults[0]!;
    this.lastError = place === undefined ? message : `${message} (${place})`;
    for (const fault of faults) this.#onFault(fault);
    if (!answer.failed) {
      this.#thrownSteps = 0;
      return;
    }
    this.#thrownSteps++;
    if (this.#thrownSteps >= THROWN_STEPS_MAX) {
      this.quarantined = `${THROWN_STEPS_MAX} steps in a row failed; the last: ${this.lastError}`;
    }
  }

  #told({ at, message, stack }: Answer['faults'][number], columns: Columns | undefined): Fault {
    const place = this.#places.first(stack);
    const fault: Fault = { fold: this.manifest.name, kind: 'threw', message, stack: this.#places.stack(stack) };
    if (place !== undefined) fault.place = place;
    if (columns !== undefined && at >= 0 && at < columns.index.length) fault.reading = readingAt(columns, at);
    return fault;
  }

  #strike(message: string): void {
    this.errors++;
    this.#strikes++;
    this.lastError = message;
    this.#handedOver = false;
    if (this.#strikes >= STRIKES_MAX) {
      this.quarantined = `${STRIKES_MAX} steps in a row had to be stopped; the last: ${message}`;
    }
  }
}

type StepContent = Pick<StepRequest, 'columns' | 'schedule'>;

function emptyOutput(): FunctionOutput {
  return { emitted: [], alerts: [], publishes: [], logs: [] };
}

/** Event time of the latest input, ms. */
function momentOf({ columns, schedule }: StepContent): number {
  let latest = schedule?.at ?? 0;
  for (const ts of columns?.ts ?? []) if (ts > latest) latest = ts;
  return latest;
}

const NEEDS_STATE = '{"need":"state"}';

function parseAnswer(text: string): Answer | undefined {
  try {
    return answerSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

function isReading(each: object): each is Reading {
  const { sensor, metric, value, ts } = each as Record<string, unknown>;
  const named = typeof sensor === 'string' && isName(sensor) && typeof metric === 'string' && isName(metric);
  return named && isValue(value) && isTimestamp(ts);
}

function pickReading({ sensor, metric, value, ts, unit }: Reading): Reading {
  const reading: Reading = { sensor, metric, value, ts };
  if (typeof unit === 'string' && unit.length <= 32) reading.unit = unit;
  return reading;
}

/** FNV-1a. */
function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
