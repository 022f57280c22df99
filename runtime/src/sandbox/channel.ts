/**
 * The sandbox process's side of the frames drawn in `protocol.ts`: reads frames and hands them on, lays answers one
 * behind the other and sends them together.
 *
 * After a step on the loop it does not sleep at once but looks for the next frame for a moment: to sleep and be woken
 * takes tens of microseconds, and while steps follow one another the next one comes sooner. Not on a machine that is
 * busy, where the looking would use up turns of the work.
 *
 * Runs in the sandbox process only, as a part of its program.
 */
import { readSync, writeSync } from 'node:fs';
import { Socket } from 'node:net';
import { availableParallelism } from 'node:os';
import type { StepCost } from './protocol.ts';

export const FRAME_HEAD_BYTES = 24;
const ANSWER_HEAD_BYTES = 24;
const U32_MAX = 0xffff_ffff;
const HOST_FD = 3;
/** A dozen steps of a thousand readings. */
const READ_BYTES = 256 * 1024;
/** Answers of small steps are sent together, unless the first of them has waited: the host, too, is to have work. */
const ANSWERS_BYTES = 64 * 1024;
const ANSWERS_WAIT_MS = 0.1;
/** The host's part of a step, and the way to it and back. */
const LINGER_MS = 0.05;
/** Then the loop has its turn: what V8 does between tasks waits for it. */
const LINGER_IN_ALL_MS = 5;
/** After so many times for nothing the host is taken to be idle, and one time in so many is tried. */
const LINGER_MISSES_MAX = 8;
const LINGER_TRY_EVERY = 64;
/** What takes so much longer than its time on a core was kept off it. */
const CORE_TAKEN_MS = 0.5;

/**
 * Serves the frame that begins at `at`, of which nothing may be kept.
 * @returns whether it was a step on the loop, so that another one may follow at once
 */
export type Serve = (bytes: Buffer, at: number) => boolean;

export class Channel {
  /** Loads and steps in threads: what they answer comes by the loop. */
  elsewhere = 0;
  #serve: Serve;
  #socket: Socket;

  /** One buffer for all that comes: a new one for each read costs more than the step of a small batch. */
  #standing = Buffer.allocUnsafeSlow(READ_BYTES);
  /** The standing one, or one for a frame that is larger. */
  #arrived = this.#standing;
  /** Bytes in it that have not been served, from its beginning. */
  #arrivedBytes = 0;

  #answers = Buffer.allocUnsafeSlow(ANSWERS_BYTES);
  #answersBytes = 0;
  #answersSince = 0;
  /** More may be answered at once. */
  #isServing = false;

  #hasCores = availableParallelism() > 1;
  #misses = 0;
  #untried = 0;
  /** Something was kept off its core since the last time. */
  #isBusy = false;

  constructor(serve: Serve) {
    this.#serve = serve;
    this.#socket = new Socket({
      fd: HOST_FD,
      readable: true,
      writable: true,
      onread: {
        buffer: () => this.#arrived.subarray(this.#arrivedBytes),
        callback: (length) => {
          if (this.#receive(length)) this.#linger();
          return true;
        },
      },
    });
    this.#socket.on('error', () => process.exit(0));
    this.#socket.on('close', () => process.exit(0));
  }

  /** A step on the loop had so much of a core. */
  stepped({ wallUs, cpuUs }: StepCost): void {
    if (wallUs - cpuUs > CORE_TAKEN_MS * 1_000) this.#isBusy = true;
  }

  answer(id: number, kind: number, failure: number, cost: StepCost, text: string): void {
    // A character is three bytes at most.
    const bytesMax = ANSWER_HEAD_BYTES + text.length * 3;
    if (this.#answersBytes + bytesMax > this.#answers.length) this.#sendAnswers();
    const isLarge = bytesMax > this.#answers.length;
    const into = isLarge ? Buffer.allocUnsafe(bytesMax) : this.#answers;
    const at = isLarge ? 0 : this.#answersBytes;
    const bytes = ANSWER_HEAD_BYTES + into.write(text, at + ANSWER_HEAD_BYTES);
    into.writeUInt32LE(bytes, at);
    into.writeUInt32LE(id, at + 4);
    into[at + 8] = kind;
    into[at + 9] = failure;
    into.writeUInt32LE(Math.min(U32_MAX, cost.wallUs), at + 12);
    into.writeUInt32LE(Math.min(U32_MAX, cost.cpuUs), at + 16);
    into.writeUInt32LE(Math.min(U32_MAX, cost.heapBytes), at + 20);
    if (isLarge) {
      this.#send(into.subarray(0, bytes));
      return;
    }
    const now = performance.now();
    if (this.#answersBytes === 0) this.#answersSince = now;
    this.#answersBytes += bytes;
    if (!this.#isServing || now - this.#answersSince > ANSWERS_WAIT_MS) this.#sendAnswers();
  }

  #sendAnswers(): void {
    if (this.#answersBytes === 0) return;
    const bytes = this.#answers.subarray(0, this.#answersBytes);
    this.#answersBytes = 0;
    this.#send(bytes);
  }

  /** Straight to the system; what it does not take at once goes by the loop, and all that follows behind it. */
  #send(bytes: Buffer): void {
    let sent = 0;
    if (this.#socket.writableLength === 0) {
      try {
        sent = writeSync(HOST_FD, bytes);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.exit(0);
      }
    }
    if (sent < bytes.length) this.#socket.write(Buffer.from(bytes.subarray(sent)));
  }

  /** Frames come in pieces; what is left of one stays for the rest. */
  #receive(length: number): boolean {
    this.#arrivedBytes += length;
    let at = 0;
    let wanted: number;
    let isStep = false;
    this.#isServing = true;
    for (;;) {
      const left = this.#arrivedBytes - at;
      wanted = left < FRAME_HEAD_BYTES ? FRAME_HEAD_BYTES : this.#arrived.readUInt32LE(at);
      if (left < wanted) break;
      isStep = this.#serve(this.#arrived, at);
      at += wanted;
    }
    this.#isServing = false;
    this.#sendAnswers();
    this.#keepFrom(at, wanted);
    return isStep;
  }

  #keepFrom(at: number, wanted: number): void {
    const from = this.#arrived;
    if (wanted > from.length) this.#arrived = Buffer.allocUnsafeSlow(wanted);
    else if (at === this.#arrivedBytes) this.#arrived = this.#standing;
    if (at > 0 || this.#arrived !== from) from.copy(this.#arrived, 0, at, this.#arrivedBytes);
    this.#arrivedBytes -= at;
  }

  #linger(): void {
    if (this.#isBusy) this.#misses = LINGER_MISSES_MAX;
    this.#isBusy = false;
    if (!this.#hasCores || (this.#misses >= LINGER_MISSES_MAX && this.#untried++ % LINGER_TRY_EVERY !== 0)) return;
    const { stackTraceLimit } = Error;
    // To find nothing is an error each time.
    Error.stackTraceLimit = 0;
    const began = performance.now();
    let now = began;
    let until = began + LINGER_MS;
    let isMiss = true;
    while (now < until && now < began + LINGER_IN_ALL_MS && this.elsewhere === 0 && this.#socket.writableLength === 0) {
      const before = now;
      const length = this.#read();
      if (length > 0) this.#receive(length);
      now = performance.now();
      if (length > 0) {
        until = now + LINGER_MS;
        isMiss = false;
      } else if (now - before > CORE_TAKEN_MS) this.#isBusy = true;
    }
    this.#misses = isMiss ? this.#misses + 1 : 0;
    Error.stackTraceLimit = stackTraceLimit;
  }

  /** 0: nothing is there. */
  #read(): number {
    try {
      const room = this.#arrived.length - this.#arrivedBytes;
      const length = readSync(HOST_FD, this.#arrived, this.#arrivedBytes, room, null);
      if (length === 0) process.exit(0);
      return length;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') process.exit(0);
      return 0;
    }
  }
}
