/** The host's side of the frames drawn in `protocol.ts`. */
import type { Socket } from 'node:net';
import {
  ANSWER_BYTES_MAX,
  FAILURES,
  FROM_CHILD,
  type StepRequest,
  TO_CHILD,
  type Unit,
  type Usage,
} from './protocol.ts';

const HEAD_AT = 24;
const ANSWER_HEAD_BYTES = 24;

export interface Answer {
  id: number;
  kind: keyof typeof FROM_CHILD;
  failure: (typeof FAILURES)[number];
  usage: Usage;
  text: string;
}

export function loadFrame(id: number, unit: Unit): Buffer {
  return frame(id, TO_CHILD.load, false, unit, undefined);
}

export function dropFrame(id: number, key: string): Buffer {
  return frame(id, TO_CHILD.drop, false, { key }, undefined);
}

export function stepFrame(id: number, key: string, inline: boolean, request: StepRequest): Buffer {
  const { columns, ...rest } = request;
  if (columns === undefined) return frame(id, TO_CHILD.step, inline, { key, ...rest }, undefined);
  const { series, strings } = columns;
  return frame(id, TO_CHILD.step, inline, { key, ...rest, columns: { series, strings } }, columns);
}

function frame(id: number, kind: number, inline: boolean, head: object, columns: StepRequest['columns']): Buffer {
  const text = JSON.stringify(head);
  const headBytes = Buffer.byteLength(text);
  const count = columns?.index.length ?? 0;
  let at = Math.ceil((HEAD_AT + headBytes) / 8) * 8;
  const bytes = Buffer.allocUnsafe(at + count * 18);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(id, 4);
  bytes[8] = kind;
  bytes[9] = inline ? 1 : 0;
  bytes.writeUInt32LE(headBytes, 12);
  bytes.writeUInt32LE(count, 16);
  bytes.write(text, HEAD_AT);
  if (columns !== undefined) {
    for (const column of [columns.ts, columns.values, columns.index]) {
      bytes.set(new Uint8Array(column.buffer, column.byteOffset, column.byteLength), at);
      at += column.byteLength;
    }
  }
  return bytes;
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
      onAnswer(answerOf(bytes.subarray(at, at + wanted)));
      at += wanted;
    }
    rest = at === bytes.length ? [] : [bytes.subarray(at)];
    restBytes = bytes.length - at;
  });
}

const KINDS = Object.keys(FROM_CHILD) as Answer['kind'][];

function answerOf(bytes: Buffer): Answer {
  return {
    id: bytes.readUInt32LE(4),
    kind: KINDS[bytes[8]!] ?? 'failed',
    failure: FAILURES[bytes[9]!] ?? 'threw',
    usage: { wallUs: bytes.readUInt32LE(12), cpuUs: bytes.readUInt32LE(16), heapBytes: bytes.readUInt32LE(20) },
    text: bytes.toString('utf8', ANSWER_HEAD_BYTES),
  };
}
