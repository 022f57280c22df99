import { describe, expect, test } from 'vitest';
import { encodeReport, parseReport, type UsageReport } from './report.ts';

describe('a report of usage', () => {
  const usage: UsageReport = {
    type: 'usage',
    id: 'mean@1.0.0:1700000300000',
    ts: 1_700_000_300_000,
    from: 1_700_000_000_000,
    function: 'mean',
    version: '1.0.0',
    memoryMb: 64,
    invocations: 30,
    readings: 3_000,
    cpuMs: 12.345,
    heapBytesMax: 4_000_000,
    errors: 0,
    outputs: 3_000,
  };

  test('is read as it was written', () => {
    expect(parseReport(encodeReport(usage))).toEqual({ report: usage });
  });

  test.each([
    ['a count below nothing', { readings: -1 }, 'readings'],
    ['half an invocation', { invocations: 0.5 }, 'invocations'],
    ['more than anybody counts, which would spoil a sum', { outputs: 2 ** 53 }, 'outputs'],
    ['time that runs backwards', { cpuMs: -0.1 }, 'cpuMs'],
    ['a name that is none', { function: 'a@b' }, 'function'],
    ['no version', { version: '' }, 'version'],
  ])('with %s is refused, and says where', (_what, wrong, place) => {
    const parsed = parseReport(JSON.stringify({ ...usage, ...wrong }));
    expect(parsed).toMatchObject({ reason: 'value', detail: expect.stringContaining(`${place}:`) });
  });
});
