/** What forwarding policies take and let pass, for a person and for Prometheus. */
import type { EntryStatus, FoldStatus, ForwardingStatus } from '@weir/runtime';
import type { AgentMetric } from './metrics.ts';

type Policy = FoldStatus & { forwarding: ForwardingStatus };

/** Rows of a table, its heading first; empty: there is no policy. */
export function forwardingRows(folds: readonly FoldStatus[]): string[][] {
  const rows = policiesOf(folds).flatMap(({ name, forwarding }) =>
    forwarding.entries.map(({ entry, taken, forwarded }) => [name, String(taken), String(forwarded), entry]),
  );
  return rows.length === 0 ? [] : [['forwarding', 'taken', 'sent', 'entry'], ...rows];
}

export const FORWARDING_METRICS: readonly AgentMetric[] = [
  ofEntry(
    'weir_agent_forwarding_taken_readings_total',
    'Readings that the entry of a forwarding policy took.',
    ({ taken }) => taken,
  ),
  ofEntry(
    'weir_agent_forwarding_sent_readings_total',
    'Readings that went to the hub by the entry: as they were, or as what is told of a window.',
    ({ forwarded }) => forwarded,
  ),
  ofPolicy('weir_agent_forwarding_series', 'Series of which a forwarding policy keeps something.', (p) => p.series),
  ofPolicy('weir_agent_forwarding_open_windows', 'Windows of forwarding policies that are open.', (p) => p.windows),
];

function ofEntry(name: string, help: string, pick: (entry: EntryStatus) => number): AgentMetric {
  return {
    name,
    type: 'counter',
    help,
    labels: ['policy', 'entry'],
    read: ({ functions }) =>
      policiesOf(functions).flatMap((policy) =>
        policy.forwarding.entries.map((each): [number, Record<string, string>] => [
          pick(each),
          { policy: policy.name, entry: each.entry },
        ]),
      ),
  };
}

function ofPolicy(name: string, help: string, pick: (policy: ForwardingStatus) => number): AgentMetric {
  return {
    name,
    type: 'gauge',
    help,
    labels: ['policy'],
    read: ({ functions }) => policiesOf(functions).map((policy) => [pick(policy.forwarding), { policy: policy.name }]),
  };
}

function policiesOf(folds: readonly FoldStatus[]): Policy[] {
  return folds.filter((fold): fold is Policy => fold.forwarding !== undefined);
}
