/**
 * The epoch of an item: one life of the agent's outbox, and within it one run of the agent.
 *
 *     <life>            a random word made with the outbox's file; written by agents before there were runs
 *     <life>.<run>      and another for each start of the agent
 *
 * Within a life the numbers of a lane go on from run to run. So a device that goes on from an old copy of its disk gives
 * numbers again that were given before, but in a run of its own.
 */
export const EPOCH_PATTERN = /^[A-Za-z0-9_-]{1,32}(\.[A-Za-z0-9_-]{1,32})?$/;

export interface Epoch {
  life: string;
  /** Empty: of an agent that tells none. */
  run: string;
}

/** @param epoch that matches {@link EPOCH_PATTERN} */
export function parseEpoch(epoch: string): Epoch {
  const [life, run = ''] = epoch.split('.') as [string, string?];
  return { life, run };
}

export function formatEpoch({ life, run }: Epoch): string {
  return run === '' ? life : `${life}.${run}`;
}
