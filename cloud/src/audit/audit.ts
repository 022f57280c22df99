/**
 * Who changed what, and who was not let.
 *
 * Obligations: a change is durable here before it is made, and its outcome before it is answered; an entry that is
 * still `begun` is of a hub that ended in between. What comes in numbers, denied attempts and messages to devices, is
 * counted in one entry for all that are alike within a while, so that nobody can fill the disk with them; and each kind
 * has bounds of its own, so that nobody can push out with them what was changed. No entry has a secret.
 */
export const AUDIT_KINDS = ['change', 'message', 'denied'] as const;
/** `message`: a change by the IoT Data Plane, a publish or a shadow. */
export type AuditKind = (typeof AUDIT_KINDS)[number];

export const AUDIT_OUTCOMES = ['begun', 'done', 'refused', 'failed', 'denied'] as const;
/** `refused`: it could not be, and nothing was changed. `denied`: whoever asked may not. */
export type AuditOutcome = (typeof AUDIT_OUTCOMES)[number];

/** What is asked for, and by whom. */
export interface Attempt {
  /** The key; absent: none that is good. */
  by?: { id: string; name: string };
  /** Address of the connection. */
  from: string;
  /** Method and route: `PUT /api/v1/groups/:group/deployments/:name`. */
  what: string;
  /** The path as it was asked for. */
  target: string;
  /** A few words of what was sent, without secrets. */
  body?: string;
}

export interface AuditEntry extends Attempt {
  /** In order of time. */
  id: string;
  kind: AuditKind;
  /** ms since epoch, clock of the hub; of the first, where several are counted. */
  at: number;
  outcome: AuditOutcome;
  /** HTTP. */
  status?: number;
  /** Of the error that was answered. */
  code?: string;
  /** How many are counted here, if more than one; until `lastAt`. */
  count?: number;
  lastAt?: number;
}

export interface AuditQuery {
  /** ms since epoch, inclusive. */
  since?: number;
  /** Id or name of the key. */
  by?: string;
  /** A part of the path, the route, or what was sent. */
  target?: string;
  kind?: AuditKind;
  outcome?: AuditOutcome;
  limit: number;
  /** `next` of the page before. */
  after?: string;
}

export interface Audit {
  /** @returns its id, for `end` */
  begin(attempt: Attempt): Promise<string>;
  /** @param code of the error, where there was one */
  end(id: string, status: number, code?: string): Promise<void>;
  /** A message to devices, counted with those that are alike. */
  message(attempt: Attempt): Promise<void>;
  /** Counted with those that are alike. Never throws: who is not let in gets their answer. */
  denied(attempt: Attempt, status: number, code: string): void;
  /** The last come first. A page may have fewer than its limit, and yet have a next. */
  list(query: AuditQuery): Promise<{ items: AuditEntry[]; next?: string }>;
  /** Denied attempts since the start, by `code`, which is from a closed list. */
  deniedCounts(): ReadonlyMap<string, number>;
  /** Keeps what is counted so far; idempotent. */
  stop(): Promise<void>;
}
