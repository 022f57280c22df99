/** What two versions made of the same input, side by side: the blue one, which runs, and the green one, its candidate. */
import type { Json } from '@weir/protocols';
import type { CallMade } from '../fold/calls.ts';
import type { FunctionOutput } from '../fold/outputs.ts';

export interface OfBoth {
  blue: number;
  green: number;
}

/** Since both have been running. */
export interface Comparison {
  /** Inputs with which either had something to do; of these, those of which they made different things. */
  steps: number;
  differ: number;
  /** The first difference, for a person to read. */
  example?: string;
  errors: OfBoth;
  /** Readings, alerts, publishes, requests and commands. */
  outputs: OfBoth;
  cpuMs: OfBoth;
}

const EXAMPLE_CHARS_MAX = 200;
/** Of each side of a difference. */
const SHOWN_CHARS_MAX = 70;

export function emptyComparison(): Comparison {
  const none = () => ({ blue: 0, green: 0 });
  return { steps: 0, differ: 0, errors: none(), outputs: none(), cpuMs: none() };
}

/** @param tolerance by which two numbers may differ, as a share of the larger one */
export function compare(before: Comparison, blue: CallMade, green: CallMade, tolerance: number): Comparison {
  if (blue.output === undefined && green.output === undefined) return before;
  const [ofBlue, ofGreen] = [outputsOf(blue.output), outputsOf(green.output)];
  const difference = differenceOf(ofBlue, ofGreen, tolerance);
  const example = before.example ?? difference?.slice(0, EXAMPLE_CHARS_MAX);
  return {
    steps: before.steps + 1,
    differ: before.differ + (difference === undefined ? 0 : 1),
    ...(example !== undefined && { example }),
    errors: sum(before.errors, { blue: blue.errors, green: green.errors }),
    outputs: sum(before.outputs, { blue: ofBlue.length, green: ofGreen.length }),
    cpuMs: sum(before.cpuMs, { blue: blue.cpuMs, green: green.cpuMs }),
  };
}

/** In the order in which they were made, each kind by itself; without what names the version or the step. */
function outputsOf(output: FunctionOutput | undefined): Json[] {
  if (output === undefined) return [];
  const { emitted, alerts, publishes, requests, commands } = output;
  return [
    ...emitted.map(({ sensor, metric, value, ts }) => ({ reading: `${sensor}/${metric}`, value, ts })),
    ...alerts.map(({ state, severity, sensor = '', metric = '', value = null }) => ({
      alert: state,
      ...{ severity, sensor, metric, value },
    })),
    ...publishes.map(({ topic, payload, qos, retain }) => ({ publish: topic, payload: plain(payload), qos, retain })),
    ...requests.map(({ method, url, body = '' }) => ({ request: `${method} ${url}`, body: plain(body) })),
    ...commands.map(({ device = '', function: to = '', name, payload }) => ({ command: name, device, to, payload })),
  ];
}

/** Most texts are JSON: its numbers are compared as numbers. */
function plain(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text;
  }
}

function differenceOf(blue: readonly Json[], green: readonly Json[], tolerance: number): string | undefined {
  for (let at = 0; at < Math.max(blue.length, green.length); at++) {
    if (isAlike(blue[at], green[at], tolerance)) continue;
    return `${shown(blue[at])}, the candidate: ${shown(green[at])}`;
  }
  return undefined;
}

function isAlike(a: Json | undefined, b: Json | undefined, tolerance: number): boolean {
  if (typeof a === 'number' && typeof b === 'number') {
    return a === b || Math.abs(a - b) <= tolerance * Math.max(Math.abs(a), Math.abs(b));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  const of = (value: object, key: string) => (value as { [key: string]: Json })[key];
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isAlike(of(a, key), of(b, key), tolerance))
  );
}

function shown(made: Json | undefined): string {
  const text = made === undefined ? 'nothing' : JSON.stringify(made);
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`;
}

function sum(a: OfBoth, b: OfBoth): OfBoth {
  return { blue: a.blue + b.blue, green: a.green + b.green };
}
