/**
 * How readings are written in a table test: one word for each interval.
 *
 *     70            a value                          true  open  "two words"     values that are no numbers
 *     70x3          70 70 70                         _  _x3    no reading; three of them
 *     70+5x3        70 75 80 85: 5 more, three times             70-5x3    downwards
 *     85@20s        comes now, and is of 20 s after the start    85!bad    with a quality
 *
 * That is how Prometheus has it, but for `70x3`, which is four values there.
 */
import { isLabel, isValue, parseDuration, type Value } from '@weir/protocols';

export interface WrittenValue {
  /** In which interval it comes, from 0 on. */
  slot: number;
  value: Value;
  /** Of when it is, ms after the start, where that is not when it comes. */
  ofMs?: number;
  quality?: string;
}

export interface WrittenSeries {
  values: WrittenValue[];
  /** Intervals, with those at the end in which nothing comes. */
  slots: number;
}

/** Words in a series at most, once all that is repeated is written out: a slip of the pen must not fill the memory. */
const SLOTS_MAX = 100_000;
const NUMBER = String.raw`[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?`;
const EXPANDED = new RegExp(String.raw`^(${NUMBER})(?:([+-](?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))?x(\d+)$`);
const PLAIN = new RegExp(`^${NUMBER}$`);
const MISSING = /^_(?:x(\d+))?$/;
const WORD = /"[^"]*"[^\s]*|\S+/g;

/** @throws {RangeError} what is wrong, with the word */
export function readSeries(text: string): WrittenSeries {
  const values: WrittenValue[] = [];
  let slots = 0;
  for (const [word] of text.matchAll(WORD)) {
    const missing = MISSING.exec(word);
    if (missing !== null) slots += Number(missing[1] ?? 1);
    else {
      const { quality, ofMs, core } = withoutMarks(word);
      for (const value of valuesOf(core, word)) {
        if (slots >= SLOTS_MAX) break;
        const written: WrittenValue = { slot: slots++, value };
        if (ofMs !== undefined) written.ofMs = ofMs;
        if (quality !== undefined) written.quality = quality;
        values.push(written);
      }
    }
    if (slots >= SLOTS_MAX) throw new RangeError(`"${word}": over ${SLOTS_MAX} intervals`);
  }
  return { values, slots };
}

/** One value as it stands in YAML, or in a word of {@link readSeries}. */
export function readValue(value: unknown): Value {
  if (typeof value === 'number' && !Number.isFinite(value)) throw noNumber(String(value));
  if (isValue(value)) return value;
  throw new RangeError(`a number, true, false or a short text is wanted, found ${JSON.stringify(value)}`);
}

/** `30s`, `1h30m`, `-5s`, `0`; ms. @throws {RangeError} */
export function readOffset(text: string | number): number {
  if (text === 0 || text === '0') return 0;
  const whole = String(text);
  const parts = whole.replace(/^-/, '').match(/\d+(?:\.\d+)?\s*(?:ms|s|m|h|d)/g) ?? [];
  const ms = parts.map((part) => parseDuration(part) ?? Number.NaN).reduce((sum, part) => sum + part, 0);
  const isWhole = parts.length > 0 && parts.join('') === whole.replace(/^-/, '');
  if (!isWhole || Number.isNaN(ms)) throw new RangeError(`"${whole}" is no time such as 30s, 5m or 1h30m`);
  return whole.startsWith('-') ? -ms : ms;
}

function withoutMarks(word: string): { core: string; ofMs?: number; quality?: string } {
  const marked = /^("[^"]*"(?:x\d+)?|[^@!]+)(?:!([^@!]+))?(?:@([^@!]+))?$/.exec(word);
  if (marked === null) {
    throw new RangeError(`"${word}" is no value: 85 with its marks is 85!bad, 85@20s, or 85!bad@20s`);
  }
  const [, core, quality, of] = marked;
  if (quality !== undefined && !isLabel(quality)) throw new RangeError(`"${word}": ${quality} is no quality`);
  return {
    core: core!,
    ...(quality !== undefined && { quality }),
    ...(of !== undefined && { ofMs: readOffset(of) }),
  };
}

function* valuesOf(core: string, word: string): Generator<Value> {
  const repeated = /^(true|false|"[^"]*")x(\d+)$/.exec(core);
  if (repeated !== null) {
    for (let i = 0; i < Number(repeated[2]); i++) yield plainValue(repeated[1]!);
    return;
  }
  const expanded = EXPANDED.exec(core);
  if (expanded === null) {
    // `x5` at the end of what is no number is a slip, not a text.
    if (/^[+-]?\d.*x/.test(core)) throw new RangeError(`"${word}" is no run of values: write 70+5x3, 70-5x3 or 70x3`);
    yield plainValue(core);
    return;
  }
  const [, first, by, times] = expanded;
  const last = by === undefined ? Number(times) - 1 : Number(times);
  // 0.1 + 0.2 is to be what people expect of it.
  for (let i = 0; i <= last; i++) yield Number((Number(first) + i * Number(by ?? 0)).toPrecision(12));
}

function plainValue(text: string): Value {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text.startsWith('"')) return readValue(text.slice(1, -1));
  if (PLAIN.test(text)) return readValue(Number(text));
  if (/^[+-]?(?:nan|inf|infinity)$/i.test(text)) throw noNumber(text);
  if (!/^[\p{L}_]/u.test(text)) throw new RangeError(`"${text}" is no value`);
  return readValue(text);
}

function noNumber(text: string): RangeError {
  return new RangeError(`${text} is refused before it comes to any rule: write _ for a reading that is not there`);
}
