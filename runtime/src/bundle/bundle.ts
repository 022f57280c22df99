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
  inWords,
  type Manifest,
  manifestSchema,
  type Rule,
  ruleIn,
  ruleSchema,
  type Schedule,
  textDoubts,
  withUnitsInForwarding,
  withUnitsInRule,
} from '@weir/protocols';
import type { z } from 'zod';
import { UsageError } from '../errors.ts';
import { Beat } from '../fold/schedule.ts';
import { createSandbox } from '../sandbox/sandbox.ts';
import { bundleCode } from './code.ts';
import { definitionPlaces } from './definition.ts';
import { firstIssue, issuesAt, readDocument } from './document.ts';
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
  return functionOf(await readModule(file));
}

interface Module {
  path: string;
  code: string;
  sourceMap: string;
  /** What its default export says of itself. */
  fields: Record<string, unknown>;
}

async function readModule(file: string): Promise<Module> {
  const path = resolve(file);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new UsageError('bundle-failed', `there is no file ${file}`, 'Give a .ts or .js file.');
  if (!found.isFile()) throw new UsageError('bundle-failed', `${file} is no file`, 'Give a .ts or .js file.');
  const { code, sourceMap } = await bundleCode(path);
  return { path, code, sourceMap, fields: await readFields(path, code, sourceMap) };
}

async function functionOf(module: Module): Promise<BuiltBundle> {
  const { code, sourceMap } = module;
  const manifest = await checkManifest(module);
  const whole = { weir: 1, kind: 'function', manifest, code } as const;
  const withMap = encode({ ...whole, sourceMap });
  if (withMap.length <= BUNDLE_BYTES_MAX) return seal({ ...whole, sourceMap });
  const note = `the source map is left out, for with it the bundle would have ${withMap.length} bytes, over ${BUNDLE_BYTES_MAX}: errors point into the bundled script`;
  return { ...seal(whole), notes: [note] };
}

/**
 * Reads a rule from YAML or JSON, or from a module whose default export is made by `threshold`. One with a function as its
 * condition becomes a function, whose manifest has the rule that judges what it says.
 *
 * @throws {UsageError} `rule-unreadable`, `rule-invalid` with line and column; of a module as {@link buildFunctionBundle}
 */
export async function buildRuleBundle(file: string): Promise<BuiltBundle> {
  if (!MODULE.test(file)) return sealRule(await readDocument('rule', RULE_WRITTEN, file));
  const module = await readModule(file);
  const { code, fields } = module;
  if (fields.rule === undefined) {
    const remedy = 'export default threshold({ … }); a function that is no rule goes with: weir fn deploy';
    throw new UsageError('rule-invalid', `${basename(file)} exports no rule`, remedy);
  }
  const parsed = RULE_WRITTEN.safeParse(fields.rule, { error: inWords });
  if (!parsed.success) {
    throw new UsageError('rule-invalid', await issuesIn(module, parsed.error));
  }
  if ((fields.handlers as string[]).length === 0) return sealRule(parsed.data);
  const version = fields.version ?? hashBundle(new TextEncoder().encode(code)).slice(0, 12);
  const built = await functionOf({ ...module, fields: { ...fields, version, rule: parsed.data } });
  return { ...built, notes: [...built.notes, ...textDoubts(parsed.data)] };
}

function sealRule(rule: Rule): BuiltBundle {
  return { ...seal({ weir: 1, kind: 'rule', rule }), notes: textDoubts(rule) };
}
const RULE_WRITTEN = withUnitsInRule(ruleSchema);
const MODULE = /\.[cm]?[jt]s$/;

/** The same rule, evaluated and told to nobody. @throws {UsageError} `rule-wanted` */
export function dryRunOf({ bundle, notes }: BuiltBundle): BuiltBundle {
  const rule = ruleIn(bundle);
  if (rule === undefined) throw new UsageError('rule-wanted', `a ${bundle.kind} is no rule`);
  // In the order in which a file that says so itself is written.
  const silent = ruleSchema.parse({ ...rule, dryRun: true });
  const changed = bundle.kind === 'function' ? { manifest: { ...bundle.manifest, rule: silent } } : { rule: silent };
  return { ...seal({ ...bundle, ...changed } as Bundle), notes };
}

/**
 * Reads a forwarding policy from YAML or JSON.
 *
 * @throws {UsageError} `forwarding-unreadable`, `forwarding-invalid` with the line
 */
export async function buildForwardingBundle(
  file: string,
): Promise<BuiltBundle<Extract<Bundle, { kind: 'forwarding' }>>> {
  return seal({
    weir: 1,
    kind: 'forwarding',
    forwarding: await readDocument('forwarding', withUnitsInForwarding(forwardingSchema), file),
  });
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

async function readFields(path: string, code: string, sourceMap: string): Promise<Module['fields']> {
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
    return JSON.parse(outcome.text) as Module['fields'];
  } finally {
    await sandbox.stop();
  }
}

/** With places in what its author wrote. */
async function issuesIn({ path, code, sourceMap, fields }: Module, error: z.ZodError): Promise<string> {
  const places = await definitionPlaces(code, sourceMap);
  // Of a rule with a function the first of its inputs is what it watches.
  const written = ([first, at, ...rest]: readonly (string | number)[]) =>
    first === 'inputs' && fields.rule !== undefined ? (at === 0 ? rest : [first, Number(at) - 1, ...rest]) : undefined;
  const inWritten = {
    offsetOf: (path: readonly (string | number)[]) => places.offsetOf(written(path) ?? path),
    placeOf: (offset: number) => places.placeOf(offset),
  };
  return issuesAt(error, inWritten, basename(path));
}

async function checkManifest(module: Module): Promise<Manifest> {
  const { path, fields } = module;
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
      fields.rule === undefined ? 'Add reading, readings or schedule.' : 'It is a rule: weir rule apply.',
    );
  }
  const given = {
    ...fields,
    api: FUNCTION_API,
    inputs: fields.inputs ?? [],
    outputs: fields.outputs ?? [],
    schedules: fields.schedules ?? [],
    timeoutMs: fields.timeoutMs ?? TIMEOUT_MS_DEFAULT,
    memoryMb: fields.memoryMb ?? MEMORY_MB_DEFAULT,
  };
  const parsed = manifestSchema.safeParse(given, { error: inWords });
  if (!parsed.success) throw new UsageError('definition-invalid', await issuesIn(module, parsed.error));
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
