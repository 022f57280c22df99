export interface WorkerLimits {
  /** Devices of one partition kept in memory. */
  devicesMax: number;
  /** Records read at once. */
  readMax: number;
  /** How often schedules and durations of cloud functions are looked at. */
  tickMs: number;
  /** Failures of one record before it is taken without functions, and again before it is kept aside. */
  attemptsMax: number;
  /** Log lines of functions passed on; the rest is counted. */
  logLinesPerSecond: number;
  /** First wait after a failure; doubled up to five seconds. */
  retryMs: number;
  /** Items of one partition that wait for one function that gathers; over it the partition is not read. */
  gatherWaitingMax: number;
}

export const WORKER_LIMITS: WorkerLimits = {
  devicesMax: 500,
  readMax: 100,
  tickMs: 1_000,
  attemptsMax: 5,
  logLinesPerSecond: 20,
  retryMs: 20,
  // Of 128 KiB each at most, and a few commits of what many devices send.
  gatherWaitingMax: 64,
};

export interface WorkerCounts {
  records: number;
  readings: number;
  alerts: number;
  /** What agents said of themselves. */
  reports: number;
  /** Items that had been received before. */
  duplicates: number;
  /** Items that devices say they gave up. */
  itemsGivenUp: number;
  /** Times a device went on from an old copy of its disk. */
  devicesRestored: number;
  /** Times a device that was known began anew. */
  newLives: number;
  keptAside: number;
  /** Inputs of devices that functions which gather have taken, each function for itself. */
  gathered: number;
  /** Messages of cloud functions to devices for which there was no room. */
  publishesDropped: number;
  /** Commands of cloud functions that were not kept. */
  commandsDropped: number;
  /** HTTP requests of cloud functions that were answered, with an error or without. */
  requestsAnswered: number;
  /** Of these, not sent: not allowed, or too many waited. */
  requestsRefused: number;
  /** Neither sent nor answered. */
  requestsDropped: number;
  /** Given up after their last attempt. */
  requestsDead: number;
  /** Steps, or parts of them, that cloud functions could not take. */
  deadLetters: number;
  /** Of these, not kept: too large, or too many of one step. */
  deadLettersDropped: number;
  conflicts: number;
  failures: number;
}

export function noCounts(): WorkerCounts {
  return {
    records: 0,
    readings: 0,
    alerts: 0,
    reports: 0,
    duplicates: 0,
    itemsGivenUp: 0,
    devicesRestored: 0,
    newLives: 0,
    keptAside: 0,
    gathered: 0,
    publishesDropped: 0,
    commandsDropped: 0,
    requestsAnswered: 0,
    requestsRefused: 0,
    requestsDropped: 0,
    requestsDead: 0,
    deadLetters: 0,
    deadLettersDropped: 0,
    conflicts: 0,
    failures: 0,
  };
}
