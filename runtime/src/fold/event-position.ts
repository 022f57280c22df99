import { createHash } from 'node:crypto';

/**
 * Names an event by what it is about, the same for each delivery. Short, however long the id: what a function puts out
 * in an event is named after its position, and may bring about the next event.
 */
export function eventPosition(kind: string, id: string): string {
  return `${kind}.${createHash('sha256').update(id).digest('hex').slice(0, 20)}`;
}
