import type { RefusalCode } from '@weir/protocols';
import type { Refusal } from '@weir/runtime';

/** Something signed is not taken. Its message begins with the code: it goes to the hub, and to people. */
export class RefusedError extends Error {
  readonly code: RefusalCode;

  constructor({ code, reason }: Refusal) {
    super(`${code}: ${reason}`);
    this.name = 'RefusedError';
    this.code = code;
  }
}
