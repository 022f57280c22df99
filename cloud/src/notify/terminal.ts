import type { AlertTransition } from '@weir/protocols';

/** One calm line for people; without the time, which whoever prints it knows how to write. */
export function alertLine(transition: AlertTransition): string {
  const { state, severity, device, sensor, metric, summary } = transition;
  const series = [device, sensor, metric].filter((part) => part !== undefined).join('/');
  // A summary is written by user code: it must not move the cursor.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  const text = summary.replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
  return `${state.padEnd(8)}  ${severity.padEnd(8)}  ${series}  ${text}`;
}
