/**
 * A column of numbers in as few bytes as hold it exactly.
 *
 *     Float64Array, …        as it is; one element stands for all
 *     { k, b, v, … }         whole numbers on a decimal scale:   value = (b + v[i]) / 10^k
 *     { k, f, b, v, … }      their steps, f the first of them:   q = f, then q + b + v[i - 1];   value = q / 10^k
 *     { …, m, u }            but at the places m by u steps of the last bit beside that
 *     { …, p, y }            but at the places p the values are y, and q is as it was before
 *
 * Of `v` one element stands for all as well.
 *
 * What a sensor rounds to tenths is a tenth of a whole number, and most steps of it fit into a byte. Dividing by a power
 * of ten gives back the very number that was read from the text, so nothing is lost. A number that went through a
 * computation (`74.93588199999998`) often lies a few steps of the last bit beside such a one; any other is kept as it is.
 */
import { type CborValue, isCborMap, type TypedColumn } from './cbor.ts';

/** `10^15` is the last power with which 15 significant digits stay whole. */
const DECIMALS_MAX = 15;
/** `k`, `b`, `f` and their keys. */
const HEAD_BYTES = 24;
/** A place of 16 bits and a double. */
const EXCEPTION_BYTES = 10;
/** A place of 16 bits and a byte. */
const NUDGE_BYTES = 3;
const NUDGE_MAX = 127;
/** About as many steps of the last of 53 bits. */
const NEAR = 2 ** -46;
/** Of the values by which the scale is chosen. */
const SAMPLES = 32;
const WIDTHS = [
  { bytes: 1, Type: Int8Array, max: 0x7f },
  { bytes: 2, Type: Int16Array, max: 0x7fff },
  { bytes: 4, Type: Int32Array, max: 0x7fff_ffff },
] as const;

const POWERS = Array.from({ length: DECIMALS_MAX + 1 }, (_, k) => 10 ** k);

export type PackedColumn = TypedColumn | ({ [key: string]: CborValue } & { v: TypedColumn });

/** @param numbers at least one, at most 65,536 */
export function packColumn(numbers: Float64Array): PackedColumn {
  const first = numbers[0]!;
  if (numbers.every((number) => Object.is(number, first))) return narrow(numbers.subarray(0, 1));
  const plain = narrow(numbers);
  if (plain.byteLength <= HEAD_BYTES) return plain;
  const k = scaleOf(numbers);
  const scaled = k === undefined ? undefined : new Scaled(numbers, k);
  const packed = scaled?.best(plain.byteLength);
  return packed ?? plain;
}

/** The narrowest array type that holds every number exactly. */
export function narrow(numbers: Float64Array): TypedColumn {
  let integral = true;
  let single = true;
  let low = 0;
  let high = 0;
  for (const number of numbers) {
    if (!Number.isInteger(number) || Object.is(number, -0)) integral = false;
    if (Math.fround(number) !== number) single = false;
    if (number < low) low = number;
    if (number > high) high = number;
  }
  if (integral) for (const { Type, max } of WIDTHS) if (low >= -max - 1 && high <= max) return new Type(numbers);
  return single ? new Float32Array(numbers) : numbers;
}

/** By which power of ten nearly all of a sample become whole numbers; undefined: by none. */
function scaleOf(numbers: Float64Array): number | undefined {
  const counts = new Uint32Array(DECIMALS_MAX + 1);
  const step = Math.max(1, Math.floor(numbers.length / SAMPLES));
  let sampled = 0;
  for (let i = 0; i < numbers.length; i += step) {
    sampled++;
    for (let k = 0; k <= DECIMALS_MAX; k++) {
      if (!isNearWhole(numbers[i]!, k)) continue;
      counts[k]!++;
      break;
    }
  }
  let whole = 0;
  for (let k = 0; k <= DECIMALS_MAX; k++) {
    whole += counts[k]!;
    if (whole >= sampled * 0.8) return k;
  }
  return undefined;
}

/** Whether at most some steps of the last bit lie between; told quickly. */
function isNearWhole(number: number, k: number): boolean {
  const whole = Math.round(number * POWERS[k]!);
  return Number.isSafeInteger(whole) && Math.abs(whole / POWERS[k]! - number) <= Math.abs(number) * NEAR;
}

/** The whole number which, divided by that power of ten, is exactly this number. */
function wholeOf(number: number, k: number): number | undefined {
  const whole = Math.round(number * POWERS[k]!);
  const isExact = Number.isSafeInteger(whole) && !Object.is(whole, -0) && whole / POWERS[k]! === number;
  return isExact ? whole : undefined;
}

class Scaled {
  readonly #k: number;
  readonly #numbers: Float64Array;
  /** NaN where there is none. */
  readonly #wholes: Float64Array;
  readonly #nudges: [place: number, steps: number][] = [];

  constructor(numbers: Float64Array, k: number) {
    this.#k = k;
    this.#numbers = numbers;
    this.#wholes = numbers.map((number, at) => wholeOf(number, k) ?? this.#nearby(number, at));
  }

  #nearby(number: number, at: number): number {
    const whole = Math.round(number * POWERS[this.#k]!);
    if (!Number.isSafeInteger(whole) || number === 0) return Number.NaN;
    const steps = stepsBetween(whole / POWERS[this.#k]!, number);
    if (Math.abs(steps) > NUDGE_MAX) return Number.NaN;
    this.#nudges.push([at, steps]);
    return whole;
  }

  /** The smallest form; undefined when none has fewer bytes than `bytesMax`. */
  best(bytesMax: number): PackedColumn | undefined {
    let best: PackedColumn | undefined;
    let bytes = bytesMax;
    for (const asSteps of [false, true]) {
      const base = asSteps ? this.#usualStep() : this.#middle();
      for (const width of WIDTHS) {
        const cost = HEAD_BYTES + width.bytes * this.#wholes.length + NUDGE_BYTES * this.#nudges.length;
        if (cost >= bytes) break;
        const tried = this.#tryOut(asSteps, base, width, Math.floor((bytes - cost) / EXCEPTION_BYTES));
        if (tried === undefined) continue;
        best = tried.packed;
        bytes =
          cost - width.bytes * this.#wholes.length + tried.packed.v.byteLength + EXCEPTION_BYTES * tried.exceptions;
      }
    }
    return best;
  }

  /** Steps of a clock lie around one number, e.g. a second. */
  #usualStep(): number {
    const steps: number[] = [];
    const step = Math.max(1, Math.floor(this.#wholes.length / SAMPLES));
    for (let i = 1; i < this.#wholes.length; i += step) {
      const each = this.#wholes[i]! - this.#wholes[i - 1]!;
      if (!Number.isNaN(each)) steps.push(each);
    }
    return steps.sort((a, b) => a - b)[steps.length >> 1] ?? 0;
  }

  #middle(): number {
    let low = Number.POSITIVE_INFINITY;
    let high = Number.NEGATIVE_INFINITY;
    for (const whole of this.#wholes) {
      if (whole < low) low = whole;
      if (whole > high) high = whole;
    }
    return Number.isFinite(low) ? Math.floor((low + high) / 2) : 0;
  }

  /** Undefined when there would be more exceptions than that. */
  #tryOut(asSteps: boolean, base: number, { Type, max }: (typeof WIDTHS)[number], exceptionsMax: number) {
    const wholes = this.#wholes;
    const from = asSteps ? 1 : 0;
    if (asSteps && Number.isNaN(wholes[0])) return undefined;
    const values = new Type(wholes.length - from);
    const places: number[] = [];
    let before = asSteps ? wholes[0]! : 0;
    for (let i = from; i < wholes.length; i++) {
      const value = wholes[i]! - before - base;
      if (value >= -max && value <= max) {
        values[i - from] = value;
        if (asSteps) before = wholes[i]!;
      } else if (places.push(i) > exceptionsMax) return undefined;
    }
    const isConstant = places.length === 0 && values.every((value) => value === values[0]);
    const head = asSteps ? { k: this.#k, f: wholes[0]! } : { k: this.#k };
    const packed: { [key: string]: CborValue; v: TypedColumn } = {
      ...head,
      b: base,
      v: isConstant ? values.slice(0, 1) : values,
    };
    if (this.#nudges.length > 0) {
      packed.m = Uint16Array.from(this.#nudges, ([at]) => at);
      packed.u = Int8Array.from(this.#nudges, ([, steps]) => steps);
    }
    if (places.length > 0) {
      packed.p = Uint16Array.from(places);
      packed.y = Float64Array.from(places, (at) => this.#numbers[at]!);
    }
    return { packed, exceptions: places.length };
  }
}

/**
 * @param count how many numbers there are; known before, so that nothing is allocated for what is only claimed
 * @returns undefined for what is no column of so many
 */
export function unpackColumn(value: CborValue | undefined, count: number): Float64Array | undefined {
  if (ArrayBuffer.isView(value)) {
    if (value.length === count) return new Float64Array(value);
    return value.length === 1 ? new Float64Array(count).fill(value[0]!) : undefined;
  }
  if (value === undefined || !isCborMap(value)) return undefined;
  const { k, f, b, v, m, u, p, y } = value;
  if (!isWhole(k) || k < 0 || k > DECIMALS_MAX || !isWhole(b) || !(f === undefined || isWhole(f))) return undefined;
  const length = f === undefined ? count : count - 1;
  if (!ArrayBuffer.isView(v) || (v.length !== length && v.length !== 1)) return undefined;
  const all = v.length === length ? v : new Float64Array(length).fill(v[0]!);
  const numbers = f === undefined ? scaled(all, k, b) : stepped(all, k, b, f, placesOf(p));
  if ((m !== undefined || u !== undefined) && !nudge(numbers, m, u)) return undefined;
  if ((p !== undefined || y !== undefined) && !patch(numbers, p, y)) return undefined;
  return numbers;
}

function scaled(v: TypedColumn, k: number, b: number): Float64Array {
  const numbers = new Float64Array(v.length);
  for (let i = 0; i < v.length; i++) numbers[i] = (b + v[i]!) / POWERS[k]!;
  return numbers;
}

function stepped(v: TypedColumn, k: number, b: number, f: number, exceptions: ReadonlySet<number>): Float64Array {
  const numbers = new Float64Array(v.length + 1);
  numbers[0] = f / POWERS[k]!;
  for (let i = 1, q = f; i < numbers.length; i++) {
    if (!exceptions.has(i)) q += b + v[i - 1]!;
    numbers[i] = q / POWERS[k]!;
  }
  return numbers;
}

function placesOf(p: CborValue | undefined): ReadonlySet<number> {
  return new Set(ArrayBuffer.isView(p) ? p : []);
}

function nudge(numbers: Float64Array, m: CborValue | undefined, u: CborValue | undefined): boolean {
  if (!(m instanceof Uint16Array) || !(u instanceof Int8Array) || m.length !== u.length) return false;
  for (let i = 0; i < m.length; i++) {
    if (m[i]! >= numbers.length) return false;
    numbers[m[i]!] = besideBy(numbers[m[i]!]!, u[i]!);
  }
  return true;
}

function patch(numbers: Float64Array, p: CborValue | undefined, y: CborValue | undefined): boolean {
  if (!(p instanceof Uint16Array) || !(y instanceof Float64Array) || p.length !== y.length) return false;
  for (let i = 0; i < p.length; i++) {
    if (p[i]! >= numbers.length) return false;
    numbers[p[i]!] = y[i]!;
  }
  return true;
}

const FLOAT = new Float64Array(1);
const BITS = new BigInt64Array(FLOAT.buffer);

/** Bits of a double as a whole number: neighbours of one sign differ by one. */
function bitsOf(number: number): bigint {
  FLOAT[0] = number;
  return BITS[0]!;
}

function stepsBetween(from: number, to: number): number {
  return from < 0 === to < 0 ? Number(bitsOf(to) - bitsOf(from)) : Number.POSITIVE_INFINITY;
}

function besideBy(number: number, steps: number): number {
  BITS[0] = bitsOf(number) + BigInt(steps);
  return FLOAT[0]!;
}

function isWhole(value: CborValue | undefined): value is number {
  return Number.isSafeInteger(value);
}
