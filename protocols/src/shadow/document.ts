/**
 * AWS IoT Device Shadow documents as pure functions.
 *
 * @see AWS IoT developer guide: device-shadow-document, device-shadow-data-flow, device-shadow-error-messages
 */
import { byteLength } from '../reading.ts';

export type Json = string | number | boolean | null | Json[] | JsonObject;
export interface JsonObject {
  [key: string]: Json;
}

/** The stored document. Metadata mirrors the state; each scalar has `{ timestamp }` in epoch seconds. */
export interface ShadowDocument {
  state: { desired?: JsonObject; reported?: JsonObject };
  metadata: { desired?: JsonObject; reported?: JsonObject };
  version: number;
  /** Epoch seconds of the last update. */
  timestamp: number;
}

export interface ShadowLimits {
  /** Bytes of JSON(desired) plus JSON(reported); metadata does not count. AWS: 8 KB. */
  bytesMax: number;
  depthMax: number;
}

export const SHADOW_LIMITS: ShadowLimits = { bytesMax: 8192, depthMax: 8 };

/** What is left of a shadow that was deleted: made again within {@link TOMBSTONE_S}, it goes on counting. */
export interface ShadowTombstone {
  /** Of the document that was deleted. */
  version: number;
  /** Epoch seconds. */
  deletedAt: number;
}

export type KeptShadow = ShadowDocument | ShadowTombstone;

/** @see AWS IoT developer guide, device-shadow-data-flow: "the version … does not reset for 48 hours" */
export const TOMBSTONE_S = 48 * 3600;

export function isTombstone(kept: KeptShadow): kept is ShadowTombstone {
  return 'deletedAt' in kept;
}

/** Of no use any more: a shadow that is made again begins with 1. */
export function isOutlived(tombstone: ShadowTombstone, nowSeconds: number): boolean {
  return nowSeconds - tombstone.deletedAt >= TOMBSTONE_S;
}

type ShadowErrorCode = 400 | 404 | 409 | 413 | 415;

export class ShadowError extends Error {
  readonly code: ShadowErrorCode;

  constructor(code: ShadowErrorCode, message: string) {
    super(message);
    this.name = 'ShadowError';
    this.code = code;
  }
}

export interface ShadowRequest {
  state: { desired?: JsonObject | null; reported?: JsonObject | null } | null;
  version?: number;
  clientToken?: string;
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** @throws {ShadowError} 415 */
export function decodeShadowPayload(payload: Uint8Array): string {
  try {
    return utf8.decode(payload);
  } catch {
    throw new ShadowError(415, 'Unsupported documented encoding; supported encoding is UTF-8');
  }
}

/** @throws {ShadowError} with AWS's own code and text. */
export function parseShadowRequest(payload: string, limits: ShadowLimits = SHADOW_LIMITS): ShadowRequest {
  const body = parseObject(payload);
  if (!('state' in body)) throw new ShadowError(400, 'Missing required node: state');
  const request: ShadowRequest = { state: parseState(body.state!, limits) };
  if (body.version !== undefined) {
    if (!Number.isSafeInteger(body.version) || (body.version as number) < 0)
      throw new ShadowError(400, 'Invalid version');
    request.version = body.version as number;
  }
  const token = parseClientToken(body);
  if (token !== undefined) request.clientToken = token;
  return request;
}

/** The optional `clientToken` of a get or delete request; its payload may be empty. */
export function parseTokenRequest(payload: string): { clientToken?: string } {
  if (payload.trim() === '') return {};
  const clientToken = parseClientToken(parseObject(payload));
  return clientToken === undefined ? {} : { clientToken };
}

/**
 * Merges a request into a document: only the fields given are touched, null deletes.
 *
 * @param kept the document, or what is left of it
 * @param nowSeconds epoch seconds
 * @throws {ShadowError} 409 on another version, 400 on a version of a shadow that is not there, 413 when the result is
 * too large
 */
export function updateShadow(
  kept: KeptShadow | undefined,
  request: ShadowRequest,
  nowSeconds: number,
  limits: ShadowLimits = SHADOW_LIMITS,
): ShadowDocument {
  const current = documentOf(kept);
  const counted = countedTo(kept, nowSeconds);
  verifyVersion(request.version, counted);
  const next: ShadowDocument = { state: {}, metadata: {}, version: counted + 1, timestamp: nowSeconds };
  for (const section of ['desired', 'reported'] as const) {
    const patch = request.state === null ? null : request.state[section];
    if (patch === null) continue;
    const merged = merge(current?.state[section] ?? {}, current?.metadata[section] ?? {}, patch ?? {}, nowSeconds);
    if (Object.keys(merged.state).length === 0) continue;
    next.state[section] = merged.state;
    next.metadata[section] = merged.metadata;
  }
  if (bytesOf(next.state.desired) + bytesOf(next.state.reported) > limits.bytesMax)
    throw new ShadowError(413, 'The payload exceeds the maximum size allowed');
  return next;
}

/** The document, if there is one. */
export function documentOf(kept: KeptShadow | undefined): ShadowDocument | undefined {
  return kept === undefined || isTombstone(kept) ? undefined : kept;
}

/**
 * What is left after a delete.
 *
 * @param title as refusals call it: the name of the shadow, of the thing for its classic one
 * @throws {ShadowError} 404
 */
export function deleteShadow(kept: KeptShadow | undefined, title: string, nowSeconds: number): ShadowTombstone {
  return { version: existing(kept, title).version, deletedAt: nowSeconds };
}

/** @throws {ShadowError} 404; `title` as with {@link deleteShadow} */
export function existing(kept: KeptShadow | undefined, title: string): ShadowDocument {
  const document = documentOf(kept);
  if (document !== undefined) return document;
  throw new ShadowError(404, `No shadow exists with name: '${title}'`);
}

/** The number of the last version, also across a delete. */
function countedTo(kept: KeptShadow | undefined, nowSeconds: number): number {
  if (kept === undefined || (isTombstone(kept) && isOutlived(kept, nowSeconds))) return 0;
  return kept.version;
}

/** @see AWS Greengrass ShadowManager: the first update may say 1, which it becomes; AWS itself does not tell */
function verifyVersion(wanted: number | undefined, counted: number): void {
  if (wanted === undefined) return;
  if (counted === 0 && wanted !== 1) throw new ShadowError(400, 'Invalid version');
  if (counted > 0 && wanted !== counted) throw new ShadowError(409, 'Version conflict');
}

function bytesOf(section: JsonObject | undefined): number {
  return section === undefined ? 0 : byteLength(JSON.stringify(section));
}

export interface ShadowDelta {
  state: JsonObject;
  metadata: JsonObject;
}

/** What is desired and not so reported: objects recurse, arrays are atomic. Undefined when nothing differs. */
export function shadowDelta(document: ShadowDocument): ShadowDelta | undefined {
  const { desired, reported } = document.state;
  if (desired === undefined) return undefined;
  const state = difference(desired, reported ?? {});
  if (state === undefined) return undefined;
  return { state, metadata: pick(document.metadata.desired ?? {}, state) };
}

/**
 * Body of `get/accepted`.
 * @param timestamp epoch seconds, of the answer: what a device without a clock goes by
 * @see AWS IoT developer guide: "the date and time the response was generated by AWS IoT"
 */
export function getAccepted(document: ShadowDocument, timestamp: number): JsonObject {
  const delta = shadowDelta(document);
  const { version } = document;
  if (delta === undefined)
    return { state: { ...document.state }, metadata: { ...document.metadata }, version, timestamp };
  return {
    state: { ...document.state, delta: delta.state },
    metadata: { ...document.metadata, delta: delta.metadata },
    version,
    timestamp,
  };
}

/** Body of `update/accepted`: an echo of the request, with metadata for its keys only. */
export function updateAccepted(document: ShadowDocument, request: ShadowRequest): JsonObject {
  const { version, timestamp } = document;
  const body: JsonObject = { state: null, metadata: { timestamp }, version, timestamp };
  if (request.state !== null) {
    const metadata: JsonObject = {};
    for (const section of ['desired', 'reported'] as const) {
      const patch = request.state[section];
      if (patch === undefined) continue;
      metadata[section] = patch === null ? { timestamp } : stamp(patch, timestamp);
    }
    body.state = request.state as JsonObject;
    body.metadata = metadata;
  }
  if (request.clientToken !== undefined) body.clientToken = request.clientToken;
  return body;
}

/** Body of `update/documents`. @param before undefined: there was none */
export function documentsTold(before: ShadowDocument | undefined, after: ShadowDocument): JsonObject {
  const previous = before === undefined ? null : snapshot(before);
  return { previous, current: snapshot(after), timestamp: after.timestamp };
}

/** Body of `update/delta`; undefined when there is no difference. */
export function deltaTold(document: ShadowDocument): JsonObject | undefined {
  const delta = shadowDelta(document);
  if (delta === undefined) return undefined;
  return { version: document.version, timestamp: document.timestamp, state: delta.state, metadata: delta.metadata };
}

/** Body of `delete/accepted`. */
export function deleteAccepted({ version, deletedAt }: ShadowTombstone): JsonObject {
  return { version, timestamp: deletedAt };
}

function snapshot({ state, metadata, version }: ShadowDocument): JsonObject {
  return { state: { ...state }, metadata: { ...metadata }, version };
}

function parseObject(payload: string): JsonObject {
  let body: unknown;
  try {
    body = JSON.parse(payload);
  } catch {
    throw new ShadowError(400, 'Invalid JSON');
  }
  if (!isObject(body)) throw new ShadowError(400, 'Invalid JSON');
  return body;
}

function parseState(state: Json, limits: ShadowLimits): ShadowRequest['state'] {
  if (state === null) return null;
  if (!isObject(state)) throw new ShadowError(400, 'State node must be an object');
  const parsed: { desired?: JsonObject | null; reported?: JsonObject | null } = {};
  for (const [key, section] of Object.entries(state)) {
    if (key !== 'desired' && key !== 'reported') throw new ShadowError(400, 'State contains an invalid node');
    if (section !== null && !isObject(section)) {
      throw new ShadowError(400, `${key === 'desired' ? 'Desired' : 'Reported'} node must be an object`);
    }
    if (section !== null) verifyNode(section, 1, limits);
    parsed[key] = section;
  }
  return parsed;
}

function verifyNode(node: Json, depth: number, limits: ShadowLimits): void {
  // 1e400, say: no JSON can give it back, and a null in its place would be a difference that no device can report away.
  if (typeof node === 'number' && !Number.isFinite(node)) throw new ShadowError(400, 'Invalid JSON');
  if (typeof node !== 'object' || node === null) return;
  if (depth > limits.depthMax) {
    // AWS kept the number 6 in this text when the limit became 8.
    throw new ShadowError(400, 'JSON contains too many levels of nesting; maximum is 6');
  }
  for (const child of Array.isArray(node) ? node : Object.values(node)) {
    if (Array.isArray(node) && child === null) throw new ShadowError(400, 'State contains an invalid node');
    verifyNode(child, depth + 1, limits);
  }
}

const CLIENT_TOKEN_BYTES_MAX = 64;

function parseClientToken(body: JsonObject): string | undefined {
  const token = body.clientToken;
  if (token === undefined) return undefined;
  if (typeof token === 'string' && byteLength(token) <= CLIENT_TOKEN_BYTES_MAX) return token;
  throw new ShadowError(400, 'Invalid clientToken');
}

function merge(state: JsonObject, metadata: JsonObject, patch: JsonObject, now: number): ShadowDelta {
  const merged: ShadowDelta = { state: { ...state }, metadata: { ...metadata } };
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) {
      delete merged.state[key];
      delete merged.metadata[key];
    } else if (isObject(value)) {
      const below = isObject(state[key]) ? state[key] : {};
      const belowMetadata = isObject(state[key]) && isObject(metadata[key]) ? metadata[key] : {};
      const child = merge(below, belowMetadata, value, now);
      set(merged.state, key, child.state);
      set(merged.metadata, key, child.metadata);
    } else {
      set(merged.state, key, value);
      set(merged.metadata, key, stamp(value, now));
    }
  }
  return merged;
}

/** A key such as `__proto__` becomes a key of its own. */
function set(object: JsonObject, key: string, value: Json): void {
  Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true });
}

function stamp<T extends Json>(value: T, timestamp: number): T extends JsonObject ? JsonObject : Json;
function stamp(value: Json, timestamp: number): Json {
  if (Array.isArray(value)) return value.map((item) => stamp(item, timestamp));
  if (!isObject(value)) return { timestamp };
  const stamped: JsonObject = {};
  for (const [key, child] of Object.entries(value)) set(stamped, key, stamp(child, timestamp));
  return stamped;
}

function difference(desired: JsonObject, reported: JsonObject): JsonObject | undefined {
  const delta: JsonObject = {};
  for (const [key, wanted] of Object.entries(desired)) {
    const actual = Object.hasOwn(reported, key) ? reported[key] : undefined;
    if (isObject(wanted) && isObject(actual)) {
      const below = difference(wanted, actual);
      if (below !== undefined) set(delta, key, below);
    } else if (!sameJson(wanted, actual)) set(delta, key, wanted);
  }
  return Object.keys(delta).length === 0 ? undefined : delta;
}

function pick(metadata: JsonObject, shape: JsonObject): JsonObject {
  const picked: JsonObject = {};
  for (const [key, child] of Object.entries(shape)) {
    const below = metadata[key];
    if (below === undefined) continue;
    set(picked, key, isObject(child) && isObject(below) ? pick(below, child) : below);
  }
  return picked;
}

/** Deep equality of JSON; the order of keys does not matter. */
export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, at) => sameJson(item, b[at]));
  }
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && sameJson(a[key], b[key]))
  );
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
