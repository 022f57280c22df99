/** What begins and ends again and again is told once, and then how it stands when it has calmed down. */
import type { AlertTransition } from '@weir/protocols';
import type { Policy } from './policy.ts';
import type { Flaps } from './state.ts';

type Options = NonNullable<Policy['flapping']>;

/** Whose changes are counted together, whatever episodes they are of. */
export function subjectOf({ source, device, sensor = '', metric = '' }: AlertTransition): string {
  return [source.kind, source.name, device, sensor, metric].join('\n');
}

/** It began, or ended. */
export function changed(flaps: Flaps | undefined, { changes: max, within }: Options, now: number): Flaps {
  const changes = [...(flaps?.changes ?? []), now].filter((at) => at > now - within).slice(-(max + 1));
  const since = flaps?.since ?? (changes.length > max ? now : undefined);
  return { changes, told: flaps?.told ?? [], ...(since !== undefined && { since }) };
}

/** When it has calmed down, if nothing happens until then. */
export function calmAt({ changes }: Flaps, { calm }: Options): number {
  return (changes.at(-1) ?? 0) + calm;
}

export function isFlapping(flaps: Flaps | undefined, options: Options | undefined, now: number): boolean {
  return flaps?.since !== undefined && options !== undefined && now < calmAt(flaps, options);
}

/** When nothing of it matters any more. */
export function forgottenAt(flaps: Flaps, options: Options): number {
  return Math.max(calmAt(flaps, options), (flaps.changes.at(-1) ?? 0) + options.within);
}
