import { expect, test, vi } from 'vitest';
import type { Era, Learned } from '../clock/agent-clock.ts';
import { settled } from '../clock/clock.fixture.ts';
import { HeldSpool } from '../spool/held-spool.fixture.ts';
import { arrivalOf } from '../spool/spool.fixture.ts';
import { startPipeline } from './pipeline.fixture.ts';

const HOUR = 3_600_000;
const FROM = 1_700_000_000_000;
const BEFORE: Era = { id: 1, boot: 'boot1', certainty: 'unsynchronised', offset: FROM, fromAt: FROM };
const AFTER: Era = { ...BEFORE, id: 2, certainty: 'synchronised', offset: FROM + HOUR };
const KEPT = {
  boot: 'boot1',
  certainty: 'synchronised',
  source: 'hub',
  offset: AFTER.offset,
  unknownSince: undefined,
} as const;

/** A device that has learned that it is an hour behind, with groups under way from the time before. */
function startBehind() {
  const spool = new HeldSpool();
  let era = BEFORE;
  let monotonic = 0;
  const started = startPipeline({ spool, stamp: () => ({ era, monotonic }) });
  const arrive = () => {
    monotonic += 1_000;
    const ts = monotonic + BEFORE.offset;
    const arrival = {
      ...arrivalOf([{ sensor: 's', metric: 'm', value: 1, ts }]),
      receivedAt: ts,
      time: { stamp: { era: BEFORE, monotonic }, stamped: Uint8Array.of(1) },
    };
    const { id, bytes } = spool.ops.append(arrival);
    started.pipeline.offer({ id, bytes, columns: arrival.columns!, receivedAt: ts });
  };
  const learn = () => {
    const now = monotonic + AFTER.offset;
    const learned: Learned = {
      boot: 'boot1',
      offset: AFTER.offset,
      known: true,
      shift: HOUR,
      from: FROM,
      now,
      before: BEFORE,
      kept: { ...KEPT, at: now },
    };
    era = AFTER;
    return started.pipeline.learn(learned);
  };
  const erasOfOutbox = () =>
    spool.db
      .prepare('SELECT DISTINCT era FROM outbox ORDER BY era')
      .all()
      .map((row) => row.era);
  return { ...started, spool, arrive, learn, erasOfOutbox };
}

const timesOf = (steps: readonly { receivedAt: number; columns: { ts: Float64Array } }[]) =>
  steps.map(({ receivedAt, columns }) => [receivedAt - FROM, columns.ts[0]! - FROM]);

test('what is under way is done in time as it was, then all moves along, and what waits has its right time', async () => {
  const { spool, pipeline, hosts, arrive, learn, erasOfOutbox } = startBehind();
  await pipeline.start();
  spool.held.add('commitStep');
  arrive();
  await vi.waitFor(() => expect(hosts[0]!.steps.length).toBe(1));
  arrive();
  arrive();
  const learned = learn();
  await settled();
  spool.held.clear();
  spool.release();
  await learned;
  await vi.waitFor(() => expect(hosts[0]!.steps.length).toBe(3));
  const { moves, steps } = hosts[0]!;
  const before = moves[0]!.steps;
  expect(moves).toMatchObject([{ move: { from: FROM, shift: HOUR } }]);
  expect(timesOf(steps)).toEqual([1, 2, 3].map((s) => s * 1_000 + (s > before ? HOUR : 0)).map((ms) => [ms, ms]));
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(3));
  // What came of the steps after it is of known time; the readings themselves say still of which they are.
  expect(erasOfOutbox()).toEqual([null, BEFORE.id]);
  expect(spool.ops.keptTime()).toMatchObject({ certainty: 'synchronised', offset: AFTER.offset });
});

test('it is taken over with the next commit that does not fail, and resolves no sooner', async () => {
  const { spool, clock, pipeline, hosts, arrive, learn } = startBehind();
  await pipeline.start();
  arrive();
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(1));
  spool.failing.add('commitStep');
  let isDone = false;
  const learned = learn().then(() => {
    isDone = true;
  });
  await clock.advance(50);
  expect(isDone).toBe(false);
  spool.failing.clear();
  await clock.advance(5_000);
  await learned;
  expect(hosts.flatMap(({ moves }) => moves).length).toBeGreaterThan(1);
  arrive();
  await vi.waitFor(() => expect(spool.ops.state().position).toBe(2));
});

test('a pipeline that stops before has taken nothing over', async () => {
  const { spool, pipeline, learn } = startBehind();
  await pipeline.start();
  spool.held.add('commitStep');
  const learned = learn();
  await settled();
  spool.held.clear();
  const stopped = pipeline.stop();
  spool.failing.add('commitStep');
  spool.release();
  await stopped;
  await expect(learned).rejects.toThrow('the agent stops');
});

test('what is learned of the time after the pipeline has stopped is not waited for', async () => {
  const { pipeline, learn } = startBehind();
  await pipeline.start();
  await pipeline.stop();
  await expect(learn()).rejects.toThrow('the agent stops');
});
