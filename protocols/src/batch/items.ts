/** Batches of alerts and of reports are lists, of which the bad items are left out one by one. */
import { type AlertTransition, alertTransitionSchema } from '../alert/transition.ts';
import { parseReport, type Report, type ReportFault } from '../report/report.ts';
import { BatchError } from './batch-error.ts';
import { type CborValue, encodeCbor } from './cbor.ts';

/** An honest batch holds few of them, if any; over it the batch is refused as a whole. */
const REFUSED_MAX = 1024;

/** An item that is not what it should be. It has its number like any other, and nothing else of the batch is its fault. */
export interface RefusedItem {
  /** Position in the batch: its number is `seq` + this. */
  at: number;
  reason: ReportFault;
  detail: string;
  /** What was sent, as CBOR. */
  content: Uint8Array;
}

interface Items<T> {
  count: number;
  /** In order; `count` less those refused. */
  sound: T[];
  refused: RefusedItem[];
}

type Parsed<T> = { item: T } | { reason: ReportFault; detail: string };

export function alertItems(list: readonly CborValue[]): Items<AlertTransition> {
  return items(list, 'a', (item) => {
    const parsed = alertTransitionSchema.safeParse(item);
    if (parsed.success) return { item: parsed.data };
    const { path, message } = parsed.error.issues[0]!;
    return { reason: 'value', detail: path.length > 0 ? `.${path.join('.')}: ${message}` : `: ${message}` };
  });
}

export function reportItems(list: readonly CborValue[]): Items<Report> {
  return items(list, 'r', (item) => {
    const parsed = parseReport(item);
    return 'report' in parsed ? { item: parsed.report } : { reason: parsed.reason, detail: `: ${parsed.detail}` };
  });
}

/** The sound items at the positions `from` (inclusive) to `to` (exclusive) of a batch. */
export function itemsBetween<T>(sound: readonly T[], refused: readonly RefusedItem[], from: number, to: number): T[] {
  const indexOf = (position: number) => position - refused.filter(({ at }) => at < position).length;
  return sound.slice(indexOf(from), indexOf(to));
}

function items<T>(list: readonly CborValue[], key: string, parse: (item: CborValue) => Parsed<T>): Items<T> {
  const sound: T[] = [];
  const refused: RefusedItem[] = [];
  for (const [at, item] of list.entries()) {
    const parsed = parse(item);
    if ('item' in parsed) sound.push(parsed.item);
    else {
      const detail = `${key}.${at}${parsed.detail}`;
      if (refused.length === REFUSED_MAX) throw new BatchError('value', detail);
      refused.push({ at, reason: parsed.reason, detail, content: encodeCbor(item) });
    }
  }
  return { count: list.length, sound, refused };
}
