/**
 * From places in a bundled script, as a stack trace has them, to places in what the user wrote.
 *
 *     at reading (function.js:16:13)   ->   at reading (my-fn.ts:9:7)
 *     at step (weir:bootstrap:140:9)   ->   left out
 */
import { SourceMap, type SourceMapPayload } from 'node:module';

export interface Places {
  /** First place of a stack in what the user wrote: `my-fn.ts:9:7`; undefined when it never was there. */
  first(stack: string): string | undefined;
  /** The stack with every place in the user's terms. */
  stack(stack: string): string;
  /** Any text that may name places, e.g. the message of a syntax error. */
  name(text: string): string;
}

const PLACE = /function\.js:(\d+):(\d+)/g;
const INSIDE = /^\s+at .*(?:weir:bootstrap|<isolated-vm>)/;

/** @param sourceMap of the bundle; without one, or with one that is damaged, places stay those of the script. */
export function placesOf(sourceMap: string | undefined): Places {
  // Read at the first error: most functions have none.
  let map: SourceMap | undefined | 'unread' = 'unread';
  const translated = (place: string, line: string, column: string) => {
    if (map === 'unread') map = readMap(sourceMap);
    const entry = map?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry)) return place;
    return `${entry.originalSource}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  };
  const name = (text: string) => text.replaceAll(PLACE, translated);
  const stack = (text: string) =>
    name(
      text
        .split('\n')
        .filter((line) => !INSIDE.test(line))
        .join('\n'),
    );
  return {
    name,
    stack,
    first: (text) => new RegExp(PLACE.source).exec(text)?.[0].replace(PLACE, translated),
  };
}

function readMap(sourceMap: string | undefined): SourceMap | undefined {
  if (sourceMap === undefined) return undefined;
  try {
    return new SourceMap(JSON.parse(sourceMap) as SourceMapPayload);
  } catch {
    return undefined;
  }
}
