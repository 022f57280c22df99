/** What is wrong with a field of a batch, in words. */
import { BatchError } from './batch-error.ts';
import type { CborValue } from './cbor.ts';

export function isCount(value: CborValue | undefined, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max;
}

export function malformed(key: string, wanted: string, found: CborValue | undefined): BatchError {
  return new BatchError('malformed', `${key}: ${wanted} wanted, found ${describe(found)}`);
}

export function describe(value: CborValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (ArrayBuffer.isView(value)) return 'a typed array';
  if (typeof value === 'number') return String(value);
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
