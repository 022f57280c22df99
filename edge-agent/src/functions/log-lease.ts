/**
 * Tells the hub what functions log, for as long as somebody looks: the command `weir.logs` lends it for some minutes,
 * and begins with the lines that are kept. Nobody who went away without a word costs the device its line.
 */
import {
  LOG_LINES_MAX,
  LOG_TEXT_CHARS_MAX,
  type LogLease,
  type LogReport,
  logLeaseSchema,
  TS_MAX,
} from '@weir/protocols';
import { z } from 'zod';
import type { Clock } from '../clock/clock.ts';
import type { AgentCommand } from '../commands/agent-commands.ts';
import type { Spool } from '../spool/spool.ts';
import type { NumberedLine } from './log-lines.ts';

export interface LogLeasePorts {
  spool: Spool;
  clock: Clock;
  /** Lines of all functions that are kept, newest last. */
  kept: () => readonly NumberedLine[];
  /** Something for the hub was committed. */
  onReport: () => void;
  onFailure: (what: string, error: Error) => void;
}

/** Lines that come close together go together. */
const GATHER_MS = 300;
/** Told at the begin, of all functions together. */
const KEPT_TOLD_MAX = 500;
/** Of the lines of a report, as JSON; a line may have a tenth of it. */
const REPORT_LINES_BYTES = 49_152;

export class LogLeaseHolder {
  readonly #ports: LogLeasePorts;
  readonly #run: number;
  #lease: (Pick<LogLease, 'functions'> & { until: number }) | undefined;
  #gathered: NumberedLine[] = [];
  #reports = 0;
  #cancel = () => {};

  constructor(ports: LogLeasePorts) {
    this.#ports = ports;
    this.#run = ports.clock.now();
  }

  readonly grant: AgentCommand = async (payload) => {
    const { data, error } = logLeaseSchema.safeParse(payload);
    if (error !== undefined) return { outcome: 'failed', detail: z.prettifyError(error) };
    const { lease, for: spanMs, functions, kept } = data;
    const now = this.#ports.clock.monotonic();
    this.#lease = spanMs === 0 ? undefined : { until: now + spanMs, ...(functions !== undefined && { functions }) };
    if (!kept) return { outcome: 'done' };
    const told = this.#ports
      .kept()
      .filter((line) => this.#isWanted(line))
      .slice(-KEPT_TOLD_MAX);
    // With its end, which is committed behind them.
    return { outcome: 'done', reports: this.#reportsOf(told, lease) };
  };

  /** A line that was passed on. */
  take(line: NumberedLine): void {
    if (!this.#isWanted(line)) return;
    this.#gathered.push(line);
    if (this.#gathered.length === 1) this.#cancel = this.#ports.clock.after(GATHER_MS, () => void this.#flush());
  }

  stop(): void {
    this.#cancel();
    this.#lease = undefined;
  }

  #isWanted({ fold }: NumberedLine): boolean {
    if (this.#lease === undefined || this.#lease.until <= this.#ports.clock.monotonic()) return false;
    return this.#lease.functions?.includes(fold) ?? true;
  }

  async #flush(): Promise<void> {
    const { spool, clock, onReport, onFailure } = this.#ports;
    const reports = this.#reportsOf(this.#gathered.splice(0));
    await spool
      .call('addReports', reports, clock.now())
      .then(onReport, (error) => onFailure('log lines could not be told to the hub', error as Error));
  }

  #reportsOf(lines: readonly NumberedLine[], lease?: string): LogReport[] {
    const ts = this.#ports.clock.now();
    const parts = partsOf(lines);
    return parts.map((part, at) => ({
      type: 'log',
      id: `log-${this.#run}-${this.#reports++}`,
      ts,
      run: this.#run,
      lines: part,
      ...(lease !== undefined && at === parts.length - 1 && { lease }),
    }));
  }
}

type Line = LogReport['lines'][number];

/** At least one, which may be empty. */
function partsOf(lines: readonly NumberedLine[]): Line[][] {
  const parts: Line[][] = [[]];
  let bytes = 0;
  for (const { fold, n, level, text, ts } of lines) {
    const line = {
      function: fold,
      n,
      level,
      text: text.slice(0, LOG_TEXT_CHARS_MAX),
      ts: Math.round(Math.min(Math.max(ts, 0), TS_MAX)),
    };
    const size = Buffer.byteLength(JSON.stringify(line));
    if (bytes + size > REPORT_LINES_BYTES || parts.at(-1)!.length === LOG_LINES_MAX) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(line);
    bytes += size;
  }
  return parts;
}
