import type { ClockStatus } from './agent-clock.ts';
import { isFelt } from './timekeeping.ts';

/** For a person at a terminal. @param now ms since epoch, by the agent */
export function describeClock({ certainty, source, wallAheadMs, hubAheadMs }: ClockStatus, now: number): string {
  const machine = `this machine's clock says ${iso(now + wallAheadMs)}`;
  if (certainty === 'unsynchronised') {
    return `not known: ${machine}. Until NTP or the hub says better it goes on from the last time that was known, now ${iso(now)}`;
  }
  if (certainty === 'assumed') {
    const away = isFelt(wallAheadMs) ? `; ${machine}, which is not believed` : '';
    return `assumed, for neither NTP nor the hub has said so${away}`;
  }
  const hub = hubAheadMs !== undefined && isFelt(hubAheadMs) ? `; the hub's is ${apart(-hubAheadMs)}` : '';
  const wall = isFelt(wallAheadMs) ? `; ${machine}, which is ${apart(wallAheadMs)}` : '';
  return `right, by ${source === 'ntp' ? 'NTP' : 'the hub'}${wall}${hub}`;
}

function apart(aheadMs: number): string {
  const s = Math.round(Math.abs(aheadMs) / 1_000);
  const span = s < 7_200 ? `${s} s` : s < 172_800 ? `${Math.round(s / 3_600)} h` : `${Math.round(s / 86_400)} days`;
  return `${span} ${aheadMs > 0 ? 'ahead' : 'behind'}`;
}

function iso(time: number): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime()) ? 'nothing that can be' : `${date.toISOString().slice(0, 19)}Z`;
}
