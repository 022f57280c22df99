/** What a sensor measured, at one moment. */
export type Value = number | boolean | string;

export interface Reading {
  /** Source behind a device, e.g. `oven1`. Matches {@link NAME_PATTERN}. */
  sensor: string;
  /** What is measured, e.g. `temperature`. Matches {@link NAME_PATTERN}. */
  metric: string;
  /** Finite number, boolean, or a text of at most {@link TEXT_BYTES_MAX} bytes. */
  value: Value;
  /** Event time: whole milliseconds since 1970-01-01T00:00:00Z. */
  ts: number;
  /** Unit symbol as the sensor sends it, e.g. `Cel`. */
  unit?: string;
  /** Anything but good: `uncertain`, `bad`, or a word of the device. */
  quality?: string;
}

/** Letters, digits and `. _ : -`; 1 to 64 characters; so that a name is safe in a topic, a key and a file name. */
export const NAME_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

/** An AWS IoT thing name: 1 to 128 characters. @see AWS IoT API reference, CreateThing */
export const DEVICE_PATTERN = /^[a-zA-Z0-9:_-]{1,128}$/;

/** A text value is a state word ("open"), not a document. */
export const TEXT_BYTES_MAX = 256;

/** A unit or a quality is a word. Bytes, not characters, everywhere: what the edge takes, the hub must take too. */
export const LABEL_BYTES_MAX = 32;

/** 1 January 2200. A time past it is a wrong unit (microseconds), not a clock that runs ahead. */
export const TS_MAX = 7_258_118_400_000;

/**
 * Clocks of sensors may be a little ahead. What is further ahead of its arrival is taken, and counted, but for rules
 * and latest values it happened when it came: a clock that was wrong once must not rule until that time has come.
 */
export const AHEAD_MS_MAX = 10_000;

export function isName(text: string): boolean {
  return NAME_PATTERN.test(text);
}

export function isDeviceId(text: string): boolean {
  return DEVICE_PATTERN.test(text);
}

export function isTimestamp(ts: unknown): ts is number {
  return typeof ts === 'number' && Number.isSafeInteger(ts) && ts >= 0 && ts <= TS_MAX;
}

/** True for what may be stored as a value: never NaN, never an infinity, never a long text or half a surrogate pair. */
export function isValue(value: unknown): value is Value {
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value === 'string') return value.isWellFormed() && byteLength(value) <= TEXT_BYTES_MAX;
  return typeof value === 'boolean';
}

/** True for a unit or a quality: 1 to {@link LABEL_BYTES_MAX} bytes of well-formed text. */
export function isLabel(text: unknown): text is string {
  return typeof text === 'string' && text !== '' && text.isWellFormed() && byteLength(text) <= LABEL_BYTES_MAX;
}

const utf8 = new TextEncoder();

export function byteLength(text: string): number {
  return utf8.encode(text).length;
}
