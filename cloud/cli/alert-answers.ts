/** What the API answers about alerts, as far as the commands look at it. */
import type { AlertTransition } from '@weir/protocols';

export interface Episode {
  episode: string;
  device: string;
  source: AlertTransition['source'];
  sensor?: string;
  metric?: string;
  origin: 'edge' | 'cloud';
  state: string;
  reason: string;
  severity: string;
  severityMax: string;
  summary: string;
  description?: string;
  runbook?: string;
  labels?: Record<string, string>;
  startedAt: number;
  firedAt?: number;
  clearedAt?: number;
  resolvedAt?: number;
  value?: number | boolean | string;
  level?: number;
  unit?: string;
  peak?: number;
  peakAt?: number;
  count?: number;
  historical?: boolean;
  dryRun?: boolean;
  latch?: boolean;
  mutedUntil?: number;
  recordedAt: number;
  updatedAt: number;
  ackedAt?: number;
  ackedBy?: string;
  assignee?: string;
  shelvedUntil?: number;
  shelvedBy?: string;
  endedManually?: { at: number; by: string; comment?: string };
  comments?: number;
  pendingMs?: number;
  activeMs?: number;
  toAckMs?: number;
  asOf?: number;
}

export interface OperatorEntry {
  id: string;
  at: number;
  by: string;
  what: string;
  comment?: string;
  assignee?: string;
  until?: number;
}

export interface EpisodeDetail extends Episode {
  transitions: AlertTransition[];
  log: OperatorEntry[];
}

export type AlertEvent =
  | { type: 'watching'; at: number }
  | { type: 'transition'; at: number; transition: AlertTransition; episode: Episode }
  | { type: 'operator'; at: number; entry: OperatorEntry; episode: Episode };
