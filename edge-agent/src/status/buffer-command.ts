/** `weir-agent buffer`: once, or again and again. */
import { systemClock } from '../clock/clock.ts';
import { formatBuffer } from './buffer.ts';
import { notRunning } from './not-running.ts';
import { askBuffer } from './socket.ts';

const WATCH_MS = 2_000;
/** Home, and nothing left of what was there. @see ECMA-48: CUP, ED */
const CLEAR = '\x1b[H\x1b[2J';

/** @returns the exit code: 1 when no agent runs on the folder */
export async function showBuffer(data: string, { json, watch }: { json?: boolean; watch?: boolean }): Promise<number> {
  for (;;) {
    const report = await askBuffer(data);
    if (report === undefined) {
      process.stderr.write(`${notRunning(data)}  what waits there is sent when it does\n`);
      return 1;
    }
    if (json) process.stdout.write(`${JSON.stringify(report, null, watch ? 0 : 2)}\n`);
    else process.stdout.write(`${watch && process.stdout.isTTY ? CLEAR : ''}${formatBuffer(report)}\n`);
    if (!watch) return 0;
    await new Promise<void>((resolve) => systemClock.after(WATCH_MS, resolve));
  }
}
