/** Before each test file: waiting for a condition allows for a busy machine. What never comes is still told. */
import { vi } from 'vitest';

const PATIENCE_MS = 60_000;
const POLL_MS = 10;

// Files share a process: for each of them it is asked for anew.
const original = Symbol.for('weir.wait-for');
const own = vi as typeof vi & { [original]?: typeof vi.waitFor };
own[original] ??= vi.waitFor;
const waitFor = own[original];
vi.waitFor = (check, options = {}) =>
  waitFor(check, typeof options === 'number' ? options : { timeout: PATIENCE_MS, interval: POLL_MS, ...options });
