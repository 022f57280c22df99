/**
 * The sandbox process: one isolate for each unit. It holds no secret, no key and no database; whatever happens here,
 * the host kills it and starts another.
 *
 * The host strips the types and hands the text to a bare Node by standard input, with the bootstrap before it: Node's
 * own reading of TypeScript would cost each process 20 MiB and each start 90 ms. So only types are imported from
 * beside it, and the numbers of the frames are written out here; `sandbox.test.ts` holds both sides together.
 */
import { Socket } from 'node:net';
import ivm from 'isolated-vm';
import type { Unit } from './protocol.ts';

/** Put before this text by the host. */
declare const BOOTSTRAP: string;

interface Loaded {
  isolate: ivm.Isolate;
  step: ivm.Reference<(head: string, arrays: ArrayBuffer | undefined, count: number) => string>;
  timeoutMs: number;
  /** Steps that run in a thread; one isolate does one thing at a time. */
  running: number;
  /** Processor time of the isolate of which the host has been told. */
  toldCpuNs: bigint;
  heapBytes: number;
  /** Until the heap is looked at again. */
  unseenSteps: number;
  unseenCpuUs: number;
}
/** What a step has cost, as the answer tells it. */
interface Cost {
  wallUs: number;
  cpuUs: number;
  heapBytes: number;
}
interface Frame {
  id: number;
  kind: number;
  inline: boolean;
  head: string;
  count: number;
  arrays: ArrayBuffer | undefined;
}

const [LOAD, STEP] = [1, 2];
const [READY, DONE, UNKNOWN_UNIT, FAILED] = [0, 1, 2, 3];
const [THREW, TIMED_OUT, OUT_OF_MEMORY] = [0, 1, 2];
const FRAME_HEAD_BYTES = 24;
const ANSWER_HEAD_BYTES = 24;
const U32_MAX = 0xffff_ffff;
const ANSWER_BYTES_MAX = 2 * 1024 * 1024;
const HOST_FD = 3;
const READ_BYTES = 256 * 1024;
/** Compiling and running the top level of a bundle. */
const LOAD_TIMEOUT_MS = 1_000;

/** A look at the heap costs about 2 us, as much as the call of a small step: it is taken after so many steps … */
const HEAP_LOOK_STEPS = 64;
/** … or after so much work, in which a heap can grow by some megabytes. */
const HEAP_LOOK_CPU_US = 5_000;
const NO_COST: Cost = { wallUs: 0, cpuUs: 0, heapBytes: 0 };

/** How the bootstrap begins an answer that says why a unit cannot be loaded. */
const REFUSED = '{"refused":';

const units = new Map<string, Loaded>();
let bootstrapCache: ivm.ExternalCopy<ArrayBuffer> | undefined;

/** One buffer for all that comes: a new one for each read costs more than the step of a small batch. */
const arrived = Buffer.allocUnsafeSlow(READ_BYTES);
const host = new Socket({
  fd: HOST_FD,
  readable: true,
  writable: true,
  onread: { buffer: arrived, callback: (length) => receive(arrived.subarray(0, length)) },
});
host.on('error', () => process.exit(0));
host.on('close', () => process.exit(0));
// Ctrl-C reaches the whole process group; the host decides when the sandbox ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
answer(0, READY, 0, NO_COST, '');

/** Frames come in pieces; what is left of one waits here for the rest. */
let rest: Buffer[] = [];
let restBytes = 0;
let wanted = FRAME_HEAD_BYTES;

/** @param chunk is overwritten by what comes next */
function receive(chunk: Buffer): boolean {
  restBytes += chunk.length;
  if (restBytes < wanted) {
    rest.push(Buffer.from(chunk));
    return true;
  }
  const bytes = rest.length === 0 ? chunk : Buffer.concat([...rest, chunk], restBytes);
  let at = 0;
  for (;;) {
    const left = bytes.length - at;
    wanted = left < FRAME_HEAD_BYTES ? FRAME_HEAD_BYTES : bytes.readUInt32LE(at);
    if (left < wanted) break;
    serve(frameOf(bytes, at));
    at += wanted;
  }
  rest = at === bytes.length ? [] : [Buffer.from(bytes.subarray(at))];
  restBytes = bytes.length - at;
  return true;
}

function frameOf(bytes: Buffer, at: number): Frame {
  const headBytes = bytes.readUInt32LE(at + 12);
  const count = bytes.readUInt32LE(at + 16);
  const head = bytes.toString('utf8', at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + headBytes);
  let arrays: ArrayBuffer | undefined;
  if (count > 0) {
    const from = at + Math.ceil((FRAME_HEAD_BYTES + headBytes) / 8) * 8;
    arrays = new ArrayBuffer(count * 18);
    new Uint8Array(arrays).set(bytes.subarray(from, from + count * 18));
  }
  return { id: bytes.readUInt32LE(at + 4), kind: bytes[at + 8]!, inline: bytes[at + 9] === 1, head, count, arrays };
}

function serve(frame: Frame): void {
  if (frame.kind === STEP) serveStep(frame);
  else if (frame.kind === LOAD) void serveLoad(frame);
  else {
    dispose((JSON.parse(frame.head) as { key: string }).key);
    answer(frame.id, DONE, 0, NO_COST, '');
  }
}

async function serveLoad({ id, head }: Frame): Promise<void> {
  const unit = JSON.parse(head) as Unit;
  const began = performance.now();
  dispose(unit.key);
  try {
    const text = await load(unit);
    answerDone(id, { ...NO_COST, wallUs: microsSince(began) }, text);
  } catch (error) {
    answerFailed(id, { ...NO_COST, wallUs: microsSince(began) }, error);
  }
}

/** The key stands first in the head, so that the rest need not be understood here. */
const KEY = /^\{"key":("(?:[^"\\]|\\.)*")/;

function serveStep(frame: Frame): void {
  const key = JSON.parse(KEY.exec(frame.head)![1]!) as string;
  const unit = units.get(key);
  if (unit === undefined) {
    answer(frame.id, UNKNOWN_UNIT, 0, NO_COST, '');
    return;
  }
  const began = performance.now();
  const done = (text: unknown) => {
    const cost = costOf(unit, began);
    if (isLookDue(unit)) lookAtHeap(unit);
    answerDone(frame.id, { ...cost, heapBytes: unit.heapBytes }, text);
  };
  const failed = (error: unknown) => {
    // After a time-out or a full heap an isolate may go on burning a core: never used again.
    if (answerFailed(frame.id, costOf(unit, began), error) !== THREW && units.get(key) === unit) dispose(key);
  };
  const { head, arrays, count } = frame;
  const columns = arrays && new ivm.ExternalCopy(arrays, { transferList: [arrays] });
  const parameters: Parameters<typeof unit.step.applySync>[1] = [
    head,
    columns?.copyInto({ release: true, transferIn: true }),
    count,
  ];
  const options = { timeout: unit.timeoutMs };
  if (frame.inline && unit.running === 0) {
    try {
      done(unit.step.applySync(undefined, parameters, options));
    } catch (error) {
      failed(error);
    }
    return;
  }
  unit.running++;
  unit.step
    .apply(undefined, parameters, options)
    .finally(() => unit.running--)
    .then(done)
    .catch(failed);
}

/** Of the isolate since the answer before: what a step causes after its end is not lost, the sum is exact. */
function costOf(unit: Loaded, began: number): Cost {
  const wallUs = microsSince(began);
  // An isolate that filled its heap is gone, and with it what it knew.
  if (unit.isolate.isDisposed) return { wallUs, cpuUs: wallUs, heapBytes: unit.heapBytes };
  const cpuNs = unit.isolate.cpuTime;
  const cpuUs = Math.round(Number(cpuNs - unit.toldCpuNs) / 1_000);
  unit.toldCpuNs = cpuNs;
  unit.unseenSteps++;
  unit.unseenCpuUs += cpuUs;
  return { wallUs, cpuUs, heapBytes: unit.heapBytes };
}

function isLookDue({ unseenSteps, unseenCpuUs, running }: Loaded): boolean {
  // A look waits for the isolate, and all others would wait with it.
  return (unseenSteps >= HEAP_LOOK_STEPS || unseenCpuUs >= HEAP_LOOK_CPU_US) && running === 0;
}

function lookAtHeap(unit: Loaded): void {
  const heap = unit.isolate.getHeapStatisticsSync();
  unit.heapBytes = heap.used_heap_size + heap.externally_allocated_size;
  unit.unseenSteps = 0;
  unit.unseenCpuUs = 0;
}

function microsSince(began: number): number {
  return Math.round((performance.now() - began) * 1_000);
}

async function load(unit: Unit): Promise<unknown> {
  const isolate = new ivm.Isolate({ memoryLimit: unit.memoryMb, onCatastrophicError: () => process.abort() });
  try {
    const context = await isolate.createContext();
    const script = await isolate.compileScript(BOOTSTRAP, {
      filename: 'weir:bootstrap',
      ...(bootstrapCache ? { cachedData: bootstrapCache } : { produceCachedData: true }),
    });
    // Of our own text only: a compile cache holds machine code.
    bootstrapCache ??= (script as ivm.CachedDataResult).cachedData;
    // Taken before user code runs, which could put something else in its place.
    const inside = (await script.run(context, {
      timeout: LOAD_TIMEOUT_MS,
      reference: true,
    })) as unknown as ivm.Reference<Record<string, unknown>>;
    const adopt = (await inside.get('adopt', { reference: true })) as ivm.Reference<
      (code: string, config: string) => string
    >;
    const step = (await inside.get('step', { reference: true })) as Loaded['step'];
    const text = await adopt.apply(undefined, [unit.code, unit.config], { timeout: LOAD_TIMEOUT_MS });
    if (typeof text === 'string' && text.startsWith(REFUSED)) {
      throw new TypeError((JSON.parse(text) as { refused: string }).refused);
    }
    units.set(unit.key, {
      isolate,
      step,
      timeoutMs: unit.timeoutMs,
      running: 0,
      toldCpuNs: isolate.cpuTime,
      heapBytes: 0,
      // The first step is looked at.
      unseenSteps: HEAP_LOOK_STEPS,
      unseenCpuUs: 0,
    });
    return text;
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose();
    throw error;
  }
}

function dispose(key: string): void {
  const unit = units.get(key);
  units.delete(key);
  if (unit !== undefined && !unit.isolate.isDisposed) unit.isolate.dispose();
}

/** What the isolate said is a text of bounded length, or an error of the function. */
function answerDone(id: number, cost: Cost, text: unknown): void {
  if (typeof text !== 'string') throw new TypeError('the isolate answered something that is no text');
  if (text.length > ANSWER_BYTES_MAX || Buffer.byteLength(text) > ANSWER_BYTES_MAX) {
    throw new RangeError(`outputs over ${ANSWER_BYTES_MAX} bytes in one step`);
  }
  answer(id, DONE, 0, cost, text);
}

function answerFailed(id: number, cost: Cost, error: unknown): number {
  const failure = failureOf(error);
  answer(id, FAILED, failure, cost, messageOf(error));
  return failure;
}

function answer(id: number, kind: number, failure: number, cost: Cost, text: string): void {
  const textBytes = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(ANSWER_HEAD_BYTES + textBytes);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(id, 4);
  bytes[8] = kind;
  bytes[9] = failure;
  bytes.writeUInt32LE(Math.min(U32_MAX, cost.wallUs), 12);
  bytes.writeUInt32LE(Math.min(U32_MAX, cost.cpuUs), 16);
  bytes.writeUInt32LE(Math.min(U32_MAX, cost.heapBytes), 20);
  bytes.write(text, ANSWER_HEAD_BYTES);
  host.write(bytes);
}

/** isolated-vm tells these apart by its messages alone. */
function failureOf(error: unknown): number {
  const message = messageOf(error);
  if (/script execution timed out/i.test(message)) return TIMED_OUT!;
  if (/memory limit|out of memory|array buffer allocation failed|isolate (was|is) (already )?disposed/i.test(message)) {
    return OUT_OF_MEMORY!;
  }
  return THREW!;
}

/** Only an own data property is read: a getter of user code could loop for ever. */
function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error).slice(0, 300);
  const own = Object.getOwnPropertyDescriptor(error, 'message');
  return typeof own?.value === 'string' ? own.value.slice(0, 300) : 'an error that cannot be shown';
}
