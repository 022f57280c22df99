import { describe, expect, test } from 'vitest';
import { decodeBatch, encodeBatch } from '../batch/batch.ts';
import { formatEpoch, parseEpoch } from '../epoch.ts';
import type { GapReport } from './gap.ts';
import { encodeReport, parseReport } from './report.ts';

const gap: GapReport = {
  type: 'gap',
  id: 'live:1041',
  ts: 1_700_000_000_000,
  lane: 'live',
  epoch: 'Zk3v9-_0aBcD.x7Yq_-09',
  seq: 1041,
  through: 2041,
  count: 1000,
  reason: 'bytes',
};

describe('a report of a gap', () => {
  test.each([
    ['all of a range', {}],
    ['some of a range', { count: 1 }],
    ['with its times', { from: 1, to: 1 }],
    ['of an agent without runs', { epoch: 'k3v9' }],
  ])('%s is read as it was written', (_what, more) => {
    expect(parseReport(encodeReport({ ...gap, ...more }))).toEqual({ report: { ...gap, ...more } });
  });

  test.each([
    ['more items than numbers', { count: 1001 }, 'report'],
    ['a range that ends before it begins', { through: 1040 }, 'report'],
    ['nothing given up', { count: 0 }, 'count'],
    ['times the wrong way round', { from: 2, to: 1 }, 'report'],
    ['a reason nobody knows', { reason: 'fire' }, 'reason'],
    ['a lane nobody knows', { lane: 'cloud' }, 'lane'],
    ['three words for an epoch', { epoch: 'a.b.c' }, 'epoch'],
  ])('with %s is refused, and says where', (_what, wrong, place) => {
    const parsed = parseReport(JSON.stringify({ ...gap, ...wrong }));
    expect(parsed).toMatchObject({ reason: 'value', detail: expect.stringContaining(`${place}:`) });
  });
});

describe('an epoch', () => {
  const batch = (epoch: string) => encodeBatch({ kind: 'reports', epoch, seq: 0, count: 1, reports: [gap] });

  test.each([
    ['k3v9', { life: 'k3v9', run: '' }],
    ['Zk3v9-_0aBcD.x7Yq_-09', { life: 'Zk3v9-_0aBcD', run: 'x7Yq_-09' }],
  ])('%s is read', (epoch, parts) => {
    expect(decodeBatch(batch(epoch)).epoch).toBe(epoch);
    expect(parseEpoch(epoch)).toEqual(parts);
    expect(formatEpoch(parts)).toBe(epoch);
  });

  test.each(['', '.', 'a.', '.a', 'a.b.c', 'a/b', 'ä', 'x'.repeat(33), `x.${'y'.repeat(33)}`])(
    '%j is none',
    (epoch) => {
      expect(() => decodeBatch(batch(epoch))).toThrow(/an epoch wanted/);
    },
  );
});
