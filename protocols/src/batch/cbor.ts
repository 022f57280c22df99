/**
 * The strict subset of CBOR (RFC 8949) that Weir speaks, with RFC 8746 typed arrays.
 *
 *     written and read   unsigned and negative integers to 2^53-1, float64, text, definite arrays and maps with
 *                        text keys, false, true, null, typed arrays (tags below)
 *     refused            indefinite lengths, half and single floats, other tags, byte strings outside a typed array,
 *                        undefined and other simple values, duplicate or non-text keys, depth over the limit,
 *                        bytes after the end
 *
 * Nothing is allocated for a declared length before the bytes are seen to be there. No library does that: cbor-x
 * decodes a bignum in quadratic time and keeps its limits process-wide.
 */

export type CborValue = number | string | boolean | null | CborValue[] | { [key: string]: CborValue } | TypedColumn;

export type TypedColumn =
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | Int8Array
  | Int16Array
  | Int32Array
  | Float32Array
  | Float64Array;

export function isCborMap(value: CborValue): value is { [key: string]: CborValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !ArrayBuffer.isView(value);
}

/** Why bytes were refused. Also a metric label. */
export type CborFault = 'truncated' | 'malformed' | 'too-deep' | 'too-large';

export class CborError extends Error {
  readonly code: CborFault;
  /** Offset in bytes at which the fault was seen. */
  readonly offset: number;

  constructor(code: CborFault, offset: number, detail: string) {
    super(`${detail} at byte ${offset}`);
    this.name = 'CborError';
    this.code = code;
    this.offset = offset;
  }
}

const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, tag: 6, simple: 7 } as const;

/** Tag to array type, little-endian and byte-wide only. @see RFC 8746 section 2.1, table 1 */
const TYPED = {
  64: Uint8Array,
  69: Uint16Array,
  70: Uint32Array,
  72: Int8Array,
  77: Int16Array,
  78: Int32Array,
  85: Float32Array,
  86: Float64Array,
} as const;

/** One element of such an array. */
const ELEMENT: { readonly [tag in keyof typeof TYPED]: (view: DataView, at: number) => number } = {
  64: (view, at) => view.getUint8(at),
  69: (view, at) => view.getUint16(at, true),
  70: (view, at) => view.getUint32(at, true),
  72: (view, at) => view.getInt8(at),
  77: (view, at) => view.getInt16(at, true),
  78: (view, at) => view.getInt32(at, true),
  85: (view, at) => view.getFloat32(at, true),
  86: (view, at) => view.getFloat64(at, true),
};

/**
 * Up to here V8 keeps a typed array within its heap, unless somebody asks for its buffer. Rows of few readings are made of
 * such: with a buffer for each they take five times as long.
 */
const SMALL_ARRAY_BYTES = 64;
/** Keys and most names: put together they are there sooner than by a decoder, which must be called. */
const SHORT_TEXT_BYTES = 16;

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

const utf8Encoder = new TextEncoder();
const HEAD_BYTES_MAX = 9;
/** Of one UTF-16 code unit. */
const UTF8_BYTES_MAX = 3;
// A byte order mark is a character of the text; by default the decoder would swallow it.
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export function encodeCbor(value: CborValue): Uint8Array<ArrayBuffer> {
  const writer = new Writer();
  writer.value(value);
  return writer.take();
}

export interface CborLimits {
  /** Nesting of arrays and maps. */
  depthMax: number;
  /** Elements of one array or map. */
  itemsMax: number;
}

/** @throws {CborError} */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits): CborValue {
  const reader = new Reader(bytes, limits);
  const value = reader.value(0);
  reader.end();
  return value;
}

class Writer {
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #at = 0;

  take(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at);
  }

  value(value: CborValue): void {
    if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string') this.#text(value);
    else if (typeof value === 'boolean') this.#byte(value ? 0xf5 : 0xf4);
    else if (value === null) this.#byte(0xf6);
    else if (ArrayBuffer.isView(value)) this.#typed(value);
    else if (Array.isArray(value)) {
      this.#head(MAJOR.array, value.length);
      for (const item of value) this.value(item);
    } else {
      const entries = Object.entries(value).filter(([, item]) => item !== undefined);
      this.#head(MAJOR.map, entries.length);
      for (const [key, item] of entries) {
        this.#text(key);
        this.value(item);
      }
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(MAJOR.unsigned, value);
      else this.#head(MAJOR.negative, -1 - value);
      return;
    }
    this.#reserve(9);
    this.#bytes[this.#at] = 0xfb;
    this.#view.setFloat64(this.#at + 1, value);
    this.#at += 9;
  }

  #text(text: string): void {
    // Its length stands before it, and is known when it is written: it is moved to there.
    this.#reserve(HEAD_BYTES_MAX + UTF8_BYTES_MAX * text.length);
    const from = this.#at + HEAD_BYTES_MAX;
    const { written } = utf8Encoder.encodeInto(text, this.#bytes.subarray(from));
    this.#head(MAJOR.text, written);
    this.#bytes.copyWithin(this.#at, from, from + written);
    this.#at += written;
  }

  #typed(array: TypedColumn): void {
    this.#head(MAJOR.tag, tagOf(array));
    this.#head(MAJOR.bytes, array.byteLength);
    if (LITTLE_ENDIAN || array.BYTES_PER_ELEMENT === 1) {
      this.#raw(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    } else this.#raw(swapped(array));
  }

  #head(major: number, argument: number): void {
    this.#reserve(HEAD_BYTES_MAX);
    const top = major << 5;
    if (argument < 24) this.#bytes[this.#at++] = top | argument;
    else if (argument < 0x100) {
      this.#bytes[this.#at++] = top | 24;
      this.#bytes[this.#at++] = argument;
    } else if (argument < 0x1_0000) {
      this.#bytes[this.#at++] = top | 25;
      this.#view.setUint16(this.#at, argument);
      this.#at += 2;
    } else if (argument < 0x1_0000_0000) {
      this.#bytes[this.#at++] = top | 26;
      this.#view.setUint32(this.#at, argument);
      this.#at += 4;
    } else {
      this.#bytes[this.#at++] = top | 27;
      this.#view.setBigUint64(this.#at, BigInt(argument));
      this.#at += 8;
    }
  }

  #byte(byte: number): void {
    this.#reserve(1);
    this.#bytes[this.#at++] = byte;
  }

  #raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

class Reader {
  #bytes: Uint8Array;
  #view: DataView;
  #limits: CborLimits;
  #at = 0;

  constructor(bytes: Uint8Array, limits: CborLimits) {
    // A Buffer's `slice` shares memory; a typed array needs a copy that begins at its own offset 0.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#limits = limits;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) this.#fail('malformed', 'bytes after the end of the value');
  }

  value(depth: number): CborValue {
    const start = this.#at;
    const initial = this.#take(1);
    const major = initial >> 5;
    const info = initial & 31;
    if (major === MAJOR.simple) return this.#simple(info, start);
    const argument = this.#argument(info, start);
    switch (major) {
      case MAJOR.unsigned:
        return argument;
      case MAJOR.negative:
        return -1 - argument;
      case MAJOR.text:
        return this.#text(argument);
      case MAJOR.array:
        return this.#array(argument, depth);
      case MAJOR.map:
        return this.#map(argument, depth);
      case MAJOR.tag:
        return this.#typed(argument, start);
      default:
        return this.#fail('malformed', 'a byte string that is no typed array', start);
    }
  }

  #simple(info: number, start: number): CborValue {
    if (info === 20) return false;
    if (info === 21) return true;
    if (info === 22) return null;
    if (info !== 27) this.#fail('malformed', `unsupported simple value or float (${info})`, start);
    this.#need(8);
    const float = this.#view.getFloat64(this.#at);
    this.#at += 8;
    return float;
  }

  #argument(info: number, start: number): number {
    if (info < 24) return info;
    if (info === 24) return this.#take(1);
    if (info === 25) return this.#take(2);
    if (info === 26) return this.#take(4);
    if (info !== 27) this.#fail('malformed', 'indefinite or reserved length', start);
    this.#need(8);
    const wide = this.#view.getBigUint64(this.#at);
    this.#at += 8;
    if (wide > BigInt(Number.MAX_SAFE_INTEGER)) this.#fail('malformed', 'an integer over 2^53-1', start);
    return Number(wide);
  }

  #text(length: number): string {
    this.#need(length);
    const short = length <= SHORT_TEXT_BYTES ? this.#ascii(length) : undefined;
    if (short !== undefined) return short;
    const slice = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    try {
      return utf8Decoder.decode(slice);
    } catch {
      return this.#fail('malformed', 'text that is not UTF-8', this.#at - length);
    }
  }

  /** Undefined, and nothing is read, where there is anything else in it. */
  #ascii(length: number): string | undefined {
    let text = '';
    for (let at = this.#at; at < this.#at + length; at++) {
      const byte = this.#bytes[at]!;
      if (byte >= 0x80) return undefined;
      text += String.fromCharCode(byte);
    }
    this.#at += length;
    return text;
  }

  #array(length: number, depth: number): CborValue[] {
    this.#enter(length, depth, 1);
    const items: CborValue[] = [];
    for (let i = 0; i < length; i++) items.push(this.value(depth + 1));
    return items;
  }

  #map(length: number, depth: number): { [key: string]: CborValue } {
    this.#enter(length, depth, 2);
    // No prototype: a key such as `__proto__` is a key like any other.
    const map: { [key: string]: CborValue } = Object.create(null);
    for (let i = 0; i < length; i++) {
      const start = this.#at;
      const key = this.value(depth + 1);
      if (typeof key !== 'string') return this.#fail('malformed', 'a key that is not text', start);
      if (key in map) return this.#fail('malformed', `the key ${JSON.stringify(key.slice(0, 32))} twice`, start);
      map[key] = this.value(depth + 1);
    }
    return map;
  }

  #typed(tag: number, start: number): TypedColumn {
    const type = TYPED[tag as keyof typeof TYPED];
    if (type === undefined) return this.#fail('malformed', `unsupported tag ${tag}`, start);
    const head = this.#take(1);
    if (head >> 5 !== MAJOR.bytes) return this.#fail('malformed', 'a typed array without bytes', start);
    const length = this.#argument(head & 31, start);
    this.#need(length);
    if (length % type.BYTES_PER_ELEMENT !== 0) {
      return this.#fail('malformed', 'a typed array with half an element', start);
    }
    if (length <= SMALL_ARRAY_BYTES) {
      const element = ELEMENT[tag as keyof typeof TYPED];
      const small = new type(length / type.BYTES_PER_ELEMENT);
      for (let i = 0; i < small.length; i++, this.#at += type.BYTES_PER_ELEMENT)
        small[i] = element(this.#view, this.#at);
      return small;
    }
    const copy = this.#bytes.slice(this.#at, this.#at + length);
    this.#at += length;
    const array = new type(copy.buffer, copy.byteOffset, length / type.BYTES_PER_ELEMENT);
    if (!LITTLE_ENDIAN && array.BYTES_PER_ELEMENT > 1) return new type(swapped(array).buffer);
    return array;
  }

  #enter(length: number, depth: number, bytesPerItem: number): void {
    if (depth >= this.#limits.depthMax) this.#fail('too-deep', `nesting over ${this.#limits.depthMax}`);
    if (length > this.#limits.itemsMax) this.#fail('too-large', `${length} items, over ${this.#limits.itemsMax}`);
    this.#need(length * bytesPerItem);
  }

  #take(width: 1 | 2 | 4): number {
    this.#need(width);
    const at = this.#at;
    this.#at += width;
    if (width === 1) return this.#view.getUint8(at);
    return width === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #need(bytes: number): void {
    if (this.#at + bytes > this.#bytes.length) {
      this.#fail('truncated', `${bytes} bytes wanted, ${this.#bytes.length - this.#at} left`);
    }
  }

  #fail(code: CborFault, detail: string, offset = this.#at): never {
    throw new CborError(code, offset, detail);
  }
}

function tagOf(array: TypedColumn): number {
  for (const [tag, type] of Object.entries(TYPED)) if (array instanceof type) return Number(tag);
  throw new TypeError(`no RFC 8746 tag for ${(array as object).constructor.name}`);
}

function swapped(array: TypedColumn): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength).slice();
  const width = array.BYTES_PER_ELEMENT;
  for (let at = 0; at < bytes.length; at += width) bytes.subarray(at, at + width).reverse();
  return bytes;
}
