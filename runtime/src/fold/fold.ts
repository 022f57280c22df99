/**
 * A function or rule is a fold: `step(state, batch, now) -> { state', outputs }`. A `FoldHost` runs all folds of one
 * device; the edge agent has one host, a cloud worker one for each device it serves. Neither does any io: what comes
 * out is committed by its owner, `states`, outputs and input position in one transaction.
 */
import {
  type AlertTransition,
  type Bundle,
  type Columns,
  columnsOf,
  type DeploymentState,
  type Json,
  type JsonObject,
  type Reading,
} from '@weir/protocols';
import type { Forwarded } from '../forwarding/forwarding.ts';
import type { ForwardingStatus } from '../forwarding/policy-fold.ts';
import type { FunctionUsage } from '../usage/usage.ts';
import type { TimeMove } from './move-time.ts';

/** A bundle that is wanted here. */
export interface Deployed {
  /** Name of the deployment; equals the function's or rule's name. */
  name: string;
  bundle: Bundle;
  hash: string;
  config: JsonObject;
  /** Why it was quarantined before; it is then listed but not started. */
  quarantined?: string;
}

export interface StepInput {
  /** Names the input for ever: the ids of outputs derive from it. Journal position or log position. */
  position: string;
  /** Arrival, ms since epoch; relates event time to wall time. */
  receivedAt: number;
  columns: Columns;
  /**
   * Whose readings they are; default: the device of the host. Those of another are for functions with the key
   * `function` alone; other functions and rules get what these make of them.
   */
  device?: string;
}

/**
 * What may come to a host beside readings. Its outputs and the note that it came are to be committed together.
 *
 *     command    to the functions that handle commands, or to the one that is named
 *     alerts     told by another host, e.g. by the device to the cloud; those of this host it sees by itself
 *     response   of a request, to the state that asked
 *     presence   the device came or went; in the cloud only
 *     replay     a dead letter, to the function that could not take it
 *     end        of an alert episode, by a person: to the rule or function that has it open
 *
 * `device` says whose it is, as in {@link StepInput}.
 */
export type FoldEvent =
  | { kind: 'command'; command: DeviceCommand }
  | { kind: 'alerts'; alerts: readonly AlertTransition[]; device?: string }
  | { kind: 'response'; response: HttpResponse }
  | { kind: 'presence'; online: boolean; device?: string }
  | Standing
  | { kind: 'replay'; letter: DeadLetter }
  | { kind: 'end'; episode: string };

/**
 * How a device stands as rules begin to watch it, or that it is watched no more; for rules alone, since functions hear of
 * changes. `unheard`: nobody knows yet whether it is there, or of what gathers, whether any of its devices is; rules that have
 * heard of nothing wait until somebody does.
 */
export interface Standing {
  kind: 'standing';
  is: 'online' | 'offline' | 'unheard' | 'gone';
  device?: string;
}

/** An HTTP request of a function, carried out by the host after it was committed, at least once. */
export interface HttpRequest {
  /** `<fold>:<position>:<n>`; the same after a replay. Sent as Idempotency-Key, behind the name of its device. */
  id: string;
  /** Of a request that is sent again out of the dead letters: under which id it was sent first, and is sent again. */
  firstId?: string;
  fold: string;
  /** Which state of the function asked; the response goes to it. Opaque. */
  key: string;
  /** The function's own word for it. */
  name: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  url: string;
  headers: Record<string, string>;
  body?: string;
  timeoutMs: number;
  /** Attempts after the first. */
  retries: number;
}

/** What came of a request, or why nothing did. */
export interface HttpResponse {
  id: string;
  fold: string;
  key: string;
  name: string;
  /** Undefined: there was no answer; `error` says why. */
  status?: number;
  headers?: Record<string, string>;
  body?: string;
  error?: string;
}

export interface DeviceCommand {
  /** `<fold>:<position>:<n>`, or another's own word for it; the same after a replay. */
  id: string;
  /** Undefined: the device itself. */
  device?: string;
  /** Undefined: every function that handles commands. */
  function?: string;
  name: string;
  payload: Json;
}

/** Input that a function could not take, or a request of it that nobody answered, with the reason. */
export interface DeadLetter {
  /** `<fold>:<position>`; the same after a replay. */
  id: string;
  fold: string;
  version: string;
  hash: string;
  /** Arrival of the input, ms since epoch. */
  at: number;
  kind: Fault['kind'] | 'unanswered';
  message: string;
  /** In what the user wrote. */
  place?: string;
  stack: string;
  input: DeadInput;
}

export type DeadInput =
  | { kind: 'readings'; columns: Columns; device: string }
  | {
      kind: 'event';
      /** `request`: one that it made, as `value`. */
      handler: 'command' | 'alert' | 'response' | 'online' | 'offline' | 'request';
      /** States it was for; undefined: all. */
      keys?: string[];
      value: Json;
      at: number;
      device: string;
    };

export interface Publish {
  /** `<fold>:<position>:<n>`; the same after a replay. */
  id: string;
  topic: string;
  payload: string;
  qos: 0 | 1;
  retain: boolean;
}

export interface LogLine {
  fold: string;
  level: 'debug' | 'info' | 'warn' | 'error';
  text: string;
  /** Event time, ms. */
  ts: number;
}

export interface StepOutput {
  /** Changed states, to be kept under the fold's name, or one behind it; null: forget it. JSON text. In this order. */
  states: { fold: string; json: string | null }[];
  /** Readings that functions emitted. */
  emitted: Columns;
  /** What goes to the hub, where a forwarding policy runs here; undefined: the input, and what was emitted. */
  forwarded?: Forwarded;
  alerts: AlertTransition[];
  publishes: Publish[];
  requests: HttpRequest[];
  /** To be delivered to the functions of a device, each once in effect. */
  commands: DeviceCommand[];
  deadLetters: DeadLetter[];
  logs: LogLine[];
  /** What it cost, by function; what is committed with the step is counted once, however often it is repeated. */
  usage: FunctionUsage[];
}

export function emptyStepOutput(): StepOutput {
  return {
    states: [],
    emitted: columnsOf([]),
    alerts: [],
    publishes: [],
    requests: [],
    commands: [],
    deadLetters: [],
    logs: [],
    usage: [],
  };
}

/** One error of user code, or one step of it that had to be stopped. */
export interface Fault {
  fold: string;
  kind: 'threw' | 'timed-out' | 'out-of-memory' | 'crashed';
  message: string;
  /** In what the user wrote, `my-fn.ts:9:7`; undefined when it is not known. */
  place?: string;
  /** Its places are the user's, as far as the bundle's source map goes. */
  stack: string;
  /** The reading that was left out; undefined when it was the whole step. */
  reading?: Reading;
}

/** What a function has used since it was started. */
export interface Usage {
  /** Steps in the sandbox, also those of schedules, timers and events. */
  invocations: number;
  readings: number;
  cpuMs: number;
  /** Largest heap seen after a step. */
  heapBytesMax: number;
  errors: number;
  /** Readings, alerts, publishes, requests and commands. */
  outputs: number;
}

/** What a rule costs whoever runs it. */
export interface RuleLoad {
  /** Time in steps and ticks since it was started. */
  spentMs: number;
  /** Of its conditions, since it was started. */
  evaluations: number;
  /** Series, sensors or devices that it watches. */
  subjects: number;
  /** Of these, with an episode that is active. */
  active: number;
  /** What is kept of it, as far as it has been written since it was started. */
  stateBytes: number;
}

export interface FoldStatus {
  name: string;
  kind: Bundle['kind'];
  version: string;
  hash: string;
  state: DeploymentState;
  reason?: string;
  /** Failed steps since it was started. */
  errors: number;
  /** Steps and readings since it was started. */
  steps: number;
  readings: number;
  /** Of functions. */
  usage?: Usage;
  /** Of forwarding policies. */
  forwarding?: ForwardingStatus;
  /** Of rules, and of functions that are the condition of one: what the rule costs beside the function. */
  rule?: RuleLoad;
  /** Of functions: steps that did not fail, since it was started. */
  stepsWell?: number;
  /** What is wanted and failed, in whose place this runs; filled in by the owner of the host. */
  inPlaceOf?: { version: string; hash: string; state: DeploymentState; reason: string };
}

export interface FoldHost {
  /**
   * Makes `wanted` what runs. Starts what is new or changed, keeps what is the same, ends what is gone: its open
   * alerts resolve with reason `removed`, and its state is forgotten.
   * @param states JSON by fold name, as committed last; read only for folds that this host does not hold yet.
   * @param position names this input, as in {@link StepInput}.
   */
  deploy(
    wanted: readonly Deployed[],
    states: ReadonlyMap<string, string>,
    position: string,
    now: number,
  ): Promise<StepOutput>;
  /**
   * Runs every fold over a batch; never throws for what user code does. The new state is current at once: an owner
   * that cannot commit the output disposes of the host and makes another from the last committed states.
   * Calls do not overlap.
   */
  step(input: StepInput): Promise<StepOutput>;
  /**
   * Schedules, timers and durations that fall due; to be called about once a second.
   * @param arrivedUntil wall time up to which all that arrived has been stepped over, default `now`: event time
   * stands still while there is a backlog, or it would run ahead of readings that are here already
   */
  tick(now: number, position: string, arrivedUntil?: number): Promise<StepOutput>;
  /** Between steps: what all folds keep of the time before moves along. Nothing is run. */
  moveTime(move: TimeMove): StepOutput;
  /**
   * @param position names the event for ever, e.g. `command.<id>`
   * @returns undefined when nobody here takes it: no such function, or it does not run
   */
  event(event: FoldEvent, position: string, now: number): Promise<StepOutput | undefined>;
  status(): FoldStatus[];
  dispose(): void;
}
