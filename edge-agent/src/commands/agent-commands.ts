/** Commands for the agent itself: their names begin with `weir.`, and they name no function. */
import type { Json, Report } from '@weir/protocols';

export interface AgentCommandResult {
  outcome: 'done' | 'failed';
  /** Why it is not done, for a person. */
  detail?: string;
  /** For the hub; committed together with the end of the command. */
  reports?: readonly Report[];
}

/** Runs at least once: again when the agent ends before the end of the command is committed. */
export type AgentCommand = (payload: Json) => Promise<AgentCommandResult>;

/** By name. */
export type AgentCommands = ReadonlyMap<string, AgentCommand>;

/** Shows that the device takes commands, and answers. */
export const ping: AgentCommand = async () => ({ outcome: 'done' });
