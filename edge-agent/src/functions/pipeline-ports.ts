/** What the pipeline needs, what is asked of it, and what it tells. */
import type { AlertTransition } from '@weir/protocols';
import type { FoldHost, FunctionUsage, LogLine, Publish, Witness } from '@weir/runtime';
import type { Stamp } from '../clock/agent-clock.ts';
import type { Clock } from '../clock/clock.ts';
import type { Commands } from '../commands/commands.ts';
import type { LaneAccount } from '../outbox/outbox.ts';
import type { Spool } from '../spool/spool.ts';
import type { Candidates } from './candidates.ts';
import type { Kept } from './deployments.ts';
import type { KeptDeployment } from './kept-deployments.ts';
import type { TrialLimits } from './rehearsals.ts';
import type { Requests } from './requests.ts';
import type { TrialKey } from './trial-table.ts';

export interface PipelinePorts {
  spool: Spool;
  clock: Clock;
  /** With what times are kept that are not known to be right. Absent, or undefined: they are. */
  stamp?: () => Stamp | undefined;
  /** Makes the host; again after a failed commit. */
  createHost: (onStatus: () => void, witness?: Witness) => FoldHost;
  /** Makes one in a process of its own, for what is tried. */
  createTrialHost: () => FoldHost;
  /** What runs beside what runs. Absent: nothing can. */
  candidates?: Candidates;
  /** Whether the uplink is up. */
  isConnected: () => boolean;
  requests: Pick<Requests, 'admit' | 'add' | 'restart'>;
  commands: Pick<Commands, 'add'>;
  onCommitted: (commit: Committed) => void;
  /** Rows of the journal with so many bytes were damaged, and are gone. Absent: nobody counts them. */
  onDamaged?: (bytes: number) => void;
  onLogs: (lines: readonly LogLine[]) => void;
  /** What was used by steps that changed nothing and are not committed. */
  onUncommitted: (used: readonly FunctionUsage[]) => void;
  /** The health of a function has changed, and what follows from that is committed. */
  onStatus: () => void;
  onFailure: (what: string, error: Error) => void;
  log: (level: 'info' | 'warn', message: string) => void;
}

export interface Committed {
  /** Bytes of the journal rows that were passed. */
  passedBytes: number;
  alerts: readonly AlertTransition[];
  publishes: readonly Publish[];
  lanes: readonly LaneAccount[];
}

export interface PipelineLimits {
  uncommittedReadingsMax: number;
  handoffReadingsMax: number;
  trial: TrialLimits;
}

export interface DeployRequest {
  /** What shall run from now on, given what is kept when its turn comes. */
  targetOf: (kept: Kept) => readonly KeptDeployment[];
  /** Bundles to be kept although they do not run yet. */
  hashesNeeded: readonly string[];
  /** What shall run beside, to be compared; undefined: nothing. */
  candidates?: readonly TrialKey[];
}
