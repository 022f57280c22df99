/** The policy as people write it; what is wrong with it is said with its line. */
import { UsageError } from '@weir/runtime';
import { LineCounter, parseDocument } from 'yaml';
import { type Policy, policySchema } from './policy.ts';

/** A policy with the most of everything that is sensible has a few thousand lines. */
const TEXT_CHARS_MAX = 200_000;

/**
 * @param channels names of those that there are; absent: not looked at
 * @throws {UsageError} `alert-policy-invalid`, with line and column
 */
export function parsePolicy(text: string, channels?: ReadonlySet<string>): Policy {
  if (text.length > TEXT_CHARS_MAX) throw refusal('it', `has more than ${TEXT_CHARS_MAX} characters`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const [flaw] = document.errors;
  if (flaw !== undefined) throw refusal(placeOf(flaw.pos[0]), flaw.message);
  const parsed = policySchema.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    const { path, message } = parsed.error.issues[0]!;
    const where = path.length === 0 ? '' : `${path.join('.')}: `;
    throw refusal(placeOf(offsetOf(path as Path)), `${where}${message}`);
  }
  if (channels !== undefined) {
    for (const { name, path } of channelsNamed(parsed.data)) {
      if (channels.has(name)) continue;
      throw refusal(placeOf(offsetOf(path)), `there is no channel "${name}"`, 'see which there are: weir channel list');
    }
  }
  return parsed.data;

  function placeOf(offset: number): string {
    const { line, col } = lines.linePos(offset);
    return `line ${line}, column ${col}`;
  }

  /** Of what is missing, that of what it is missing from. */
  function offsetOf(path: Path): number {
    const node = document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    if (node?.range !== undefined) return node.range[0];
    return path.length === 0 ? 0 : offsetOf(path.slice(0, -1));
  }
}

type Path = readonly (string | number)[];

function channelsNamed({ routes, default: others = [], escalations }: Policy): { name: string; path: Path }[] {
  const named = (names: readonly string[], path: Path) => names.map((name, at) => ({ name, path: [...path, at] }));
  return [
    ...routes.flatMap(({ channels }, at) => named(channels, ['routes', at, 'channels'])),
    ...named(others, ['default']),
    ...escalations.flatMap(({ steps }, at) =>
      steps.flatMap(({ channels }, step) => named(channels, ['escalations', at, 'steps', step, 'channels'])),
    ),
  ];
}

function refusal(where: string, what: string, remedy?: string): UsageError {
  return new UsageError('alert-policy-invalid', `${where}: ${what}`, remedy ?? 'see docs/operations/alerts.md');
}
