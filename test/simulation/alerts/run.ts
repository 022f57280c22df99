/** `npm run sim -- --alerts N` */
import { simulateAlerts } from './simulate.ts';

const TOLD_EVERY_MS = 10_000;
const SHOWN_MAX = 5;

/** @returns the exit code */
export async function runAlerts({
  seeds,
  from,
  json,
}: {
  seeds: number;
  from: number;
  json: boolean;
}): Promise<number> {
  console.log(`alerts, seeds ${from} to ${from + seeds - 1}`);
  const sums = { seeds: 0, failed: 0, episodes: 0 };
  let toldAt = performance.now();
  for (let seed = from; seed < from + seeds; seed++) {
    const { violations, written, kind, episodes } = await simulateAlerts({ seed });
    sums.seeds++;
    sums.episodes += episodes;
    if (violations.length > 0) {
      sums.failed++;
      console.log(`seed ${seed}, ${kind}: ${JSON.stringify(written)}`);
      for (const violation of violations.slice(0, SHOWN_MAX)) console.log(`  ${violation}`);
      console.log(`  again: npm run sim -- --alerts 1 --from ${seed}`);
    }
    if (performance.now() - toldAt < TOLD_EVERY_MS) continue;
    toldAt = performance.now();
    console.log(`${sums.seeds} of ${seeds} seeds, ${sums.episodes} episodes, ${sums.failed} failed`);
  }
  console.log(json ? JSON.stringify(sums) : `${sums.seeds} seeds, ${sums.episodes} episodes, ${sums.failed} failed`);
  return sums.failed === 0 ? 0 : 1;
}
