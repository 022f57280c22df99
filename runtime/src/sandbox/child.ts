/**
 * The sandbox process: one isolate for each unit. It holds no secret, no key and no database; whatever happens here,
 * the host kills it and starts another.
 */
import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import ivm from 'isolated-vm';
import type { FromChild, ToChild, Unit } from './protocol.ts';

interface Loaded {
  isolate: ivm.Isolate;
  step: ivm.Reference<(request: unknown) => string>;
  timeoutMs: number;
}

/** Answers longer than this are an error of the function, not data. */
const ANSWER_CHARS_MAX = 8 * 1024 * 1024;
/** Compiling and running the top level of a bundle. */
const LOAD_TIMEOUT_MS = 1_000;

const bootstrap = `'use strict';${stripTypeScriptTypes(
  readFileSync(new URL('../inside/bootstrap.ts', import.meta.url), 'utf8'),
)}`;

const units = new Map<string, Loaded>();
const send = (message: FromChild) => process.send!(message);

process.on('message', (message: ToChild) => void serve(message));
process.on('disconnect', () => process.exit(0));
// Ctrl-C reaches the whole process group; the host decides when the sandbox ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
send({ kind: 'ready' });

async function serve(message: ToChild): Promise<void> {
  const { id } = message;
  try {
    if (message.kind === 'drop') {
      dispose(message.key);
      send({ id, kind: 'done', text: '' });
    } else if (message.kind === 'load') {
      dispose(message.unit.key);
      send({ id, kind: 'done', text: await load(message.unit) });
    } else {
      const unit = units.get(message.key);
      if (unit === undefined) send({ id, kind: 'unknown-unit' });
      else send({ id, kind: 'done', text: await step(unit, message.request) });
    }
  } catch (error) {
    const outcome = outcomeOf(error);
    // After a time-out or a full heap an isolate may go on burning a core: never used again.
    if (message.kind === 'step' && outcome !== 'threw') dispose(message.key);
    send({ id, kind: 'failed', outcome, message: messageOf(error) });
  }
}

async function load(unit: Unit): Promise<string> {
  const isolate = new ivm.Isolate({ memoryLimit: unit.memoryMb, onCatastrophicError: () => process.abort() });
  try {
    const context = await isolate.createContext();
    const evaluate = (text: string, filename: string) =>
      context.eval(text, { timeout: LOAD_TIMEOUT_MS, filename }) as Promise<unknown>;
    await evaluate(bootstrap, 'weir:bootstrap');
    // Taken before user code runs, which could put something else in its place.
    const inside = (await context.global.get('__weir', { reference: true })) as ivm.Reference<Record<string, unknown>>;
    const adopt = (await inside.get('adopt', { reference: true })) as ivm.Reference<(config: string) => string>;
    const stepReference = (await inside.get('step', { reference: true })) as Loaded['step'];
    await evaluate('delete globalThis.__weir;', 'weir:bootstrap');
    await evaluate(unit.code, 'function.js');
    const text = await adopt.apply(undefined, [unit.config], { timeout: LOAD_TIMEOUT_MS });
    units.set(unit.key, { isolate, step: stepReference, timeoutMs: unit.timeoutMs });
    return text as string;
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose();
    throw error;
  }
}

async function step(unit: Loaded, request: unknown): Promise<string> {
  const text = (await unit.step.apply(undefined, [request], {
    timeout: unit.timeoutMs,
    arguments: { copy: true },
  })) as unknown;
  if (typeof text !== 'string') throw new TypeError('the isolate answered something that is no text');
  if (text.length > ANSWER_CHARS_MAX) throw new RangeError(`outputs over ${ANSWER_CHARS_MAX} characters in one step`);
  return text;
}

function dispose(key: string): void {
  const unit = units.get(key);
  units.delete(key);
  if (unit !== undefined && !unit.isolate.isDisposed) unit.isolate.dispose();
}

/** isolated-vm tells these apart by its messages alone. */
function outcomeOf(error: unknown): 'threw' | 'timed-out' | 'out-of-memory' {
  const message = messageOf(error);
  if (/script execution timed out/i.test(message)) return 'timed-out';
  if (/memory limit|out of memory|array buffer allocation failed|isolate (was|is) (already )?disposed/i.test(message)) {
    return 'out-of-memory';
  }
  return 'threw';
}

/** Only an own data property is read: a getter of user code could loop for ever. */
function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error).slice(0, 300);
  const own = Object.getOwnPropertyDescriptor(error, 'message');
  return typeof own?.value === 'string' ? own.value.slice(0, 300) : 'an error that cannot be shown';
}
