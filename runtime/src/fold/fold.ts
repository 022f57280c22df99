/**
 * A function or rule is a fold: `step(state, batch, now) -> { state', outputs }`. A `FoldHost` runs all folds of one
 * device; the edge agent has one host, a cloud worker one for each device it serves. Neither does any io: what comes
 * out is committed by its owner, `states`, outputs and input position in one transaction.
 */
import type { AlertTransition, Bundle, Columns, DeploymentState, JsonObject, Reading } from '@weir/protocols';

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
}

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
  /** Changed states, to be kept under the fold's name; null: forget it. JSON text. */
  states: { fold: string; json: string | null }[];
  /** Readings that functions emitted. */
  emitted: Columns;
  alerts: AlertTransition[];
  publishes: Publish[];
  logs: LogLine[];
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
  /** Schedules and durations that fall due; to be called about once a second. */
  tick(now: number, position: string): Promise<StepOutput>;
  status(): FoldStatus[];
  dispose(): void;
}
