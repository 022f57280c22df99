import { UsageError } from '@weir/runtime';
import { isMap, isNode, LineCounter, type Node, parseDocument } from 'yaml';
import { type Config, configSchema } from './config.ts';

/**
 * @param name of the file, for messages
 * @throws {UsageError} `config-invalid`: every fault with its line and column
 */
export function parseConfig(text: string, name: string): Config {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const faults = document.errors.map((error) => `${at(lines, name, error.pos[0])}: ${error.message.split('\n')[0]}`);
  if (faults.length > 0) throw invalid(faults);
  const parsed = configSchema.safeParse(document.toJS() ?? {});
  if (parsed.success) return parsed.data;
  throw invalid(
    parsed.error.issues.flatMap((issue) => {
      const keys = issue.code === 'unrecognized_keys' ? issue.keys : [undefined];
      return keys.map((key) => {
        const path = key === undefined ? issue.path : [...issue.path, key];
        const message = key === undefined ? issue.message : 'no such option';
        return `${at(lines, name, offsetOf(document.contents, path))}: ${path.join('.')}: ${message}`;
      });
    }),
  );
}

function invalid(faults: string[]): UsageError {
  return new UsageError('config-invalid', faults.join('\n'), 'correct the lines named above');
}

function at(lines: LineCounter, name: string, offset: number): string {
  const { line, col } = lines.linePos(offset);
  return `${name}:${line}:${col}`;
}

/** Where the deepest part of the path that exists begins: its key in a map, else its value. */
function offsetOf(root: Node | null, path: readonly PropertyKey[]): number {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isNode(key) && String(key) === String(step));
      if (pair === undefined) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (isNode(node) && 'items' in node) {
      const item = (node as { items: unknown[] }).items[Number(step)];
      if (!isNode(item)) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return offset;
}
