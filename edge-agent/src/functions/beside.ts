import { createFoldHost, type FunctionSandbox } from '@weir/runtime';
import type { Clock } from '../clock/clock.ts';
import type { Config } from '../config/config.ts';
import type { Spool } from '../spool/spool.ts';
import { Candidates } from './candidates.ts';
import type { PipelinePorts } from './pipeline-ports.ts';

export interface BesidePorts {
  device: string;
  spool: Spool;
  clock: Clock;
  /** In which nothing runs but what is tried. */
  sandbox: FunctionSandbox;
  onStatus: () => void;
  log: (level: 'info' | 'warn', message: string) => void;
}

/** What the pipeline has beside what runs: a host for what is tried for a moment, and what runs there for longer. */
export function besideOf(
  ports: BesidePorts,
  { candidate, trial }: Config['deploy'],
): Required<Pick<PipelinePorts, 'createTrialHost' | 'candidates'>> {
  const { device, clock, sandbox } = ports;
  const wait = (ms: number) => new Promise<void>((resolve) => clock.after(ms, resolve));
  return {
    createTrialHost: () => createFoldHost({ device, sandbox, wait, ownsUnits: true }),
    candidates: new Candidates(ports, { ...candidate, endsMax: trial.endsMax }),
  };
}
