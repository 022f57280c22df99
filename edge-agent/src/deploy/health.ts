import type { WeirReported } from '@weir/protocols';
import type { ClockStatus } from '../clock/agent-clock.ts';
import type { StorageHealth } from '../spool/storage.ts';

type Health = NonNullable<WeirReported['health']>;

/** How disk and clock are, where they are not as they should be. In whole seconds: it is told anew when it changes. */
export function healthOf(
  storage: StorageHealth | undefined,
  status: ClockStatus | undefined,
): Pick<Health, 'storage' | 'clock'> {
  const health: Pick<Health, 'storage' | 'clock'> = {};
  if (storage !== undefined) health.storage = storage;
  if (status === undefined) return health;
  const { certainty, source, wallAheadMs, hubAheadMs = 0 } = status;
  const ahead = { wallAhead: secondsOf(wallAheadMs), hubAhead: secondsOf(hubAheadMs) };
  return { ...health, clock: { certainty, source, ...ahead } };
}

/** Below two it is the way to the hub as well. */
function secondsOf(ms: number): number {
  const seconds = Math.trunc(ms / 1_000);
  return Math.abs(seconds) < 2 ? 0 : seconds;
}
