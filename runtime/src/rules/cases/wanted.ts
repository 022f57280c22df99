/** What a table test expects, in one line each or field by field. */
import { ALERT_REASONS, ALERT_STATES, type AlertReason, SEVERITIES, type Severity } from '@weir/protocols';
import type { WantedEpisode, WantedTransition } from './case.ts';
import { readOffset } from './notation.ts';
import type { WrittenTransition, WrittenWantedEpisode } from './written-case.ts';

const isOneOf = <T extends string>(list: readonly T[], word: string): word is T => list.includes(word as T);

/** `firing critical held at 30s of oven1/temperature`: severity, reason and series may be left out. @throws {RangeError} */
export function readWantedTransition(written: string | WrittenTransition, line: number): WantedTransition {
  if (typeof written !== 'string') {
    const { at, since, ...rest } = written;
    const wanted = { line, ...rest, atMs: readOffset(at) } as WantedTransition;
    return since === undefined ? wanted : { ...wanted, sinceMs: readOffset(since) };
  }
  const words = new Words(written);
  const state = words.next('a state');
  if (!isOneOf(ALERT_STATES, state)) throw words.refuse(`"${state}" is no state: ${ALERT_STATES.join(', ')}`);
  const wanted: Partial<WantedTransition> & Pick<WantedTransition, 'line' | 'state'> = { line, state };
  while (!words.done) {
    const word = words.next('');
    if (word === 'at' || word === '@') wanted.atMs = readOffset(words.next('a time'));
    else if (word === 'since') wanted.sinceMs = readOffset(words.next('a time'));
    else if (word === 'of') Object.assign(wanted, words.series());
    else if (word === 'historical') wanted.historical = true;
    else if (isOneOf<Severity>(SEVERITIES, word)) wanted.severity = word;
    else if (isOneOf<AlertReason>(ALERT_REASONS, word)) wanted.reason = word;
    else throw words.refuse(`"${word}" is neither a severity nor a reason; of which series is said with "of"`);
  }
  const { atMs } = wanted;
  if (atMs === undefined) throw words.refuse('when? e.g. firing at 30s');
  return { ...wanted, atMs };
}

/** `10s to 90s critical of oven1/temperature`, or `10s on` of one that is still open. @throws {RangeError} */
export function readWantedEpisode(written: string | WrittenWantedEpisode, line: number): WantedEpisode {
  if (typeof written !== 'string') {
    const { from, to, ...rest } = written;
    const toMs = to === undefined ? undefined : readOffset(to);
    return { line, ...rest, fromMs: readOffset(from), toMs } as WantedEpisode;
  }
  const words = new Words(written);
  const wanted: WantedEpisode = { line, fromMs: readOffset(words.next('a time')), toMs: undefined };
  const to = words.next('"to" and a time, or "on"');
  if (to === 'to') wanted.toMs = readOffset(words.next('a time'));
  else if (to !== 'on') throw words.refuse(`"${to}": an episode goes from 10s to 90s, or from 10s on`);
  while (!words.done) {
    const word = words.next('');
    if (word === 'of') Object.assign(wanted, words.series());
    else if (word === 'historical') wanted.historical = true;
    else if (isOneOf<Severity>(SEVERITIES, word)) wanted.severity = [...(wanted.severity ?? []), word];
    else throw words.refuse(`"${word}" is no severity; of which series is said with "of"`);
  }
  return wanted;
}

class Words {
  readonly #text: string;
  readonly #words: string[];

  constructor(text: string) {
    this.#text = text;
    this.#words = text.trim().split(/\s+/);
  }

  get done(): boolean {
    return this.#words.length === 0;
  }

  next(what: string): string {
    const word = this.#words.shift();
    if (word === undefined || word === '') throw this.refuse(`${what} is missing`);
    return word;
  }

  series(): { device?: string; sensor?: string; metric?: string } {
    const parts = this.next('a series').split('/');
    if (parts.length > 3) throw this.refuse('a series is SENSOR/METRIC or DEVICE/SENSOR/METRIC');
    // One part: all that some rules have is a sensor, or a device.
    if (parts.length === 1) return { sensor: parts[0]! };
    const [metric, sensor, device] = parts.reverse();
    return { metric: metric!, sensor: sensor!, ...(device !== undefined && { device }) };
  }

  refuse(what: string): RangeError {
    return new RangeError(`"${this.#text}": ${what}`);
  }
}
