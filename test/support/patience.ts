/** Before each test file: waiting for a condition allows for a busy machine. What never comes is still told. */
import { vi } from 'vitest';

const PATIENCE_MS = 20_000;
const POLL_MS = 10;

const { waitFor } = vi;
vi.waitFor = (check, options = {}) =>
  waitFor(check, typeof options === 'number' ? options : { timeout: PATIENCE_MS, interval: POLL_MS, ...options });
