/**
 * A rule in TypeScript. Without a function in it, it is the same as in YAML: `export default threshold({ … })`. With one, the
 * function runs in the sandbox of functions, and says true, false or that it does not know; the rule judges that.
 *
 *     readings -> the function, at each -> <name>.<severity>: true | false | 'unknown' -> for, ladder, exits of the rule
 */
import type { Context, Json, Reading, Value } from './author.ts';

/** `500ms`, `10s`, `15m`, `2h`, `7d`: a number alone has no unit, and only 0 needs none. */
type Duration = string | 0;

export type Severity = 'info' | 'warning' | 'critical';

/** The latest readings, as a condition sees them. */
export interface Latest extends Iterable<Reading & { readonly device: string }> {
  /** That which has just come. */
  readonly reading: Reading;
  /** Whose episode it is: a sensor; undefined: of the device, or of the group. */
  readonly sensor: string | undefined;
  /** Latest reading of a metric. @param sensor default: the one whose episode it is, or whichever comes last */
  get(metric: string, sensor?: string): Reading | undefined;
  /** Its value where that is a number; undefined: it is none, says of itself that it is bad, or there is none. */
  number(metric: string, sensor?: string): number | undefined;
}

/** What a condition may use beside readings: no effects. */
export type ConditionContext<Config = Record<string, unknown>> = Pick<
  Context<unknown, Config>,
  'config' | 'now' | 'device' | 'log'
> & {
  /** Its own, durable, plain JSON, one for each episode's subject; undefined at first. */
  memory: Json | undefined;
};

/** Undefined: it cannot say; that is no crossing, in either direction. So is an error, and a time-out. */
export type ConditionFunction = (readings: Latest, context: ConditionContext) => boolean | undefined;

/** A window of time (`5m`) or of samples (`10 samples`), sliding unless it tumbles. */
export type Window = Duration | { over: Duration; tumbling?: boolean };

/** What is looked at; a quantile is `median`, or `p95`. A rate is by `per`, by default a minute. */
export type Measure =
  | 'last'
  | {
      [aggregate in
        | 'avg'
        | 'min'
        | 'max'
        | 'sum'
        | 'count'
        | 'stddev'
        | 'median'
        | 'change'
        | 'changePercent']?: Window;
    }
  | { rate: Window; per?: Duration }
  | { [quantile: `p${number}`]: Window };

/** A number, a tag of the device before the configuration of the deployment before `default`, or another signal. */
export type Level =
  | number
  | { tag: string; default?: number }
  | { metric: string; sensor?: string; value?: Measure; across?: Across; times?: number; plus?: number };

/** All series that match taken together. */
export type Across = 'mean' | 'min' | 'max' | 'sum' | 'count';

/** Exactly one of them. */
export interface Comparison {
  above?: Level;
  atLeast?: Level;
  below?: Level;
  atMost?: Level;
  equals?: Level | boolean | string;
  notEquals?: Level | boolean | string;
  /** Below the first or above the second. */
  outside?: [Level, Level];
  /** Between them, or at one of them. */
  inside?: [Level, Level];
  /** By an amount in the unit of the rule, or a share such as `20%`. */
  changesBy?: { amount: number | string; within: Duration; direction?: 'up' | 'down' | 'either' };
  /** No reading for so long. */
  silentFor?: Duration;
  /** Away from what is usual at this time of the day and week. */
  adaptive?:
    | true
    | {
        direction?: 'above' | 'below' | 'both';
        sensitivity?: 'low' | 'medium' | 'high';
        learn?: Duration;
        seasons?: ('day' | 'week')[];
      };
}

export interface Counting {
  /** In so many of the series (of a group: of devices), or in a share of them such as `50%`. */
  inAtLeast?: number | string;
  /** 3 of the last 5 samples; 3 times within a time; without either 3 in a row. */
  matches?: { times: number; of?: number; within?: Duration };
}

/** One comparison, of the rule's own signal unless it names another; or several. */
export type Condition =
  | (Comparison & Counting & { sensor?: string; metric?: string; value?: Measure; across?: Across; unit?: string })
  | (Counting & ({ all: Part[] } | { any: Part[] } | { atLeast: number; of: Part[] }));

/** A function that does not know, or does not answer, makes its part unknown, and no more. */
export type Part = Condition | ConditionFunction;

export interface Rung extends Comparison, Counting {
  /** The level on the safe side at which it is over; of `outside` and `inside` a range. */
  clear?: Level | [Level, Level];
  /** In place of a comparison. */
  when?: Condition | ConditionFunction;
  /** In place of `clear`. */
  clearWhen?: Condition | ConditionFunction;
}

/** `Mon-Fri 08:00-17:00`, `22:00-06:00`, `Sat,Sun`; in an IANA zone, by default that of the device's tag `tz`. */
export interface Times {
  zone?: string;
  times: string | string[];
  /** Days that are left out, `2026-12-24`. */
  except?: string | string[];
}

export interface ThresholdRule extends Rung {
  /** Letters, digits and `. _ : -`; at most 64, with a function 48. */
  name: string;
  /** By default it is named by its content. */
  version?: string;
  /** `*` stands for any characters, and is the default. */
  sensor?: string;
  metric?: string;
  /** Of the levels: `Cel`, `degF`, `bar`, `km/h`; readings in another unit of its kind are converted. */
  unit?: string;
  value?: Measure;
  across?: Across;
  /** Default `warning`. */
  severity?: Severity;
  /** A ladder, in place of one condition. */
  severities?: { [severity in Severity]?: Rung };
  /** How long it must hold before it fires. */
  for?: Duration;
  /** What has an episode of its own. `group`: all devices of a group together, in the hub. */
  by?: 'series' | 'sensor' | 'device' | 'group';
  /** Goes on firing for so long after it is over. */
  keepFiringFor?: Duration;
  /** So many samples in a row for which it is over. */
  clearAfter?: { samples: number };
  /** Ends so long after it was true last. */
  noRecurrence?: Duration;
  /** Ends by itself after so long. */
  resolveAfter?: Duration;
  /** Shown as firing until somebody has acknowledged it. */
  latch?: boolean;
  /** Only a person ends it. */
  manual?: boolean;
  /** When it is watched at all. */
  schedule?: Times | Times[];
  /** When it is watched, and nobody is told. */
  maintenance?: Times | Times[];
  /** For how long readings may be late and are still taken in order. */
  lateness?: Duration;
  labels?: { [name: string]: string };
  runbook?: string;
  description?: string;
  /** `{sensor}`, `{metric}`, `{value}`, `{level}`, `{device}`, `{unit}` and `{severity}` are filled in. */
  summary?: string;
  /** Published on the device when it fires and when it ends. */
  actuate?: { topic: string; firing?: string; resolved?: string; retain?: boolean };
  /** Evaluated and kept, told to nobody. */
  dryRun?: boolean;
  /** Episodes open at once on one device; more are one that counts them. */
  limit?: number;
  /** With a function: which readings it sees beside those of `sensor` and `metric`. */
  inputs?: { sensor?: string; metric?: string }[];
  /** With a function: wall time of one step. Default 250. */
  timeoutMs?: number;
  /** With a function: its heap. Default 64. */
  memoryMb?: number;
}

/** What the bundler makes a rule of, and, where there are functions in it, a function. */
export interface Threshold {
  name: string;
  rule: object;
}

interface Verdict {
  test: ConditionFunction;
  metric: string;
}

/** What is kept: of each series the latest reading, of each subject what its conditions keep. */
interface State {
  latest: { [series: string]: Kept };
  memory: { [subject: string]: Json };
  /** Conditions that fail, with how: told once. */
  failing: { [verdict: string]: string };
}
type Kept = Reading & { readonly device: string };

/** A device with more is looked at by its latest ones. */
const SERIES_MAX = 500;

/** Types are checked when it is written, the rule when it is applied. */
export function threshold(definition: ThresholdRule): Threshold {
  const { inputs = [], timeoutMs, memoryMb, ...rule } = definition;
  const verdicts: Verdict[] = [];
  const { name, version, sensor = '*', metric, by } = rule;
  const isOfSensor = by === undefined || by === 'series' || by === 'sensor';
  const judged = (test: ConditionFunction, severity: string, end = '') => {
    verifyFunction(test, name, end);
    verdicts.push({ test, metric: `${name}.${severity}${end}` });
    return { sensor: isOfSensor ? sensor : name, metric: verdicts.at(-1)!.metric, value: 'last', equals: true };
  };
  const written = {
    ...replaced(rule, rule.severity ?? 'warning', judged),
    ...(rule.severities !== undefined && {
      severities: Object.fromEntries(
        Object.entries(rule.severities).map(([severity, rung]) => [severity, replaced(rung!, severity, judged)]),
      ),
    }),
  };
  if (verdicts.length === 0) return { name, rule: written };
  return {
    name,
    ...(version !== undefined && { version }),
    rule: { ...written, by: isOfSensor ? 'sensor' : by },
    inputs: [{ sensor, metric: metric ?? '*' }, ...inputs],
    key: by === 'group' ? 'function' : 'device',
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(memoryMb !== undefined && { memoryMb }),
    state: (): State => ({ latest: {}, memory: {}, failing: {} }),
    reading: judge({ sensor: glob(sensor), metric: glob(metric ?? '*'), isOfSensor, name, verdicts }),
  } as Threshold;
}

function verifyFunction(test: ConditionFunction, name: string, end: string): void {
  if (test.constructor.name !== 'Function') {
    throw atCall(new TypeError(`a condition of ${name} is async: it has nothing to wait for, write a plain function`));
  }
  const most = NAME_CHARS_MAX - (/\d+$/.exec(end)?.[0].length ?? -1) - 1;
  if (name.length > most) {
    throw atCall(new RangeError(`the name of a rule with a function has at most ${most} characters: ${name}`));
  }
}

/** Its place is where the rule is written. */
function atCall(error: Error): Error {
  (Error as unknown as CapturesStack).captureStackTrace(error, threshold);
  return error;
}

/** V8 has it; the language, by whose types functions are checked, does not. */
interface CapturesStack {
  captureStackTrace(error: Error, below: typeof threshold): void;
}

/** Behind it stand the severity and which end it is, in 64. */
const NAME_CHARS_MAX = 48;

function replaced<R extends Rung>(
  rung: R,
  severity: string,
  judged: (test: ConditionFunction, severity: string, end?: string) => object,
): object {
  const { when, clearWhen, ...rest } = rung;
  return {
    ...rest,
    ...(when !== undefined && { when: partOf(when, (test, end) => judged(test, severity, end)) }),
    ...(clearWhen !== undefined && {
      clearWhen: partOf(clearWhen, (test, end) => judged(test, severity, `.clear${end}`)),
    }),
  };
}

/** Functions of a tree are numbered in the order in which they are written. */
function partOf(whole: unknown, judged: (test: ConditionFunction, end: string) => object): unknown {
  if (typeof whole === 'function') return judged(whole as ConditionFunction, '');
  let count = 0;
  const within = (part: unknown): unknown => {
    if (typeof part === 'function') return judged(part as ConditionFunction, `.${++count}`);
    if (typeof part !== 'object' || part === null) return part;
    const lists = Object.entries(part).map(([key, value]) => [key, Array.isArray(value) ? value.map(within) : value]);
    return Object.fromEntries(lists);
  };
  return within(whole);
}

interface Judged {
  sensor: RegExp;
  metric: RegExp;
  isOfSensor: boolean;
  name: string;
  verdicts: readonly Verdict[];
}

function judge({ sensor, metric, isOfSensor, name, verdicts }: Judged) {
  return (reading: Reading, context: Context<State, Record<string, unknown>>): void => {
    const { state, device } = context;
    keep(state, { ...reading, device });
    const isOwn = sensor.test(reading.sensor) && metric.test(reading.metric);
    const subjects = !isOfSensor ? [name] : isOwn ? [reading.sensor] : sensorsIn(state, sensor, metric);
    for (const subject of subjects) {
      for (const { test, metric: of } of verdicts) {
        const value = verdictOf(test, { subject, of, isOfSensor }, reading, context);
        context.emit({ sensor: subject, metric: of, value, ts: reading.ts });
      }
    }
  };
}

/** The latest of a series comes last; what is older than what is known changes nothing. */
function keep({ latest }: State, reading: Kept): void {
  const key = `${reading.device}/${reading.sensor}/${reading.metric}`;
  const before = latest[key];
  if (before !== undefined && reading.ts < before.ts) return;
  delete latest[key];
  latest[key] = reading;
  const [oldest, ...rest] = Object.keys(latest);
  if (rest.length >= SERIES_MAX) delete latest[oldest!];
}

function sensorsIn({ latest }: State, sensor: RegExp, metric: RegExp): string[] {
  const own = Object.values(latest).filter((each) => sensor.test(each.sensor) && metric.test(each.metric));
  return [...new Set(own.map((each) => each.sensor))];
}

function verdictOf(
  test: ConditionFunction,
  { subject, of, isOfSensor }: { subject: string; of: string; isOfSensor: boolean },
  reading: Reading,
  { state, config, now, device, log }: Context<State, Record<string, unknown>>,
): boolean | 'unknown' {
  const key = `${subject}/${of}`;
  const context: ConditionContext = { config, now, device, log, memory: state.memory[key] };
  try {
    const said: unknown = test(latestOf(state, reading, isOfSensor ? subject : undefined), context);
    if (said !== undefined && typeof said !== 'boolean') {
      throw new TypeError(
        `a condition says true, false, or undefined for what it does not know, and not ${typeof said}`,
      );
    }
    if (context.memory === undefined) delete state.memory[key];
    else state.memory[key] = context.memory;
    delete state.failing[key];
    return said ?? 'unknown';
  } catch (error) {
    const { stack = '', message = '' } = (error ?? {}) as Error;
    const why = message === '' ? String(error) : message;
    if (state.failing[key] !== why) log.error(`${of} of ${subject} is unknown: ${stack === '' ? why : stack}`);
    state.failing[key] = why;
    return 'unknown';
  }
}

function latestOf({ latest }: State, reading: Reading, sensor: string | undefined): Latest {
  const all = Object.values(latest);
  const get = (metric: string, from: string | undefined = sensor) =>
    all.findLast((each) => each.metric === metric && (from === undefined || each.sensor === from));
  return {
    reading,
    sensor,
    get,
    number(metric, from) {
      const found = get(metric, from);
      const value: Value | undefined = found?.quality === undefined ? found?.value : undefined;
      return typeof value === 'number' ? value : undefined;
    },
    [Symbol.iterator]: () => all[Symbol.iterator](),
  };
}

function glob(pattern: string): RegExp {
  return new RegExp(`^${pattern.replace(/[.]/g, '\\.').replaceAll('*', '.*')}$`);
}
