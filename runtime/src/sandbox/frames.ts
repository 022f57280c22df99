/** The host's side of the frames drawn in `protocol.ts`. */
import type { Socket } from 'node:net';
import {
  ANSWER_BYTES_MAX,
  FAILURES,
  FROM_CHILD,
  type StepCost,
  type StepRequest,
  TO_CHILD,
  type Unit,
} from './protocol.ts';

const HEAD_AT = 24;
const READING_BYTES = 18;
const ANSWER_HEAD_BYTES = 24;
/** A dozen steps of a thousand readings, as many as the other side reads at once. */
const ROOM_BYTES = 256 * 1024;

export interface Answer {
  id: number;
  kind: keyof typeof FROM_CHILD;
  failure: (typeof FAILURES)[number];
  usage: StepCost;
  text: string;
}

/**
 * Frames are laid one behind the other and written together at the end of the tick: a write costs about as much as
 * the step of a small batch. The room is used again once the system has taken all of it.
 */
export class FrameWriter {
  #socket: Socket;
  #room = Buffer.allocUnsafeSlow(ROOM_BYTES);
  #used = 0;
  #scheduled = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  load(id: number, number: number, unit: Unit): void {
    this.#add(id, TO_CHILD.load, false, number, JSON.stringify(unit), undefined);
  }

  step(id: number, number: number, inline: boolean, request: StepRequest): void {
    const { columns, ...rest } = request;
    const head =
      columns === undefined ? rest : { ...rest, columns: { series: columns.series, strings: columns.strings } };
    this.#add(id, TO_CHILD.step, inline, number, JSON.stringify(head), columns);
  }

  drop(number: number): void {
    this.#add(0, TO_CHILD.drop, false, number, '', undefined);
  }

  #add(id: number, kind: number, inline: boolean, number: number, head: string, columns: StepRequest['columns']): void {
    const count = columns?.index.length ?? 0;
    // A character is three bytes at most, and what follows is aligned.
    const bytesMax = HEAD_AT + head.length * 3 + 8 + count * READING_BYTES;
    if (this.#used + bytesMax > this.#room.length) this.#flush();
    const isLarge = bytesMax > this.#room.length;
    const room = isLarge ? Buffer.allocUnsafeSlow(bytesMax) : this.#room;
    const from = isLarge ? 0 : this.#used;
    const headBytes = room.write(head, from + HEAD_AT);
    let at = from + Math.ceil((HEAD_AT + headBytes) / 8) * 8;
    if (columns !== undefined) {
      for (const { buffer, byteOffset, byteLength } of [columns.ts, columns.values, columns.index]) {
        room.set(new Uint8Array(buffer, byteOffset, byteLength), at);
        at += byteLength;
      }
    }
    room.writeUInt32LE(at - from, from);
    room.writeUInt32LE(id, from + 4);
    room[from + 8] = kind;
    room[from + 9] = inline ? 1 : 0;
    room.writeUInt32LE(headBytes, from + 12);
    room.writeUInt32LE(count, from + 16);
    room.writeUInt32LE(number, from + 20);
    if (isLarge) this.#socket.write(room.subarray(0, at));
    else this.#used = at;
    if (this.#used === 0 || this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    if (this.#used === 0) return;
    this.#socket.write(this.#room.subarray(0, this.#used));
    this.#used = 0;
    // Still in use as long as the system has not taken it.
    if (this.#socket.writableLength > 0) this.#room = Buffer.allocUnsafeSlow(ROOM_BYTES);
  }
}

/** Calls back for each answer; `onMalformed` when what came is none. */
export function readAnswers(socket: Socket, onAnswer: (answer: Answer) => void, onMalformed: () => void): void {
  let rest: Buffer[] = [];
  let restBytes = 0;
  let wanted = ANSWER_HEAD_BYTES;
  socket.on('data', (chunk: Buffer) => {
    rest.push(chunk);
    restBytes += chunk.length;
    if (restBytes < wanted) return;
    const bytes = rest.length === 1 ? chunk : Buffer.concat(rest, restBytes);
    let at = 0;
    for (;;) {
      const left = bytes.length - at;
      wanted = left < ANSWER_HEAD_BYTES ? ANSWER_HEAD_BYTES : bytes.readUInt32LE(at);
      if (wanted < ANSWER_HEAD_BYTES || wanted > ANSWER_HEAD_BYTES + ANSWER_BYTES_MAX) {
        socket.removeAllListeners('data').resume();
        onMalformed();
        return;
      }
      if (left < wanted) break;
      onAnswer(answerOf(bytes, at, at + wanted));
      at += wanted;
    }
    rest = at === bytes.length ? [] : [bytes.subarray(at)];
    restBytes = bytes.length - at;
  });
}

const KINDS = Object.keys(FROM_CHILD) as Answer['kind'][];

function answerOf(bytes: Buffer, at: number, end: number): Answer {
  return {
    id: bytes.readUInt32LE(at + 4),
    kind: KINDS[bytes[at + 8]!] ?? 'failed',
    failure: FAILURES[bytes[at + 9]!] ?? 'threw',
    usage: {
      wallUs: bytes.readUInt32LE(at + 12),
      cpuUs: bytes.readUInt32LE(at + 16),
      heapBytes: bytes.readUInt32LE(at + 20),
    },
    text: bytes.toString('utf8', at + ANSWER_HEAD_BYTES, end),
  };
}
