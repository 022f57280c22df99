/**
 * Runs inside the isolate before user code, in strict mode, with nothing imported: the sandbox strips the types and
 * evaluates the text, and therefore it is one file. Its value is what the host calls, with data, and which answers
 * with JSON text.
 *
 * Nothing here is a boundary: user code may break its own isolate. The boundary is that only numbers, texts and
 * typed arrays cross, and that the host checks what comes back.
 */
interface Columns {
  series: { sensor: string; metric: string; kind: string; unit?: string; quality?: string }[];
  index: Uint16Array;
  ts: Float64Array;
  values: Float64Array;
  strings: string[];
}
interface Request {
  instance: string;
  revision: number;
  state?: string;
  device: string;
  seed: number;
  columns?: Columns;
  schedule?: { name: string; at: number };
}
type Output = Record<string, unknown>;
type Handler = (input: unknown, context?: unknown) => unknown;
interface UserDefinition {
  name?: unknown;
  version?: unknown;
  inputs?: unknown;
  state?: (config: unknown) => unknown;
  reading?: Handler;
  readings?: Handler;
  outputs?: unknown;
  schedule?: { name?: unknown; every?: unknown; cron?: unknown; timeZone?: unknown; run: Handler }[];
  timeoutMs?: unknown;
  memoryMb?: unknown;
}

(() => {
  const { parse, stringify } = JSON;
  // Taken before user code can put something else in its place, as all that is used on the way in and out.
  // biome-ignore lint/security/noGlobalEval: user code is run from within, so that its errors are caught within
  const evaluate = globalThis.eval;
  const [Float64, Uint16] = [Float64Array, Uint16Array];
  const { getPrototypeOf } = Object;
  const suspending = new Map<unknown, string>([
    [getPrototypeOf(async () => {}), 'async'],
    [getPrototypeOf(function* () {}), 'a generator'],
    [getPrototypeOf(async function* () {}), 'an async generator'],
  ]);
  const OUTPUTS_MAX = 10_000;
  const LOGS_MAX = 100;
  const LOG_CHARS_MAX = 1_000;
  const STATE_CHARS_MAX = 262_144;
  const FAULTS_MAX = 8;
  const INSTANCES_MAX = 1_000;
  const BROKEN =
    '{"failed":true,"faults":[{"at":-1,"message":"the function broke the built-ins that a step needs","stack":""}]}';

  const globals = globalThis as Record<string, unknown>;
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'WeakRef', 'Temporal']) {
    delete globals[name];
  }

  let now = 0;
  let randomState = 0;
  freezeTime();

  let definition: UserDefinition | undefined;
  let config: unknown = {};
  let device = '';
  let state: unknown;
  let current: { sensor: string; metric: string } | undefined;
  let outputs: Output[] = [];
  let logs: Output[] = [];
  let logsDropped = 0;
  /** What `alert` said last, by name, within this step. */
  const said = new Map<string, boolean>();
  /** State text by instance, with the revision that the host knows it by. */
  const instances = new Map<string, { revision: number; text: string }>();

  const log = (level: string, parts: unknown[]) => {
    if (logs.length >= LOGS_MAX) {
      logsDropped++;
      return;
    }
    const text = parts.map((part) => (typeof part === 'string' ? part : show(part))).join(' ');
    logs.push({ level, text: text.slice(0, LOG_CHARS_MAX), ts: now });
  };
  const contextLog = Object.assign((...parts: unknown[]) => log('info', parts), {
    debug: (...parts: unknown[]) => log('debug', parts),
    warn: (...parts: unknown[]) => log('warn', parts),
    error: (...parts: unknown[]) => log('error', parts),
  });
  globals.console = { ...contextLog, log: contextLog, info: contextLog };

  const put = (output: Output) => {
    if (outputs.length >= OUTPUTS_MAX) throw new RangeError(`more than ${OUTPUTS_MAX} outputs in one step`);
    outputs.push(output);
  };
  const context = {
    get state() {
      return state;
    },
    set state(next: unknown) {
      state = next;
    },
    get config() {
      return config;
    },
    get now() {
      return now;
    },
    get device() {
      return device;
    },
    emit(reading: Output) {
      const { metric, value, sensor = current?.sensor ?? definition?.name, ts = now, unit } = reading;
      if (
        typeof value === 'number' ? !Number.isFinite(value) : typeof value !== 'boolean' && typeof value !== 'string'
      ) {
        throw new TypeError(
          `emit: the value of ${String(metric)} is ${show(value)}, no finite number, boolean or text`,
        );
      }
      if (typeof metric !== 'string') throw new TypeError('emit: a metric is needed');
      put({ kind: 'emit', sensor, metric, value, ts, unit });
    },
    alert(alert: Output) {
      if (typeof alert.name !== 'string' || typeof alert.active !== 'boolean') {
        throw new TypeError('alert: a name and active: true or false are needed');
      }
      const { name, active, severity = 'warning', summary = name, value, sensor, metric, ts = now } = alert;
      // Called for each reading, it says the same again and again: only what is new crosses.
      if (said.get(name as string) === active) return;
      put({ kind: 'alert', name, active, severity, summary, value, sensor, metric, ts });
      said.set(name as string, active as boolean);
    },
    publish(topic: unknown, payload: unknown, options: { qos?: number; retain?: boolean } = {}) {
      if (typeof topic !== 'string') throw new TypeError('publish: a topic is needed');
      const text = typeof payload === 'string' ? payload : stringify(payload);
      put({ kind: 'publish', topic, payload: text ?? '', qos: options.qos ?? 1, retain: options.retain === true });
    },
    log: contextLog,
  };

  /**
   * Nothing but a text leaves, whatever user code put in the place of built-ins: an error of its own making, once
   * outside, could keep its reader busy for ever.
   * @param arrays of the columns, as they came in the frame: ts, values, index
   */
  function enter(head: string, arrays: ArrayBuffer | undefined, count: number): string {
    try {
      const request = parse(head) as Request;
      if (request.columns !== undefined) {
        const buffer = arrays ?? new ArrayBuffer(0);
        request.columns.ts = new Float64(buffer, 0, count);
        request.columns.values = new Float64(buffer, count * 8, count);
        request.columns.index = new Uint16(buffer, count * 16, count);
      }
      const text = step(request);
      return typeof text === 'string' ? text : BROKEN;
    } catch {
      return BROKEN;
    }
  }

  function step(request: Request): string {
    const { instance, revision, schedule, columns } = request;
    let held = instances.get(instance);
    if (held?.revision !== revision) {
      if (request.state === undefined) return '{"need":"state"}';
      held = { revision, text: request.state };
    }
    device = request.device;
    outputs = [];
    logs = [];
    logsDropped = 0;
    said.clear();
    randomState = request.seed;
    const faults = new Faults();
    try {
      state = held.text === '' ? firstState() : parse(held.text);
      if (schedule !== undefined) runSchedule(schedule);
      else if (columns !== undefined) runColumns(new Batch(columns), faults);
      return settle(instance, held, faults);
    } catch (error) {
      faults.add(-1, error);
      remember(instance, { revision: held.revision + 1, text: held.text });
      return stringify({ failed: true, outputs: [], logs, logsDropped, faults: faults.list });
    }
  }

  function settle(instance: string, held: { revision: number; text: string }, faults: Faults): string {
    const text = stringify(state) ?? 'null';
    if (text.length > STATE_CHARS_MAX) throw new RangeError(`the state is over ${STATE_CHARS_MAX} characters`);
    remember(instance, { revision: held.revision + 1, text });
    const changed = text === held.text ? undefined : text;
    return stringify({ failed: faults.all, state: changed, outputs, logs, logsDropped, faults: faults.list });
  }

  function remember(instance: string, entry: { revision: number; text: string }) {
    instances.delete(instance);
    if (instances.size >= INSTANCES_MAX) instances.delete(instances.keys().next().value!);
    instances.set(instance, entry);
  }

  function firstState(): unknown {
    // Through JSON, so that the first step sees just what a restart would see.
    return definition!.state ? parse(stringify(definition!.state(config)) ?? 'null') : {};
  }

  function runColumns(readings: Batch, faults: Faults) {
    if (definition!.readings) runBatch(readings);
    else runReadings(readings, faults);
  }

  /**
   * A reading that throws is undone and left out; the rest is folded as if it had never come. Undone means: back to
   * the last mark and forward again, then a new mark behind the reading that threw, so that no reading is folded
   * more than twice.
   */
  function runReadings(readings: Batch, faults: Faults) {
    let mark = new Mark(0);
    let leftOut = -1;
    for (let at = 0; at < readings.count; at++) {
      if (at === leftOut) {
        mark = new Mark(at + 1);
        leftOut = -1;
        continue;
      }
      try {
        const reading = readings.at(at);
        now = reading.ts;
        current = reading;
        refusePromise(definition!.reading!(reading, context));
      } catch (error) {
        faults.add(at, error);
        mark.restore();
        leftOut = at;
        at = mark.at - 1;
      }
    }
    faults.all = faults.count > 0 && faults.count >= readings.count;
  }

  class Mark {
    at: number;
    #text = stringify(state);
    #outputs = outputs.length;
    #logs = logs.length;
    #random = randomState;

    constructor(at: number) {
      this.at = at;
    }

    restore() {
      state = parse(this.#text);
      outputs.length = this.#outputs;
      logs.length = this.#logs;
      said.clear();
      randomState = this.#random;
    }
  }

  class Faults {
    count = 0;
    all = false;
    list: { at: number; message: string; stack: string }[] = [];

    add(at: number, error: unknown) {
      this.count++;
      if (this.list.length < FAULTS_MAX) this.list.push({ at, ...describe(error) });
    }
  }

  function runBatch(readings: Batch) {
    now = 0;
    for (const ts of readings.ts) if (ts > now) now = ts;
    current = undefined;
    refusePromise(definition!.readings!(readings, context));
  }

  function runSchedule({ name, at }: { name: string; at: number }) {
    now = at;
    current = undefined;
    for (const schedule of definition!.schedule ?? []) if (schedule.name === name) refusePromise(schedule.run(context));
  }

  function refusePromise(result: unknown) {
    if (typeof (result as PromiseLike<unknown> | undefined | null)?.then === 'function') {
      throw new TypeError('the handler is async; a fold has nothing to wait for, remove async');
    }
  }

  class Batch {
    series: Columns['series'];
    index: Uint16Array;
    ts: Float64Array;
    values: Float64Array;
    #strings: string[];

    constructor(columns: Columns) {
      this.series = columns.series;
      this.index = columns.index;
      this.ts = columns.ts;
      this.values = columns.values;
      this.#strings = columns.strings;
    }

    get count(): number {
      return this.index.length;
    }

    at(i: number) {
      const series = this.series[this.index[i]!]!;
      const raw = this.values[i]!;
      const value = series.kind === 'number' ? raw : series.kind === 'boolean' ? raw === 1 : this.#strings[raw];
      const reading: Output = { sensor: series.sensor, metric: series.metric, value, ts: this.ts[i] };
      if (series.unit !== undefined) reading.unit = series.unit;
      if (series.quality !== undefined) reading.quality = series.quality;
      return reading as { sensor: string; metric: string; ts: number };
    }

    *[Symbol.iterator]() {
      for (let i = 0; i < this.count; i++) yield this.at(i);
    }
  }

  /**
   * Runs user code and takes the definition that it leaves behind.
   * @returns what the manifest is made of, as JSON; or why it is refused: an error that leaves has getters.
   */
  function load(code: string, configText: string): string {
    try {
      evaluate(`${code}\n//# sourceURL=function.js`);
      return adopt(configText);
    } catch (error) {
      return stringify({ refused: describe(error).message });
    }
  }

  function adopt(configText: string): string {
    definition = globals.__weirDefinition as UserDefinition;
    delete globals.__weirDefinition;
    if (typeof definition !== 'object' || definition === null) {
      throw new TypeError('the module has no default export made by defineFunction({ … })');
    }
    config = parse(configText);
    const { name, version, inputs, outputs, schedule, timeoutMs, memoryMb } = definition;
    for (const handler of ['reading', 'readings', 'state'] as const) refuseSuspending(handler, definition[handler]);
    const handlers = (['reading', 'readings', 'schedule'] as const).filter((each) => definition![each] !== undefined);
    const schedules = schedule?.map(({ name, every, cron, timeZone, run }) => {
      refuseSuspending(`run of schedule ${show(name)}`, run);
      return { name, every, cron, timeZone };
    });
    return stringify({ name, version, inputs, outputs, handlers, schedules, timeoutMs, memoryMb });
  }

  /** What such a handler returns is no result yet; a state of its own it would have between its steps. */
  function refuseSuspending(name: string, handler: unknown) {
    const kind = suspending.get(typeof handler === 'function' ? getPrototypeOf(handler) : undefined);
    if (kind !== undefined)
      throw new TypeError(`${name} is ${kind}; a fold has nothing to wait for, write a plain function`);
  }

  function describe(error: unknown): { message: string; stack: string } {
    try {
      const { name, message, stack } = error as Error;
      const text = error instanceof Error ? `${String(name)}: ${String(message)}` : `thrown: ${show(error)}`;
      return { message: text.slice(0, 300), stack: String(stack ?? '').slice(0, 2_000) };
    } catch {
      return { message: 'an error that cannot be shown', stack: '' };
    }
  }

  function show(value: unknown): string {
    try {
      if (value instanceof Error) return String(value.stack);
      return typeof value === 'function' ? 'a function' : (stringify(value) ?? String(value));
    } catch {
      return String(value);
    }
  }

  /** No clock and no entropy: time is event time, randomness derives from the input. */
  function freezeTime() {
    const RealDate = Date;
    const EventDate = function (this: unknown, ...parts: []) {
      if (new.target === undefined) return new RealDate(now).toString();
      return Reflect.construct(RealDate, parts.length === 0 ? [now] : parts, new.target);
    } as unknown as DateConstructor;
    Object.defineProperty(EventDate, 'prototype', { value: RealDate.prototype, writable: false });
    Object.defineProperty(EventDate, 'name', { value: 'Date' });
    EventDate.now = () => now;
    EventDate.parse = RealDate.parse;
    EventDate.UTC = RealDate.UTC;
    RealDate.prototype.constructor = EventDate;
    globals.Date = EventDate;

    const formatter = Intl.DateTimeFormat.prototype;
    const format = Object.getOwnPropertyDescriptor(formatter, 'format')!.get!;
    Object.defineProperty(formatter, 'format', {
      configurable: true,
      get(this: Intl.DateTimeFormat) {
        const bound = format.call(this);
        return (date?: Date | number) => bound(date === undefined ? now : date);
      },
    });
    const { formatToParts } = formatter;
    formatter.formatToParts = function (date) {
      return formatToParts.call(this, date === undefined ? now : date);
    };

    // mulberry32: 32 bits of state, enough for a seed that is new at every step.
    Math.random = () => {
      randomState = (randomState + 0x6d2b79f5) | 0;
      let mixed = Math.imul(randomState ^ (randomState >>> 15), 1 | randomState);
      mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
    };
  }

  return { adopt: load, step: enter };
})();
