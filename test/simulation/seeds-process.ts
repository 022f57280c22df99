/** A process of `npm run sim`: runs the seeds that it is told, one after the other, and tells what came of each. */
import { buildBundles } from './bundles.ts';
import type { Canary } from './options.ts';
import { prepare, simulate } from './simulate.ts';

export type Told = { seed: number; canary?: Canary } | { end: true };

const bundles = await buildBundles();
await prepare();
// Ctrl-C reaches the whole process group; the parent decides when this ends.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('message', (told: Told) => {
  if ('end' in told) process.exit();
  void simulate({ ...told, bundles }).then((result) => process.send!({ result }));
});
process.send!({ ready: true });
