/**
 * A bundle is what is deployed: one JSON text, named by the SHA-256 of its bytes. A function's holds its manifest and
 * one self-contained script; a rule's holds the rule.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, dirname, extname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  BUNDLE_BYTES_MAX,
  type Bundle,
  bundleSchema,
  FUNCTION_API,
  type Manifest,
  manifestSchema,
  ruleSchema,
} from '@weir/protocols';
import type { BuildFailure, Message } from 'esbuild';
import type { z } from 'zod';
import { UsageError } from '../errors.ts';
import { createSandbox } from '../sandbox/sandbox.ts';

export interface BuiltBundle {
  bundle: Bundle;
  bytes: Uint8Array;
  /** SHA-256 of the bytes, hex. */
  hash: string;
}

/** A step covers up to some thousand readings. */
const TIMEOUT_MS_DEFAULT = 250;
const MEMORY_MB_DEFAULT = 64;
const LOAD_MEMORY_MB = 128;

/**
 * Bundles a module whose default export is made by `defineFunction`, and runs its top level in a sandbox to learn
 * its manifest.
 *
 * @throws {UsageError} `bundle-failed` with file, line and cause; `definition-invalid`
 */
export async function buildFunctionBundle(file: string): Promise<BuiltBundle> {
  const path = resolve(file);
  const code = await bundleCode(path);
  const manifest = await readManifest(path, code);
  return seal({ weir: 1, kind: 'function', manifest, code });
}

/**
 * Reads a rule from YAML or JSON.
 *
 * @throws {UsageError} `rule-unreadable`, `rule-invalid` with the line
 */
export async function buildRuleBundle(file: string): Promise<BuiltBundle> {
  const path = resolve(file);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new UsageError('rule-unreadable', `${file} cannot be read: ${(cause as Error).message}`, undefined, {
      cause,
    });
  }
  return seal({ weir: 1, kind: 'rule', rule: await parseRule(text, basename(path)) });
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

/** @param name how errors call the file @throws {UsageError} `rule-invalid` */
export async function parseRule(text: string, name: string): Promise<z.output<typeof ruleSchema>> {
  const { LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const flaw = document.errors[0];
  if (flaw !== undefined) {
    throw new UsageError('rule-invalid', `${name}:${lines.linePos(flaw.pos[0]).line}: ${flaw.message}`);
  }
  const parsed = ruleSchema.safeParse(document.toJS());
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const range = (
    document.getIn(issue.path as (string | number)[], true) as { range?: [number, number, number] } | undefined
  )?.range;
  const line = range ? lines.linePos(range[0]).line : 1;
  throw new UsageError('rule-invalid', `${name}:${line}: ${firstIssue(parsed.error)}`);
}

async function bundleCode(path: string): Promise<string> {
  const author = fileURLToPath(new URL('../author/author.ts', import.meta.url));
  // Loaded only here: a gateway that runs bundles has no use for a bundler's memory.
  const { build } = await import('esbuild');
  try {
    const result = await build({
      stdin: {
        contents: `import definition from ${JSON.stringify(`./${basename(path)}`)};\nglobalThis.__weirDefinition = definition;`,
        resolveDir: dirname(path),
        sourcefile: 'weir:entry',
      },
      alias: { '@weir/runtime/author': author },
      bundle: true,
      write: false,
      format: 'iife',
      platform: 'neutral',
      mainFields: ['module', 'main'],
      target: 'es2023',
      logLevel: 'silent',
      // So that the bytes, and with them the hash, do not depend on where the project lies.
      absWorkingDir: dirname(path),
    });
    return result.outputFiles[0]!.text;
  } catch (error) {
    const flaws = (error as BuildFailure).errors ?? [];
    const detail = flaws.length > 0 ? flaws.map(describeFlaw).join('\n') : (error as Error).message;
    throw new UsageError('bundle-failed', `${basename(path)} cannot be bundled:\n${detail}`, remedyFor(path, detail), {
      cause: error,
    });
  }
}

function describeFlaw({ location, text }: Message): string {
  return location ? `  ${location.file}:${location.line}:${location.column + 1}: ${text}` : `  ${text}`;
}

function remedyFor(path: string, detail: string): string | undefined {
  if (/Could not resolve "(node:|fs|net|http|https|crypto|path|os|child_process|stream|util)/.test(detail)) {
    return 'Functions run without Node: no files, network or clock. Compute on readings, and use ctx for effects.';
  }
  return ['.ts', '.js', '.mjs', '.mts'].includes(extname(path)) ? undefined : 'Give a .ts or .js file.';
}

async function readManifest(path: string, code: string): Promise<Manifest> {
  const sandbox = createSandbox();
  try {
    await sandbox.start();
    const unit = { key: 'manifest', code, config: '{}', timeoutMs: TIMEOUT_MS_DEFAULT, memoryMb: LOAD_MEMORY_MB };
    const outcome = await sandbox.load(unit);
    if (outcome.kind !== 'returned') {
      throw new UsageError(
        'definition-invalid',
        `${basename(path)} cannot be loaded: ${outcome.kind}: ${outcome.message}`,
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
    schedules: fields.schedules ?? [],
    timeoutMs: fields.timeoutMs ?? TIMEOUT_MS_DEFAULT,
    memoryMb: fields.memoryMb ?? MEMORY_MB_DEFAULT,
  });
  if (parsed.success) return parsed.data;
  throw new UsageError('definition-invalid', `${basename(path)}: ${firstIssue(parsed.error)}`);
}

function seal(bundle: Bundle): BuiltBundle {
  const bytes = new TextEncoder().encode(JSON.stringify(bundle));
  if (bytes.length > BUNDLE_BYTES_MAX) {
    throw new UsageError(
      'bundle-too-large',
      `the bundle has ${bytes.length} bytes, over ${BUNDLE_BYTES_MAX}`,
      'Import less.',
    );
  }
  return { bundle, bytes, hash: hashBundle(bytes) };
}

function firstIssue(error: z.ZodError): string {
  const { path, message } = error.issues[0]!;
  return path.length > 0 ? `${path.join('.')}: ${message}` : message;
}
