/** The policy as people write it; what is wrong with it is said with its line. */
import { inWords, pathOf } from '@weir/protocols';
import { UsageError } from '@weir/runtime';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { type Policy, policySchema, policyWritten } from './policy.ts';

/** A policy with the most of everything that is sensible has a few thousand lines. */
const TEXT_CHARS_MAX = 200_000;
/** More than these nobody reads. */
const FLAWS_SHOWN_MAX = 20;

interface Flaw {
  offset: number;
  what: string;
  remedy?: string;
}

/** One that was applied and kept. @throws {UsageError} `alert-policy-invalid`, as `parsePolicy` */
export function readPolicyKept(text: string): Policy {
  verifyLength(text);
  return parsed(text, policySchema, () => []);
}

/**
 * What somebody writes.
 *
 * @param channels names of those that there are
 * @throws {UsageError} `alert-policy-invalid`: all that is wrong, each with line and column
 */
export function parsePolicy(text: string, channels: ReadonlySet<string>): Policy {
  verifyLength(text);
  if (isEmpty(text)) {
    throw refusal(
      'it is empty: a file that was not written must not undo the policy that there is',
      'to have none, so that each channel is told of every alert, apply a file with: routes: []',
    );
  }
  return parsed(text, policyWritten, (policy) => channelsNamed(policy).filter(({ name }) => !channels.has(name)));
}

/** Before it is looked at. */
function verifyLength(text: string): void {
  if (text.length > TEXT_CHARS_MAX) throw refusal(`it has more than ${TEXT_CHARS_MAX} characters`);
}

function parsed(text: string, schema: z.ZodType<Policy>, unknownIn: (policy: Policy) => Named[]): Policy {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  refuse(document.errors.map(({ pos, message }) => ({ offset: pos[0], what: message })));
  const result = schema.safeParse(document.toJS() ?? {}, { error: inWords });
  if (!result.success) refuse(result.error.issues.map(flawOf));
  const policy = result.data!;
  refuse(
    unknownIn(policy).map(({ name, path }) => ({
      offset: offsetOf(path),
      what: `there is no channel "${name}"`,
      remedy: 'see which there are: weir channel list',
    })),
  );
  return policy;

  function refuse(flaws: readonly Flaw[]): void {
    if (flaws.length === 0) return;
    const inOrder = [...flaws].sort((a, b) => a.offset - b.offset);
    const said = inOrder.slice(0, FLAWS_SHOWN_MAX).map(({ offset, what }) => {
      const { line, col } = lines.linePos(offset);
      return `line ${line}, column ${col}: ${what}`;
    });
    if (inOrder.length > said.length) said.push(`and ${inOrder.length - said.length} more`);
    throw refusal(said.join('\n'), inOrder[0]!.remedy);
  }

  function flawOf(issue: z.core.$ZodIssue): Flaw {
    const path = pathOf(issue);
    const where = path.length === 0 ? '' : `${path.join('.')}: `;
    return { offset: offsetOf(path, issue.code === 'unrecognized_keys'), what: `${where}${issue.message}` };
  }

  /** Of what is missing, that of what it is missing from. @param isKey of the key, not of what it has */
  function offsetOf(path: Path, isKey = false): number {
    if (isKey) {
      const within = document.getIn(path.slice(0, -1), true);
      const pair = isMap(within)
        ? within.items.find(({ key }) => isScalar(key) && key.value === path.at(-1))
        : undefined;
      if (isScalar(pair?.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path, true) as { range?: [number, number, number] } | undefined;
    if (node?.range !== undefined) return node.range[0];
    return path.length === 0 ? 0 : offsetOf(path.slice(0, -1));
  }
}

/** Nothing, or comments alone. */
function isEmpty(text: string): boolean {
  const { contents, errors } = parseDocument(text, { prettyErrors: false });
  return errors.length === 0 && (contents === null || (isScalar(contents) && contents.value === null));
}

type Path = readonly (string | number)[];
interface Named {
  name: string;
  path: Path;
}

function channelsNamed({ routes, default: others = [], escalations }: Policy): Named[] {
  const named = (names: readonly string[], path: Path) => names.map((name, at) => ({ name, path: [...path, at] }));
  return [
    ...routes.flatMap(({ channels }, at) => named(channels, ['routes', at, 'channels'])),
    ...named(others, ['default']),
    ...escalations.flatMap(({ steps }, at) =>
      steps.flatMap(({ channels }, step) => named(channels, ['escalations', at, 'steps', step, 'channels'])),
    ),
  ];
}

function refusal(what: string, remedy = 'see docs/operations/alerts.md'): UsageError {
  return new UsageError('alert-policy-invalid', what, remedy);
}
