/**
 * The sandbox process: one isolate for each unit. It holds no secret, no key and no database; whatever happens here,
 * the host kills it and starts another.
 *
 * The host strips the types and hands the text to a bare Node by standard input, with `channel.ts` and the bootstrap
 * before it: Node's own reading of TypeScript would cost each process 20 MiB and each start 90 ms. So nothing else is
 * imported from beside it but types, and the numbers of the frames are written out; `sandbox.test.ts` holds both
 * sides together.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import ivm from 'isolated-vm';
import { Channel, FRAME_HEAD_BYTES } from './channel.ts';
import type { StepCost, Unit } from './protocol.ts';

/** Put before this text by the host. */
declare const BOOTSTRAP: string;

interface Loaded {
  isolate: ivm.Isolate;
  step: ivm.Reference<(head: string, arrays: ArrayBuffer | undefined, count: number) => string>;
  timeoutMs: number;
  /** Steps that run in a thread; one isolate does one thing at a time. */
  running: number;
  /** No longer wanted, once those have ended. */
  dropped: boolean;
  /** Of the time that the isolate was at work, what the host has been told. */
  toldNs: bigint;
  heapBytes: number;
  /** Until the heap is looked at again. */
  unseenSteps: number;
  unseenCpuUs: number;
}

interface Began {
  at: number;
  used: NodeJS.CpuUsage;
  /** Of the thread, or of all threads where it is not known which one it will be. */
  core: (before?: NodeJS.CpuUsage) => NodeJS.CpuUsage;
}

const [LOAD, STEP] = [1, 2];
const [READY, DONE, UNKNOWN_UNIT, FAILED] = [0, 1, 2, 3];
const [THREW, TIMED_OUT, OUT_OF_MEMORY] = [0, 1, 2];
const READING_BYTES = 18;
const ANSWER_BYTES_MAX = 2 * 1024 * 1024;
/** Compiling and running the top level of a bundle. */
const LOAD_TIMEOUT_MS = 1_000;
/** A look at the heap costs about 2 us, as much as the call of a small step: it is taken after so many steps … */
const HEAP_LOOK_STEPS = 64;
/** … or after so much work, in which a heap can grow by some megabytes. */
const HEAP_LOOK_CPU_US = 5_000;
/** The clock of an isolate goes on while its thread is kept off its core, which a shorter step is not. */
const BRIEF_US = 1_000;
/** So much the system's own account may be behind. */
const TICK_US = 4_000;
/** Of answers. A collection takes some milliseconds; the process is killed over 128 MiB at the least. */
const UNCOLLECTED_BYTES_MAX = 32 * 1024 * 1024;
const NO_COST: StepCost = { wallUs: 0, cpuUs: 0, heapBytes: 0 };

/** How the bootstrap begins an answer that says why a unit cannot be loaded. */
const REFUSED = '{"refused":';

/** By the number that the host gave them. */
const units = new Map<number, Loaded>();
let bootstrapCache: ivm.ExternalCopy<ArrayBuffer> | undefined;
const collect = collector();
let uncollectedBytes = 0;
const channel = new Channel(serve);
// Ctrl-C reaches the whole process group; the host decides when the sandbox ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {});
channel.answer(0, READY, 0, NO_COST, '');

function serve(bytes: Buffer, at: number): boolean {
  const id = bytes.readUInt32LE(at + 4);
  const kind = bytes[at + 8]!;
  const number = bytes.readUInt32LE(at + 20);
  if (kind === STEP) return serveStep(bytes, at, id, number);
  if (kind === LOAD) void serveLoad(id, number, JSON.parse(headOf(bytes, at)) as Unit);
  else drop(number);
  return false;
}

function headOf(bytes: Buffer, at: number): string {
  return bytes.toString('utf8', at + FRAME_HEAD_BYTES, at + FRAME_HEAD_BYTES + bytes.readUInt32LE(at + 12));
}

/** Copied once, straight into the memory that is then moved into the isolate. */
function arraysOf(bytes: Buffer, at: number, count: number): ArrayBuffer {
  const from = at + Math.ceil((FRAME_HEAD_BYTES + bytes.readUInt32LE(at + 12)) / 8) * 8;
  const arrays = new ArrayBuffer(count * READING_BYTES);
  new Uint8Array(arrays).set(bytes.subarray(from, from + count * READING_BYTES));
  return arrays;
}

async function serveLoad(id: number, number: number, unit: Unit): Promise<void> {
  const began = performance.now();
  dispose(number);
  channel.elsewhere++;
  try {
    const text = await load(number, unit);
    answerDone(id, { ...NO_COST, wallUs: microsSince(began) }, text);
  } catch (error) {
    answerFailed(id, { ...NO_COST, wallUs: microsSince(began) }, error);
  } finally {
    channel.elsewhere--;
  }
}

/** @returns whether it ran on the loop, which is over then */
function serveStep(bytes: Buffer, at: number, id: number, number: number): boolean {
  const unit = units.get(number);
  if (unit === undefined) {
    channel.answer(id, UNKNOWN_UNIT, 0, NO_COST, '');
    return false;
  }
  const isHere = bytes[at + 9] === 1 && unit.running === 0;
  const core = isHere ? process.threadCpuUsage : process.cpuUsage;
  const began = { at: performance.now(), used: core(), core };
  const done = (text: unknown): StepCost => {
    const cost = costOf(unit, began);
    if (isLookDue(unit)) cost.heapBytes = lookAtHeap(unit);
    answerDone(id, cost, text);
    return cost;
  };
  const failed = (error: unknown) => {
    // After a time-out or a full heap an isolate may go on burning a core: never used again.
    if (answerFailed(id, costOf(unit, began), error) !== THREW && units.get(number) === unit) dispose(number);
  };
  const count = bytes.readUInt32LE(at + 16);
  const arrays = count === 0 ? undefined : arraysOf(bytes, at, count);
  const columns = arrays && new ivm.ExternalCopy(arrays, { transferList: [arrays] });
  const parameters: Parameters<typeof unit.step.applySync>[1] = [
    headOf(bytes, at),
    columns?.copyInto({ release: true, transferIn: true }),
    count,
  ];
  const options = { timeout: unit.timeoutMs };
  if (isHere) {
    try {
      channel.stepped(done(unit.step.applySync(undefined, parameters, options)));
    } catch (error) {
      failed(error);
    }
    return true;
  }
  unit.running++;
  channel.elsewhere++;
  unit.step
    .apply(undefined, parameters, options)
    .finally(() => {
      unit.running--;
      channel.elsewhere--;
    })
    .then(done)
    .catch(failed)
    .finally(() => {
      if (unit.dropped && unit.running === 0 && !unit.isolate.isDisposed) unit.isolate.dispose();
    });
  return false;
}

/** Of the isolate since the answer before: what a step causes after its end is not lost. */
function costOf(unit: Loaded, { at, used, core }: Began): StepCost {
  const wallUs = microsSince(at);
  let cpuUs = wallUs;
  // An isolate that filled its heap is gone, and with it what it knew.
  if (!unit.isolate.isDisposed) {
    const atWorkNs = unit.isolate.cpuTime;
    cpuUs = Math.round(Number(atWorkNs - unit.toldNs) / 1_000);
    unit.toldNs = atWorkNs;
  }
  if (cpuUs > BRIEF_US) {
    const { user, system } = core(used);
    cpuUs = Math.min(cpuUs, user + system + TICK_US);
  }
  unit.unseenSteps++;
  unit.unseenCpuUs += cpuUs;
  return { wallUs, cpuUs, heapBytes: unit.heapBytes };
}

function isLookDue({ unseenSteps, unseenCpuUs, running }: Loaded): boolean {
  // A look waits for the isolate, and all others would wait with it.
  return (unseenSteps >= HEAP_LOOK_STEPS || unseenCpuUs >= HEAP_LOOK_CPU_US) && running === 0;
}

function lookAtHeap(unit: Loaded): number {
  const heap = unit.isolate.getHeapStatisticsSync();
  unit.heapBytes = heap.used_heap_size + heap.externally_allocated_size;
  unit.unseenSteps = 0;
  unit.unseenCpuUs = 0;
  return unit.heapBytes;
}

function microsSince(began: number): number {
  return Math.round((performance.now() - began) * 1_000);
}

async function load(number: number, unit: Unit): Promise<unknown> {
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
    units.set(number, {
      isolate,
      step,
      timeoutMs: unit.timeoutMs,
      running: 0,
      dropped: false,
      toldNs: isolate.cpuTime,
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

function drop(number: number): void {
  const unit = units.get(number);
  if (unit !== undefined && unit.running > 0) {
    unit.dropped = true;
    units.delete(number);
  } else dispose(number);
}

function dispose(number: number): void {
  const unit = units.get(number);
  units.delete(number);
  if (unit !== undefined && !unit.isolate.isDisposed) unit.isolate.dispose();
}

/** What the isolate said is a text of bounded length, or an error of the function. */
function answerDone(id: number, cost: StepCost, text: unknown): void {
  if (typeof text !== 'string') throw new TypeError('the isolate answered something that is no text');
  // A character is three bytes at most.
  if (text.length * 3 > ANSWER_BYTES_MAX && Buffer.byteLength(text) > ANSWER_BYTES_MAX) {
    throw new RangeError(`outputs over ${ANSWER_BYTES_MAX} bytes in one step`);
  }
  channel.answer(id, DONE, 0, cost, text);
  uncollectedBytes += text.length;
  if (uncollectedBytes < UNCOLLECTED_BYTES_MAX) return;
  uncollectedBytes = 0;
  collect();
}

/**
 * What an isolate answers is kept beside the heap of this one, which stays so small that V8 never looks for what of
 * that is garbage; it must be told to. The isolates are not given the means: the flag is gone before the first is made.
 */
function collector(): () => void {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  setFlagsFromString('--no-expose-gc');
  return collectGarbage;
}

function answerFailed(id: number, cost: StepCost, error: unknown): number {
  const failure = failureOf(error);
  channel.answer(id, FAILED, failure, cost, messageOf(error));
  return failure;
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
