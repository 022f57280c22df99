/** What became of an alert on its way to each channel: for whoever asks why he was not told. */
import type { LogEntry, PlannedAlert } from './state.ts';

/** Of one alert: the first and the latest are kept. */
const ENTRIES_MAX = 60;
const FIRST_KEPT = 20;

/** What is so already is not said again. @returns whether it is new */
export function note(alert: PlannedAlert, entry: LogEntry): boolean {
  const last = alert.log.findLast(({ channel }) => channel === entry.channel);
  const isSame = last?.what === entry.what && last.why === entry.why && last.detail === entry.detail;
  if (isSame && entry.what !== 'told') return false;
  alert.log.push(entry);
  if (alert.log.length > ENTRIES_MAX) alert.log.splice(FIRST_KEPT, 1);
  return true;
}
