/**
 * A bundle is what is deployed: one JSON text, named by the SHA-256 of its bytes. A function's holds its manifest and
 * one self-contained script; a rule's holds the rule.
 */
import { createHash } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import {
  BUNDLE_BYTES_MAX,
  type Bundle,
  bundleSchema,
  FUNCTION_API,
  forwardingSchema,
  type Manifest,
  manifestSchema,
  ruleSchema,
  type Schedule,
} from '@weir/protocols';
import { UsageError } from '../errors.ts';
import { Beat } from '../fold/schedule.ts';
import { createSandbox } from '../sandbox/sandbox.ts';
import { bundleCode } from './code.ts';
import { firstIssue, readDocument } from './document.ts';
import { placesOf } from './places.ts';

export interface BuiltBundle<B extends Bundle = Bundle> {
  bundle: B;
  bytes: Uint8Array;
  /** SHA-256 of the bytes, hex. */
  hash: string;
  /** What its author should know, though nothing is wrong. */
  notes: string[];
}

/** A step covers up to some thousand readings. */
const TIMEOUT_MS_DEFAULT = 250;
const MEMORY_MB_DEFAULT = 64;
const LOAD_MEMORY_MB = 128;

/**
 * Bundles a module whose default export is made by `defineFunction`, and runs its top level in a sandbox to learn
 * its manifest.
 *
 * @throws {UsageError} `bundle-failed` with file, line and cause; `import-refused` with the chain of imports;
 *   `definition-invalid`; `bundle-too-large`
 */
export async function buildFunctionBundle(file: string): Promise<BuiltBundle> {
  const path = resolve(file);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new UsageError('bundle-failed', `there is no file ${file}`, 'Give a .ts or .js file.');
  if (!found.isFile()) throw new UsageError('bundle-failed', `${file} is no file`, 'Give a .ts or .js file.');
  const { code, sourceMap } = await bundleCode(path);
  const manifest = await readManifest(path, code, sourceMap);
  const whole = { weir: 1, kind: 'function', manifest, code } as const;
  const withMap = encode({ ...whole, sourceMap });
  if (withMap.length <= BUNDLE_BYTES_MAX) return seal({ ...whole, sourceMap });
  const note = `the source map is left out, for with it the bundle would have ${withMap.length} bytes, over ${BUNDLE_BYTES_MAX}: errors point into the bundled script`;
  return { ...seal(whole), notes: [note] };
}

/**
 * Reads a rule from YAML or JSON.
 *
 * @throws {UsageError} `rule-unreadable`, `rule-invalid` with the line
 */
export async function buildRuleBundle(file: string): Promise<BuiltBundle> {
  return seal({ weir: 1, kind: 'rule', rule: await readDocument('rule', ruleSchema, file) });
}

/**
 * Reads a forwarding policy from YAML or JSON.
 *
 * @throws {UsageError} `forwarding-unreadable`, `forwarding-invalid` with the line
 */
export async function buildForwardingBundle(
  file: string,
): Promise<BuiltBundle<Extract<Bundle, { kind: 'forwarding' }>>> {
  return seal({ weir: 1, kind: 'forwarding', forwarding: await readDocument('forwarding', forwardingSchema, file) });
}

/** @throws {UsageError} `bundle-invalid` @see {@link hashBundle} for its name */
export function parseBundle(bytes: Uint8Array): Bundle {
  if (bytes.length > BUNDLE_BYTES_MAX) {
    throw new UsageError('bundle-invalid', `the bundle has ${bytes.length} bytes, over ${BUNDLE_BYTES_MAX}`);
  }
  let body: unknown;
  try {
    body = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new UsageError('bundle-invalid', 'the bundle is not JSON', undefined, { cause });
  }
  const parsed = bundleSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new UsageError('bundle-invalid', `the bundle is not valid: ${firstIssue(parsed.error)}`);
}

export function hashBundle(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

async function readManifest(path: string, code: string, sourceMap: string): Promise<Manifest> {
  const sandbox = createSandbox();
  try {
    await sandbox.start();
    const unit = { key: 'manifest', code, config: '{}', timeoutMs: TIMEOUT_MS_DEFAULT, memoryMb: LOAD_MEMORY_MB };
    const outcome = await sandbox.load(unit);
    if (outcome.kind !== 'returned') {
      throw new UsageError(
        'definition-invalid',
        `${basename(path)} cannot be loaded: ${outcome.kind}: ${placesOf(sourceMap).name(outcome.message)}`,
      );
    }
    return checkManifest(path, JSON.parse(outcome.text));
  } finally {
    await sandbox.stop();
  }
}

function checkManifest(path: string, fields: Record<string, unknown>): Manifest {
  const handlers = (fields.handlers as string[] | undefined) ?? [];
  if (handlers.includes('reading') && handlers.includes('readings')) {
    throw new UsageError(
      'definition-invalid',
      `${basename(path)}: reading and readings exclude each other`,
      'Keep one of them.',
    );
  }
  if (handlers.length === 0) {
    throw new UsageError(
      'definition-invalid',
      `${basename(path)} handles nothing`,
      'Add reading, readings or schedule.',
    );
  }
  const parsed = manifestSchema.safeParse({
    ...fields,
    api: FUNCTION_API,
    inputs: fields.inputs ?? [],
    outputs: fields.outputs ?? [],
    schedules: fields.schedules ?? [],
    timeoutMs: fields.timeoutMs ?? TIMEOUT_MS_DEFAULT,
    memoryMb: fields.memoryMb ?? MEMORY_MB_DEFAULT,
  });
  if (!parsed.success) throw new UsageError('definition-invalid', `${basename(path)}: ${firstIssue(parsed.error)}`);
  for (const schedule of parsed.data.schedules) checkSchedule(path, schedule);
  return parsed.data;
}

function checkSchedule(path: string, schedule: Schedule): void {
  try {
    new Beat(schedule);
  } catch (cause) {
    const what = `${basename(path)}: schedule ${schedule.name}: ${(cause as Error).message}`;
    throw new UsageError('definition-invalid', what, 'e.g. { cron: "0 6 * * 1-5", timeZone: "Europe/Oslo" }', {
      cause,
    });
  }
}

function seal<B extends Bundle>(bundle: B): BuiltBundle<B> {
  const bytes = encode(bundle);
  if (bytes.length > BUNDLE_BYTES_MAX) {
    throw new UsageError(
      'bundle-too-large',
      `the bundle has ${bytes.length} bytes, over ${BUNDLE_BYTES_MAX}`,
      'Import less.',
    );
  }
  return { bundle, bytes, hash: hashBundle(bytes), notes: [] };
}

function encode(bundle: Bundle): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(bundle));
}
