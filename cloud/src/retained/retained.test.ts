import { expect, test } from 'vitest';
import { createMemoryStore } from '../store/memory.ts';
import { StoreError } from '../store/store.ts';
import { createRetained, type RetainedMessage } from './retained.ts';

const LIMITS = { messagesMax: 3, bytesMax: 40 };
const message = (topic: string, text: string): RetainedMessage => ({
  topic,
  payload: new TextEncoder().encode(text),
  qos: 1,
  lastModifiedTime: 5,
});
const topicsOf = ({ summaries }: { summaries: { topic: string }[] }) => summaries.map(({ topic }) => topic);

test('what is retained outlives the hub, and so does its place within the limits', async () => {
  const store = createMemoryStore();
  const first = createRetained(store, LIMITS);
  for (const topic of ['a', 'b', 'c']) await first.keep(message(topic, 'text'));
  const second = createRetained(store, LIMITS);
  expect(await second.get('b')).toMatchObject(message('b', 'text'));
  expect(await second.get('x')).toBeUndefined();
  await expect(second.keep(message('d', 'text'))).rejects.toThrow('3 messages');
  await second.keep(message('a', ''));
  await second.keep(message('d', 'text'));
  expect(topicsOf(await second.list({ limit: 10 }))).toEqual(['b', 'c', 'd']);
});

test('bytes are counted as they come and go', async () => {
  const retained = createRetained(createMemoryStore(), LIMITS);
  await retained.keep(message('a', 'x'.repeat(30)));
  await expect(retained.keep(message('b', 'x'.repeat(10)))).rejects.toThrow('40 bytes');
  await retained.keep(message('a', 'x'.repeat(10)));
  await retained.keep(message('b', 'x'.repeat(10)));
  await retained.keep(message('a', ''));
  await retained.keep(message('c', 'x'.repeat(20)));
});

test('messages to one topic at once: the last one stays', async () => {
  const retained = createRetained(createMemoryStore(), LIMITS);
  await Promise.all(['1', '2', '3'].map((text) => retained.keep(message('a', text))));
  expect(new TextDecoder().decode((await retained.get('a'))!.payload)).toBe('3');
});

test('what could not be kept is not there, and neither is it counted', async () => {
  const store = createMemoryStore();
  const retained = createRetained(store, LIMITS);
  await retained.keep(message('a', 'old'));
  const write = store.write.bind(store);
  store.write = async () => {
    throw new StoreError('io', 'the disk fails');
  };
  await expect(retained.keep(message('b', 'x'.repeat(30)))).rejects.toThrow('the disk fails');
  store.write = write;
  expect(topicsOf(await retained.list({ limit: 10 }))).toEqual(['a']);
  await retained.keep(message('c', 'x'.repeat(30)));
});
