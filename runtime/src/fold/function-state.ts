import type { KeptState } from '../sandbox/protocol.ts';
import type { OpenAlertsState } from './open-alerts.ts';
import type { PatienceState } from './patience.ts';

/** The fold's state: the user's, and what the host keeps for it. */
export interface FunctionState {
  states: [key: string, state: KeptState][];
  alerts: OpenAlertsState;
  /** Last run of each schedule in wall time, ms. */
  ran: [schedule: string, at: number][];
  /** How far event time lay behind arrival at the last readings, ms; for timers. */
  lagMs: number;
  throwing?: PatienceState;
  /** Of the condition of a rule: where it has said something, and when. */
  said?: [series: string, ts: number][];
}
