/** When devices may be let in, in their own time: one span of `WeekTimes` with times of the day. */
import { changesAt, inTimes, isZone, parseWeekSpan, type WeekTimes, WeekTimesError } from '@weir/protocols';
import { invalid } from './waves.ts';

/** Days alone are no window: nobody deploys from midnight to midnight on purpose. */
const EXAMPLE = "e.g. 'Mon-Fri 02:00-04:00', or '22:00-06:00'";

/** Its zone is that of the device that is asked about. @throws {FleetError} `rollout-invalid` */
export function parseWindow(text: string): WeekTimes {
  try {
    parseWeekSpan(text);
  } catch (error) {
    if (error instanceof WeekTimesError) throw invalid(`the window: ${error.message}`, EXAMPLE);
    throw error;
  }
  if (!text.includes(':')) throw invalid(`the window "${text}" has no time of day`, EXAMPLE);
  return { zone: 'device', times: [text], except: [] };
}

/** @throws {FleetError} `rollout-invalid` */
export function verifyZone(zone: string): void {
  if (isZone(zone)) return;
  throw invalid(`there is no time zone "${zone}"`, 'name one as in the IANA database, e.g. Europe/Oslo');
}

export function isWithin(window: WeekTimes, at: number, zone: string): boolean {
  return inTimes([window], at, zone);
}

/** The next time at which it is open; `at` itself when it is. */
export function opensAt(window: WeekTimes, at: number, zone: string): number {
  return isWithin(window, at, zone) ? at : changesAt([window], at, zone);
}
