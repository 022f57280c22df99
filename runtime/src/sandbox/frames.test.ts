import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { columnsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { type Answer, FrameWriter, readAnswers } from './frames.ts';
import { ANSWER_BYTES_MAX, FROM_CHILD } from './protocol.ts';

function answerBytes(id: number, kind: number, text: string): Buffer {
  const bytes = Buffer.alloc(24 + Buffer.byteLength(text));
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(id, 4);
  bytes[8] = kind;
  bytes.writeUInt32LE(1_500, 12);
  bytes.writeUInt32LE(1_200, 16);
  bytes.writeUInt32LE(4_000_000_000, 20);
  bytes.write(text, 24);
  return bytes;
}

function read(pieces: readonly Buffer[]) {
  const stream = new PassThrough();
  const answers: Answer[] = [];
  let malformed = 0;
  readAnswers(
    stream as unknown as Socket,
    (answer) => answers.push(answer),
    () => malformed++,
  );
  for (const piece of pieces) stream.emit('data', piece);
  return { answers, malformed };
}

test('answers are the same however the stream cuts them', () => {
  const texts = ['', '{"a":1}', 'é'.repeat(300), 'x'];
  const whole = Buffer.concat(texts.map((text, id) => answerBytes(id, FROM_CHILD.done, text)));
  for (const size of [1, 3, 24, 25, 100, whole.length]) {
    const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
      whole.subarray(at * size, (at + 1) * size),
    );
    const { answers, malformed } = read(pieces);
    expect(
      answers.map(({ text }) => text),
      `pieces of ${size} bytes`,
    ).toEqual(texts);
    expect(answers.map(({ id, kind, usage }) => [id, kind, usage])).toEqual(
      texts.map((_, id) => [id, 'done', { wallUs: 1_500, cpuUs: 1_200, heapBytes: 4_000_000_000 }]),
    );
    expect(malformed).toBe(0);
  }
});

test.each([0, 23, ANSWER_BYTES_MAX + 25, 0xffff_ffff])('an answer that claims %i bytes ends the reading', (bytes) => {
  const bad = answerBytes(1, FROM_CHILD.done, 'x');
  bad.writeUInt32LE(bytes, 0);
  const { answers, malformed } = read([answerBytes(0, FROM_CHILD.done, 'good'), bad, answerBytes(2, 1, 'late')]);
  expect(answers.map(({ id }) => id)).toEqual([0]);
  expect(malformed).toBe(1);
});

/** A socket that keeps what is written, as it lies in memory, and says how much of it the system has not taken. */
class Written {
  chunks: Buffer[] = [];
  writableLength = 0;

  write(chunk: Buffer): boolean {
    this.chunks.push(chunk);
    return true;
  }
}

function writerOf(socket: Written): FrameWriter {
  return new FrameWriter(socket as unknown as Socket);
}

const endOfTick = () => new Promise((resolve) => setImmediate(resolve));

function requestOf(count: number) {
  const readings = Array.from({ length: count }, (_, at) => ({
    sensor: 'ä',
    metric: 'm',
    value: at / 2,
    ts: 1e12 + at,
  }));
  return { instance: 'd', revision: 1, device: 'd', seed: 7, receivedAt: 0, columns: columnsOf(readings) };
}

function framesIn(bytes: Buffer) {
  const frames: { id: number; number: number; inline: boolean; head: unknown; ts: number[]; values: number[] }[] = [];
  for (let at = 0; at < bytes.length; at += bytes.readUInt32LE(at)) {
    const [headBytes, count] = [bytes.readUInt32LE(at + 12), bytes.readUInt32LE(at + 16)];
    const from = at + Math.ceil((24 + headBytes) / 8) * 8;
    const column = (start: number) => Array.from({ length: count }, (_, i) => bytes.readDoubleLE(start + i * 8));
    frames.push({
      id: bytes.readUInt32LE(at + 4),
      number: bytes.readUInt32LE(at + 20),
      inline: bytes[at + 9] === 1,
      head: headBytes === 0 ? undefined : JSON.parse(bytes.toString('utf8', at + 24, at + 24 + headBytes)),
      ts: column(from),
      values: column(from + count * 8),
    });
  }
  return frames;
}

test('frames of one tick are one write, each with its head and its columns', async () => {
  const socket = new Written();
  const writer = writerOf(socket);
  const { columns, ...rest } = requestOf(3);
  writer.step(1, 9, true, { ...rest, columns });
  writer.step(2, 9, false, rest);
  writer.drop(9);
  expect(socket.chunks).toEqual([]);
  await endOfTick();
  expect(socket.chunks).toHaveLength(1);
  const head = { ...rest, columns: { series: columns.series, strings: [] } };
  expect(framesIn(socket.chunks[0]!)).toEqual([
    { id: 1, number: 9, inline: true, head, ts: [1e12, 1e12 + 1, 1e12 + 2], values: [0, 0.5, 1] },
    { id: 2, number: 9, inline: false, head: rest, ts: [], values: [] },
    { id: 0, number: 9, inline: false, head: undefined, ts: [], values: [] },
  ]);
});

test('frames keep their order and content when they do not fit together, or are larger than the room for them', async () => {
  const socket = new Written();
  const writer = writerOf(socket);
  const counts = [5_000, 5_000, 5_000, 40_000, 1, 5_000];
  socket.writableLength = 1;
  counts.forEach((count, id) => void writer.step(id, 1, false, requestOf(count)));
  await endOfTick();
  const frames = framesIn(Buffer.concat(socket.chunks));
  expect(frames.map(({ id, values }) => [id, values.length, values.at(-1)])).toEqual(
    counts.map((count, id) => [id, count, (count - 1) / 2]),
  );
});

test('what the system has not taken yet is not written over by the next frame', async () => {
  const socket = new Written();
  const writer = writerOf(socket);
  socket.writableLength = 1;
  writer.step(1, 1, false, requestOf(10));
  await endOfTick();
  writer.step(2, 1, false, requestOf(10));
  await endOfTick();
  expect(framesIn(Buffer.concat(socket.chunks)).map(({ id }) => id)).toEqual([1, 2]);
});
