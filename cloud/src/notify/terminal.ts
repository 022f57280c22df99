import type { AlertTransition } from '@weir/protocols';

/** One calm line for people; without the time, which whoever prints it knows how to write. */
export function alertLine(transition: AlertTransition): string {
  const { state, severity, device, sensor, metric, summary } = transition;
  const series = [device, sensor, metric].filter((part) => part !== undefined).join('/');
  return `${state.padEnd(8)}  ${severity.padEnd(8)}  ${series}  ${summary}`;
}
