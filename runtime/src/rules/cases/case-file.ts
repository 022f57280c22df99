/**
 * Table tests as they stand in YAML beside their rule, `oven-hot.test.yaml` beside `oven-hot.yaml`:
 *
 *     interval: 10s                      between two words of a series; also start, device, sensor, tags, config
 *     tests:
 *       - name: fires over 80, ends under 75
 *         input:
 *           temperature: 79 81 78 74     of the rule's own sensor; others: oven2/temperature, gw2/oven2/temperature Cel
 *         events: _x2 restart            restart, offline, online; or a list with times
 *         expect:
 *           - firing critical at 10s     all that leaves the rule, in order
 *           - resolved at 30s
 *         episodes: [10s to 30s critical]
 */
import type { z } from 'zod';
import { UsageError } from '../../errors.ts';
import type { CaseAction, RuleCase } from './case.ts';
import { eventsOf, readingsOfSeries } from './input.ts';
import { readOffset } from './notation.ts';
import { readWantedEpisode, readWantedTransition } from './wanted.ts';
import { caseFileSchema, type Path, type Reader, texts, type WrittenCase, type WrittenFrame } from './written-case.ts';

export interface CaseFile {
  /** Path of the rule as it is written; undefined: of the same name. */
  rule?: string;
  /** @param sensor whose metric it is where a series does not say. @throws {UsageError} `cases-invalid` with the line */
  cases(sensor: string): RuleCase[];
}

const DEVICE_DEFAULT = 'device1';
const INTERVAL_DEFAULT = '1s';
/** A Monday, in a week without a change of clocks anywhere. */
const START_DEFAULT = '2026-01-12T08:00:00Z';

/** @throws {UsageError} `cases-invalid` with the line */
export async function parseCases(file: string, text: string): Promise<CaseFile> {
  const { LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const refuse = (line: number, what: string) => new UsageError('cases-invalid', `${file}:${line}: ${what}`);
  const flaw = document.errors[0];
  if (flaw !== undefined) throw refuse(lines.linePos(flaw.pos[0]).line, flaw.message);
  const lineOf = (path: Path): number => {
    const node = document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    if (node?.range !== undefined) return lines.linePos(node.range[0]).line;
    return path.length === 0 ? 1 : lineOf(path.slice(0, -1));
  };
  const parsed = caseFileSchema.safeParse(document.toJS());
  if (!parsed.success) {
    const { path, message } = deepest(parsed.error.issues[0]!);
    throw refuse(lineOf(path), `${path.join('.')}: ${message}`);
  }
  const { tests, rule, ...shared } = parsed.data;
  const check = <T>(path: Path, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (error instanceof RangeError) throw refuse(lineOf(path), error.message);
      throw error;
    }
  };
  return {
    ...(rule !== undefined && { rule }),
    cases: (sensor) => tests.map((each, at) => caseOf(each, { shared, sensor, check, lineOf, path: ['tests', at] })),
  };
}

function caseOf(
  each: WrittenCase,
  { shared, sensor, path, ...rest }: Reader & { shared: WrittenFrame; sensor: string },
): RuleCase {
  const reader = { ...rest, path };
  const { check, lineOf } = rest;
  const at = (...more: Path) => [...path, ...more];
  const startAt = check(at('start'), () => startOf(each.start ?? shared.start ?? START_DEFAULT));
  const intervalMs = check(at('interval'), () => positive(each.interval ?? shared.interval ?? INTERVAL_DEFAULT));
  const device = each.device ?? shared.device ?? DEVICE_DEFAULT;
  const frame = { startAt, intervalMs, device, sensor: each.sensor ?? shared.sensor ?? sensor };
  const inputs = Object.entries(each.input ?? {}).map(([key, text]) =>
    check(at('input', key), () => readingsOfSeries(key, String(text), frame, lineOf(at('input', key)))),
  );
  const events = eventsOf(each.events, frame, reader);
  const actions = merged([...inputs.flatMap((input) => input.actions), ...events.actions]);
  const until = each.until === undefined ? 0 : check(at('until'), () => readOffset(each.until!));
  if (each.expect === undefined && each.episodes === undefined) {
    check(at(), () => {
      throw new RangeError('what is expected? add expect: or episodes: (an empty list: nothing)');
    });
  }
  const result: RuleCase = {
    name: each.name,
    line: lineOf(at('name')),
    device,
    startAt,
    intervalMs,
    config: { ...shared.config, ...each.config } as RuleCase['config'],
    tags: texts({ ...shared.tags, ...each.tags }),
    actions,
    inputMs: Math.max(0, until, events.endMs, ...inputs.map(({ endMs }) => endMs)),
  };
  if (each.expect !== undefined) {
    result.transitions = each.expect.map((wanted, i) =>
      check(at('expect', i), () => readWantedTransition(wanted, lineOf(at('expect', i)))),
    );
  }
  if (each.episodes !== undefined) {
    result.episodes = each.episodes.map((wanted, i) =>
      check(at('episodes', i), () => readWantedEpisode(wanted, lineOf(at('episodes', i)))),
    );
  }
  return result;
}

/** In order of time; what comes at once from one device comes in one step. */
function merged(actions: readonly CaseAction[]): CaseAction[] {
  const sorted = [...actions].sort((a, b) => a.atMs - b.atMs);
  const result: CaseAction[] = [];
  for (const action of sorted) {
    const before = result.at(-1);
    const joins =
      action.kind === 'readings' &&
      before?.kind === 'readings' &&
      before.atMs === action.atMs &&
      before.device === action.device;
    if (joins) before.readings.push(...action.readings);
    else result.push(action.kind === 'readings' ? { ...action, readings: [...action.readings] } : action);
  }
  return result;
}

function startOf(text: string): number {
  const ms = /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new RangeError(`"${text}" is no time such as 2026-03-29T01:30:00+01:00`);
  return ms;
}

function positive(text: string | number): number {
  const ms = readOffset(text);
  if (ms <= 0) throw new RangeError('an interval is longer than nothing');
  return ms;
}

/** Of a union the alternative that got furthest says best what is wrong. */
function deepest(issue: z.core.$ZodIssue): { path: Path; message: string } {
  const path = issue.path as Path;
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return { path, message: issue.message };
  const inner = issue.errors
    .flatMap((issues) => issues.slice(0, 1))
    .map((each) => deepest(each))
    .sort((a, b) => b.path.length - a.path.length)[0];
  if (inner === undefined || inner.path.length === 0) return { path, message: issue.message };
  return { path: [...path, ...inner.path], message: inner.message };
}
