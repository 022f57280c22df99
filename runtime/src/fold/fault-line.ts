import type { Fault, LogLine } from './fold.ts';

/** A fault as it stands among the lines that the function has logged itself. */
export function faultLine({ fold, kind, message, place, reading }: Fault, now: number): LogLine {
  const what = kind === 'threw' ? message : `${kind}: ${message}`;
  const where = place === undefined ? '' : ` at ${place}`;
  const which = reading === undefined ? '' : ` (${reading.sensor}/${reading.metric} ${reading.value} was left out)`;
  return { fold, level: 'error', text: `${what}${where}${which}`, ts: reading?.ts ?? now };
}
