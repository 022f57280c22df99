import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { expect, test } from 'vitest';
import { type Answer, readAnswers } from './frames.ts';
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
