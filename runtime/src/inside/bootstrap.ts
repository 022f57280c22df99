/**
 * Runs inside the isolate before user code, in strict mode, with nothing imported: the sandbox strips the types and
 * evaluates the text, and therefore it is one file. Its value is what the host calls, with data, and which answers
 * with JSON text.
 *
 *     step -> [ units: readings, timers, schedules, events ] -> states that changed, outputs, faults
 *
 * A unit is one call of a handler. One that throws leaves no trace but its fault and its log lines.
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
interface Kept {
  text: string;
  started?: string;
  timers?: [name: string, due: number][];
  ran?: [schedule: string, at: number][];
}
interface Request {
  instance: string;
  revision: number;
  states?: [key: string, state: Kept][];
  device: string;
  seed: number;
  receivedAt: number;
  version?: string;
  columns?: Columns;
  marks?: { [schedule: string]: number[] };
  schedules?: { name: string; at: number }[];
  timersUntil?: number;
  event?: { handler: string; keys?: string[]; value?: unknown; at: number };
}
/** One state at work. */
interface Slot {
  key: string;
  series: { sensor: string; metric: string } | undefined;
  state: unknown;
  /** JSON of `state`; undefined: it may have changed. */
  text: string | undefined;
  started: string | undefined;
  timers: Map<string, number>;
  ran: Map<string, number>;
  /** What it was at the last mark. */
  base: Kept;
}
interface Instance {
  revision: number;
  states: Map<string, Kept>;
  chars: number;
}
type Output = Record<string, unknown>;
type Handler = (input: unknown, context?: unknown) => unknown;
interface UserSchedule {
  name?: unknown;
  every?: unknown;
  cron?: unknown;
  timeZone?: unknown;
  time?: unknown;
  run: Handler;
}
type UserDefinition = { [handler in 'start' | 'reading' | 'readings' | 'command' | 'alert']?: Handler } & {
  [handler in 'response' | 'online' | 'offline']?: Handler;
} & {
  [field in
    | 'name'
    | 'version'
    | 'inputs'
    | 'outputs'
    | 'key'
    | 'onError'
    | 'requests'
    | 'secrets'
    | 'timeoutMs'
    | 'memoryMb'
    | 'rule']?: unknown | undefined;
} & {
  state?: (config: unknown) => unknown;
  schedule?: UserSchedule[];
  timers?: { [name: string]: Handler };
};

(() => {
  const { parse, stringify } = JSON;
  // Taken before user code can put something else in its place, as all that is used on the way in and out.
  // biome-ignore lint/security/noGlobalEval: user code is run from within, so that its errors are caught within
  const evaluate = globalThis.eval;
  const [Float64, Uint16] = [Float64Array, Uint16Array];
  const { getPrototypeOf, hasOwn } = Object;
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
  const STATES_MAX = 1_000;
  const TIMERS_MAX = 100;
  /** Timers that fire in one step; those beyond wait for the next. */
  const FIRES_MAX = 5_000;
  /** The same of one state, in one gap. */
  const GAP_FIRES_MAX = 1_000;
  /** As AHEAD_MS_MAX of the protocols: what is further ahead of its arrival sets no timer. */
  const AHEAD_MS_MAX = 10_000;
  /** 1 January 2020: a host that shows an earlier time is no judge of what is ahead. */
  const CLOCK_SET_MS = 1_577_836_800_000;
  /** As NAME_PATTERN, TS_MAX and TEXT_BYTES_MAX of the protocols; the host checks again. */
  const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;
  const NAME_RULE = '1 to 64 of letters, digits and . _ : -';
  const TS_MAX = 7_258_118_400_000;
  const TEXT_CHARS_MAX = 256;
  const DURATIONS: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
  const HANDLERS = ['start', 'reading', 'readings', 'command', 'alert', 'response', 'online', 'offline'] as const;
  const BROKEN =
    '{"failed":true,"faults":[{"at":-1,"message":"the function broke the built-ins that a step needs","stack":""}]}';

  const globals = globalThis as Record<string, unknown>;
  for (const name of ['WebAssembly', 'SharedArrayBuffer', 'Atomics', 'FinalizationRegistry', 'WeakRef', 'Temporal']) {
    delete globals[name];
  }

  let now = 0;
  let randomState = 0;
  freezeTime();

  let definition: UserDefinition;
  let config: unknown = {};
  /** Its states fall due by event time. */
  let timed = false;
  let keyed = false;
  let eventSchedules: UserSchedule[] = [];

  /** States by instance, with the revision that the host knows them by. */
  const instances = new Map<string, Instance>();

  // Of the step in hand.
  let request: Request;
  let held: Instance;
  let device = '';
  const slots = new Map<string, Slot>();
  /** Slots used since the last mark. */
  const touched = new Set<Slot>();
  let active: Slot | undefined;
  let current: { sensor: string; metric: string } | undefined;
  /** `now`, but never far ahead of the clock. */
  let moment = 0;
  let outputs: Output[] = [];
  let logs: Output[] = [];
  let logsDropped = 0;
  /** Units that went well. */
  let done = 0;
  let fires = 0;
  /** From when on timers count at the earliest. */
  let notBefore = 0;
  /** States that were not there before. */
  let begun = 0;
  let faults: Faults;
  /** What `alert` said last, by state and name, within this step. */
  const said = new Map<string, boolean>();

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
      return active?.state;
    },
    set state(next: unknown) {
      if (next === undefined || typeof next === 'function' || typeof next === 'symbol') {
        throw new TypeError(`the state is plain JSON, not ${next === undefined ? 'undefined' : `a ${typeof next}`}`);
      }
      if (active !== undefined) active.state = next;
    },
    get series() {
      return active?.series;
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
      const { metric, value, sensor = current?.sensor ?? definition.name, ts = now, unit } = reading;
      if (
        typeof value === 'number' ? !Number.isFinite(value) : typeof value !== 'boolean' && typeof value !== 'string'
      ) {
        throw new TypeError(
          `emit: the value of ${String(metric)} is ${show(value)}, no finite number, boolean or text`,
        );
      }
      for (const [what, name] of [
        ['metric', metric],
        ['sensor', sensor],
      ]) {
        if (!isName(name)) throw new TypeError(`emit: ${show(name)} is no name of a ${what}: ${NAME_RULE}`);
      }
      if (!isTime(ts)) throw new TypeError(`emit: ts is ${show(ts)}, no whole number of milliseconds since 1970`);
      if (typeof value === 'string' && value.length > TEXT_CHARS_MAX) {
        throw new RangeError(`emit: a text of ${value.length} characters, over ${TEXT_CHARS_MAX}`);
      }
      put({ kind: 'emit', sensor, metric, value, ts, unit });
    },
    alert(alert: Output) {
      if (typeof alert.name !== 'string' || alert.name === '' || typeof alert.active !== 'boolean') {
        throw new TypeError('alert: a name and active: true or false are needed');
      }
      if (alert.ts !== undefined && !isTime(alert.ts)) {
        throw new TypeError(`alert: ts is ${show(alert.ts)}, no whole number of milliseconds since 1970`);
      }
      const { name, active: isActive, severity = 'warning', summary = name, value, ts = now } = alert;
      const { sensor = active?.series?.sensor, metric = active?.series?.metric } = alert;
      const key = active?.key ?? '';
      // Called for each reading, it says the same again and again: only what is new crosses.
      const subject = `${key}\n${name}`;
      if (said.get(subject) === isActive) return;
      put({ kind: 'alert', key, name, active: isActive, severity, summary, value, sensor, metric, ts });
      said.set(subject, isActive as boolean);
    },
    publish(topic: unknown, payload: unknown, options: { qos?: number; retain?: boolean } = {}) {
      if (typeof topic !== 'string' || topic === '' || topic.length > 256 || /^\$|[+#\0]/.test(topic)) {
        throw new TypeError(`publish: ${show(topic)} is no topic: 1 to 256 characters, no $ in front, no + and no #`);
      }
      const text = typeof payload === 'string' ? payload : stringify(payload);
      put({ kind: 'publish', topic, payload: text ?? '', qos: options.qos ?? 1, retain: options.retain === true });
    },
    request(wanted: Output) {
      const { name, url, body, headers = {}, timeout = 10_000, retries = 3 } = wanted;
      if (typeof name !== 'string' || typeof url !== 'string')
        throw new TypeError('request: a name and a url are needed');
      if (!/^https?:\/\/./i.test(url)) throw new TypeError(`request: ${show(url)} is no http or https URL`);
      const json = body !== undefined && typeof body !== 'string';
      const text = json ? stringify(body) : body;
      const { method = text === undefined ? 'GET' : 'POST' } = wanted;
      const timeoutMs = msOf('request: timeout', timeout);
      put({
        kind: 'request',
        key: active?.key ?? '',
        name,
        method,
        url,
        headers,
        body: text,
        json,
        timeoutMs,
        retries,
      });
    },
    command(name: unknown, payload: unknown = null, to: { device?: string; function?: string } = {}) {
      if (typeof name !== 'string') throw new TypeError('command: a name is needed');
      put({
        kind: 'command',
        name,
        payload: parse(stringify(payload) ?? 'null'),
        device: to.device,
        function: to.function,
      });
    },
    after(duration: unknown, name: unknown) {
      if (typeof name !== 'string' || !hasTimer(name)) {
        throw new TypeError(`after: there is no ${show(name)} among the timers of the function`);
      }
      const ms = msOf('after', duration);
      if (!(ms > 0)) throw new RangeError(`after: ${show(duration)} is not ahead`);
      const { timers } = active!;
      if (timers.size >= TIMERS_MAX && !timers.has(name)) throw new RangeError(`after: more than ${TIMERS_MAX} timers`);
      timers.set(name, Math.max(moment, notBefore) + ms);
    },
    cancel(name: unknown) {
      return active!.timers.delete(name as string);
    },
    log: contextLog,
  };

  function isName(name: unknown): boolean {
    return typeof name === 'string' && NAME.test(name);
  }

  function isTime(ts: unknown): boolean {
    return Number.isSafeInteger(ts) && (ts as number) >= 0 && (ts as number) <= TS_MAX;
  }

  function hasTimer(name: string): boolean {
    return definition.timers !== undefined && hasOwn(definition.timers, name);
  }

  function msOf(what: string, duration: unknown): number {
    if (typeof duration === 'number' && Number.isFinite(duration)) return Math.round(duration);
    const [, amount, unit] = /^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*$/.exec(String(duration)) ?? [];
    if (unit === undefined)
      throw new TypeError(`${what}: ${show(duration)} is not a duration such as 500ms, 10s, 15m, 2h or 7d`);
    return Math.round(Number(amount) * DURATIONS[unit]!);
  }

  /**
   * Nothing but a text leaves, whatever user code put in the place of built-ins: an error of its own making, once
   * outside, could keep its reader busy for ever.
   * @param arrays of the columns, as they came in the frame: ts, values, index
   */
  function enter(head: string, arrays: ArrayBuffer | undefined, count: number): string {
    try {
      request = parse(head) as Request;
      const { columns } = request;
      if (columns !== undefined) {
        const buffer = arrays ?? new ArrayBuffer(0);
        columns.ts = new Float64(buffer, 0, count);
        columns.values = new Float64(buffer, count * 8, count);
        columns.index = new Uint16(buffer, count * 16, count);
      }
      const text = step();
      return typeof text === 'string' ? text : BROKEN;
    } catch {
      return BROKEN;
    }
  }

  function step(): string {
    const { instance, revision, columns, schedules, timersUntil, event } = request;
    const known = instances.get(instance);
    if (known?.revision === revision) held = known;
    else {
      if (request.states === undefined) return '{"need":"state"}';
      held = { revision, states: new Map(request.states), chars: 0 };
      for (const { text } of held.states.values()) held.chars += text.length;
    }
    device = request.device;
    slots.clear();
    touched.clear();
    active = undefined;
    outputs = [];
    logs = [];
    logsDropped = done = fires = begun = notBefore = 0;
    said.clear();
    randomState = request.seed;
    faults = new Faults();
    try {
      if (columns !== undefined) runColumns(new Batch(columns));
      if (event !== undefined) runEvent(event);
      if (timersUntil !== undefined && definition.timers !== undefined) runTimers(timersUntil);
      if (schedules !== undefined) runSchedules(schedules);
      return settle(instance);
    } catch (error) {
      faults.add(-1, error);
      remember(instance);
      return stringify({ failed: true, outputs: [], logs, logsDropped, faults: faults.list, next: nextDue() });
    }
  }

  function settle(instance: string): string {
    const states: [string, Kept][] = [];
    let chars = held.chars;
    for (const slot of slots.values()) {
      const before = held.states.get(slot.key);
      const after = capture(slot);
      if (before === undefined ? after.text === '' : isSame(before, after)) continue;
      states.push([slot.key, after]);
      chars += after.text.length - (before?.text.length ?? 0);
    }
    if (chars > STATE_CHARS_MAX) throw new RangeError(`the state is over ${STATE_CHARS_MAX} characters`);
    for (const [key, state] of states) held.states.set(key, state);
    held.chars = chars;
    remember(instance);
    const failed = faults.count > 0 && done === 0;
    const left = failed ? [] : faults.left;
    return stringify({ failed, states, outputs, logs, logsDropped, faults: faults.list, left, next: nextDue() });
  }

  function remember(instance: string) {
    held.revision = request.revision + 1;
    instances.delete(instance);
    if (instances.size >= INSTANCES_MAX) instances.delete(instances.keys().next().value!);
    instances.set(instance, held);
  }

  /** When the next timer is due; undefined: never. */
  function nextDue(): number | undefined {
    if (definition.timers === undefined) return undefined;
    let next = Number.POSITIVE_INFINITY;
    for (const { timers } of held.states.values()) {
      if (timers !== undefined) for (const [, due] of timers) if (due < next) next = due;
    }
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }

  /** @throws whatever the function throws when it makes its first state */
  function slotOf(key: string): Slot {
    let slot = slots.get(key);
    if (slot === undefined) {
      const kept = held.states.get(key);
      if (kept === undefined && keyed && held.states.size + begun++ >= STATES_MAX) {
        throw new RangeError(`more than ${STATES_MAX} series have a state; narrow the inputs`);
      }
      const [sensor, metric] = key.split('/') as [string, string];
      const base = kept ?? { text: '' };
      slot = { key, series: keyed ? { sensor, metric } : undefined, base } as Slot;
      reset(slot, base);
      slots.set(key, slot);
    }
    if (slot !== active) {
      touched.add(slot);
      active = slot;
    }
    return slot;
  }

  function reset(slot: Slot, { text, started, timers, ran }: Kept) {
    slot.state = text === '' ? firstState() : parse(text);
    slot.text = text;
    slot.started = started;
    slot.timers = new Map(timers);
    slot.ran = new Map(ran);
  }

  function firstState(): unknown {
    // Through JSON, so that the first step sees just what a restart would see.
    return definition.state ? parse(stringify(definition.state(config)) ?? 'null') : {};
  }

  function capture(slot: Slot): Kept {
    slot.text ??= stringify(slot.state) ?? 'null';
    const kept: Kept = { text: slot.text };
    if (slot.started !== undefined) kept.started = slot.started;
    if (slot.timers.size > 0) kept.timers = [...slot.timers];
    if (slot.ran.size > 0) kept.ran = [...slot.ran];
    return kept;
  }

  function isSame(a: Kept, b: Kept): boolean {
    if (a.text !== b.text || a.started !== b.started) return false;
    return !timed || stringify([a.timers, a.ran]) === stringify([b.timers, b.ran]);
  }

  /** Before its handler: a state that has not seen this version begins with `start`. */
  function begin(slot: Slot) {
    slot.text = undefined;
    if (definition.start === undefined || slot.started === request.version) return;
    slot.started = request.version;
    refusePromise(definition.start(context));
  }

  /** One unit, undone when it throws. @param left the readings that are left out then */
  function run(key: string, at: number, handler: () => unknown, left: () => number[] = () => []) {
    const [outputsBefore, randomBefore] = [outputs.length, randomState];
    let slot: Slot | undefined;
    let before: Kept | undefined;
    try {
      slot = slotOf(key);
      before = capture(slot);
      now = moment = at;
      current = slot.series;
      begin(slot);
      refusePromise(handler());
      done++;
    } catch (error) {
      if (slot !== undefined && before !== undefined) reset(slot, before);
      outputs.length = outputsBefore;
      said.clear();
      randomState = randomBefore;
      const places = left();
      faults.add(places[0] ?? -1, error, places);
    }
  }

  function keyOf({ sensor, metric }: { sensor: string; metric: string }): string {
    return keyed ? `${sensor}/${metric}` : '';
  }

  function plausible(ts: number): number {
    const { receivedAt } = request;
    return receivedAt > CLOCK_SET_MS && ts > receivedAt + AHEAD_MS_MAX ? receivedAt + AHEAD_MS_MAX : ts;
  }

  /** What falls due up to then, in order of time. */
  function advance(slot: Slot, until: number, schedules: readonly UserSchedule[]) {
    for (let fired = 1; ; fired++) {
      const due = earliest(slot, until, schedules);
      if (due === undefined) break;
      // A gap is cut short in which too many would fire, as when a clock was set: what is set again counts from its end.
      if (++fires > FIRES_MAX || fired > GAP_FIRES_MAX) notBefore = until;
      const { at, name, handler } = due;
      if (due.isTimer) slot.timers.delete(name);
      else slot.ran.set(name, at);
      run(slot.key, at, handler);
    }
    notBefore = 0;
  }

  function earliest(slot: Slot, until: number, schedules: readonly UserSchedule[]) {
    let found: { at: number; name: string; handler: () => unknown; isTimer: boolean } | undefined;
    for (const [name, at] of slot.timers) {
      if (at > until || (found !== undefined && found.at <= at)) continue;
      // A later version may have no such timer.
      found = { at, name, handler: () => hasTimer(name) && definition.timers![name]!(context), isTimer: true };
    }
    for (const schedule of schedules) {
      const name = schedule.name as string;
      const at = lastMark(schedule, until);
      const last = slot.ran.get(name);
      if (at === undefined || (last !== undefined && at <= last)) continue;
      // The first moment only sets the beat.
      if (last === undefined) slot.ran.set(name, at);
      else if (found === undefined || at < found.at)
        found = { at, name, handler: () => schedule.run(context), isTimer: false };
    }
    return found;
  }

  /** The latest moment of a schedule at or before then. */
  function lastMark({ name, every }: UserSchedule, until: number): number | undefined {
    if (every !== undefined) {
      const ms = msOf('every', every);
      return Math.floor(until / ms) * ms;
    }
    const marks = request.marks?.[name as string] ?? [];
    let [low, high] = [0, marks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (marks[middle]! <= until) low = middle + 1;
      else high = middle;
    }
    return marks[low - 1];
  }

  function runColumns(batch: Batch) {
    if (definition.readings === undefined) runReadings(batch);
    else if (!keyed) runBatch('', batch);
    else for (const [key, part] of batch.byKey()) runBatch(key, part);
  }

  /**
   * A reading that throws is undone and left out; the rest is folded as if it had never come. Undone means: back to
   * the last mark and forward again, then a new mark behind the reading that threw, so that no reading is folded
   * more than twice.
   */
  function runReadings(readings: Batch) {
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
        const slot = keyed || active === undefined ? slotOf(keyOf(reading)) : active;
        moment = plausible(reading.ts);
        if (timed) {
          advance(slot, moment, eventSchedules);
          moment = plausible(reading.ts);
        }
        now = reading.ts;
        current = reading;
        begin(slot);
        refusePromise(definition.reading!(reading, context));
        done++;
      } catch (error) {
        mark.restore();
        faults.add(at, error, [at]);
        mark.faults = faults.count;
        leftOut = at;
        at = mark.at - 1;
      }
    }
  }

  class Mark {
    at: number;
    /** What is told of timers and schedules behind the mark is told again when they run again. */
    faults = faults.count;
    #outputs = outputs.length;
    #logs = logs.length;
    #random = randomState;
    #done = done;
    #fires = fires;

    constructor(at: number) {
      this.at = at;
      for (const slot of touched) slot.base = capture(slot);
      touched.clear();
      active = undefined;
    }

    restore() {
      for (const slot of touched) reset(slot, slot.base);
      touched.clear();
      active = undefined;
      outputs.length = this.#outputs;
      logs.length = this.#logs;
      said.clear();
      randomState = this.#random;
      done = this.#done;
      fires = this.#fires;
      faults.cut(this.faults);
    }
  }

  class Faults {
    count = 0;
    list: { at: number; message: string; stack: string }[] = [];
    /** Readings that are left out. */
    left: number[] = [];

    add(at: number, error: unknown, left: readonly number[] = []) {
      this.count++;
      for (const each of left) this.left.push(each);
      if (this.list.length < FAULTS_MAX) this.list.push({ at, ...describe(error) });
    }

    /** Forgets all but the first ones. */
    cut(count: number) {
      this.count = count;
      this.list.length = Math.min(this.list.length, count);
    }
  }

  /** One state's readings, cut where something falls due between them. */
  function runBatch(key: string, batch: Batch) {
    let from = 0;
    if (timed) {
      for (let at = 0; at < batch.count; at++) {
        const until = plausible(batch.ts[at]!);
        let slot: Slot;
        try {
          slot = slotOf(key);
        } catch {
          break;
        }
        if (earliest(slot, until, eventSchedules) === undefined) continue;
        runPiece(key, batch, from, at);
        advance(slotOf(key), until, eventSchedules);
        from = at;
      }
    }
    runPiece(key, batch, from, batch.count);
  }

  function runPiece(key: string, batch: Batch, from: number, to: number) {
    if (from >= to) return;
    const piece = batch.slice(from, to);
    const latest = latestOf(piece.ts);
    run(
      key,
      latest,
      () => {
        moment = plausible(latest);
        return definition.readings!(piece, context);
      },
      () => batch.places(from, to),
    );
  }

  /** By itself: a variable that a closure sees takes memory each time it changes. */
  function latestOf(times: Float64Array): number {
    let latest = 0;
    for (let i = 0; i < times.length; i++) if (times[i]! > latest) latest = times[i]!;
    return latest;
  }

  /** Of all states, also of those that no reading was for. */
  function runTimers(until: number) {
    for (const key of new Set([...held.states.keys(), ...slots.keys()])) {
      const timers = slots.get(key)?.timers ?? held.states.get(key)?.timers ?? [];
      for (const [, at] of timers) {
        if (at > until) continue;
        advance(slotOf(key), until, []);
        break;
      }
    }
  }

  function runSchedules(due: NonNullable<Request['schedules']>) {
    for (const key of knownKeys()) {
      for (const { name, at } of due) {
        for (const each of definition.schedule ?? []) if (each.name === name) run(key, at, () => each.run(context));
      }
    }
  }

  function runEvent({ handler, keys, value, at }: NonNullable<Request['event']>) {
    for (const key of keys ?? knownKeys()) {
      const call = definition[handler as 'command'];
      run(key, at, () => {
        if (handler === 'start' || call === undefined) return undefined;
        return value === undefined
          ? call.call(definition, context)
          : call.call(definition, parse(stringify(value)), context);
      });
    }
  }

  function knownKeys(): string[] {
    return keyed ? [...held.states.keys()] : [''];
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
    /** Where each reading stood in the input; undefined: where it stands. */
    #origin: number[] | undefined;

    constructor(columns: Columns, origin?: number[]) {
      this.series = columns.series;
      this.index = columns.index;
      this.ts = columns.ts;
      this.values = columns.values;
      this.#strings = columns.strings;
      this.#origin = origin;
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

    slice(from: number, to: number): Batch {
      if (from === 0 && to === this.count) return this;
      const { series } = this;
      const [index, ts, values] = [this.index, this.ts, this.values].map((each) => each.subarray(from, to)) as [
        Uint16Array,
        Float64Array,
        Float64Array,
      ];
      return new Batch({ series, index, ts, values, strings: this.#strings });
    }

    /** Where these stood in the input. */
    places(from: number, to: number): number[] {
      return this.#origin?.slice(from, to) ?? Array.from({ length: to - from }, (_, at) => from + at);
    }

    /** By series, in the order in which they first come. */
    byKey(): Map<string, Batch> {
      const keys = this.series.map(keyOf);
      const places = new Map<string, number[]>();
      for (let i = 0; i < this.count; i++) {
        const key = keys[this.index[i]!]!;
        const at = places.get(key);
        if (at === undefined) places.set(key, [i]);
        else at.push(i);
      }
      const parts = new Map<string, Batch>();
      for (const [key, at] of places) parts.set(key, places.size === 1 ? this : this.#pick(at));
      return parts;
    }

    #pick(at: number[]): Batch {
      const used = [...new Set(at.map((i) => this.index[i]!))];
      const columns: Columns = {
        series: used.map((each) => this.series[each]!),
        index: new Uint16(at.length),
        ts: new Float64(at.length),
        values: new Float64(at.length),
        strings: this.#strings,
      };
      for (const [to, i] of at.entries()) {
        columns.index[to] = used.indexOf(this.index[i]!);
        columns.ts[to] = this.ts[i]!;
        columns.values[to] = this.values[i]!;
      }
      return new Batch(columns, at);
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
      const { message, stack } = describe(error);
      const [place] = /function\.js:\d+:\d+/.exec(stack) ?? [];
      return stringify({ refused: place === undefined ? message : `${message} (${place})` });
    }
  }

  function adopt(configText: string): string {
    definition = globals.__weirDefinition as UserDefinition;
    delete globals.__weirDefinition;
    if (typeof definition !== 'object' || definition === null) {
      throw new TypeError('the module has no default export made by defineFunction({ … })');
    }
    config = parse(configText);
    const { name, version, inputs, outputs, schedule, timers, key, onError, requests, secrets, timeoutMs, memoryMb } =
      definition;
    const { rule } = definition;
    for (const handler of ['state', ...HANDLERS] as const) refuseSuspending(handler, definition[handler]);
    for (const [name, run] of Object.entries(timers ?? {})) refuseSuspending(`timer ${show(name)}`, run);
    const handlers: string[] = HANDLERS.filter((each) => definition[each] !== undefined);
    if (schedule !== undefined) handlers.push('schedule');
    if (timers !== undefined) handlers.push('timers');
    const schedules = schedule?.map(({ name, every, cron, timeZone, time, run }) => {
      refuseSuspending(`run of schedule ${show(name)}`, run);
      return { name, every, cron, timeZone, time };
    });
    keyed = key === 'series';
    eventSchedules = schedule?.filter(({ time }) => time === 'event') ?? [];
    timed = timers !== undefined || eventSchedules.length > 0;
    const basics = { name, version, inputs, outputs, handlers, schedules, key, onError };
    return stringify({ ...basics, requests, secrets, timeoutMs, memoryMb, rule });
  }

  /** What such a handler returns is no result yet; a state of its own it would have between its steps. */
  function refuseSuspending(name: string, handler: unknown) {
    const kind = suspending.get(typeof handler === 'function' ? getPrototypeOf(handler) : undefined);
    if (kind !== undefined)
      throw new TypeError(`${name} is ${kind}; a fold has nothing to wait for, write a plain function`);
  }

  function describe(error: unknown): { message: string; stack: string } {
    try {
      const { name, message, stack } = (error ?? {}) as Error;
      // The engine keeps no place for what is no error.
      const hint = stack === undefined ? ' (only an Error says where)' : '';
      const isError = error instanceof Error;
      const text = isError ? `${String(name)}: ${String(message)}` : `thrown: ${show(error).slice(0, 200)}${hint}`;
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
