import type { RefusalCode } from '@weir/protocols';

export interface Refusal {
  code: RefusalCode;
  /** For people: what is wrong, where. */
  reason: string;
}

/** What a check found: that it was refused is one of the outcomes to be expected. */
export type Verdict<T> = { ok: true; value: T } | ({ ok: false } & Refusal);

export function accepted<T>(value: T): Verdict<T> {
  return { ok: true, value };
}

export function refused(code: RefusalCode, reason: string): { ok: false } & Refusal {
  return { ok: false, code, reason };
}
