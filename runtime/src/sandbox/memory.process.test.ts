import { columnsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { launchSandbox } from './isolation.ts';
import { SandboxProcess } from './process.ts';

/** So many answers of 6 kB are 120 MB. */
const STEPS = 20_000;
const RSS_BYTES_MAX = 160 * 2 ** 20;

test('what functions answer does not pile up: a process that runs for long is not killed over its memory', async () => {
  let starts = 0;
  const box = new SandboxProcess({
    rssBytesMax: RSS_BYTES_MAX,
    parallel: 2,
    log: () => {},
    launch: (bare) => {
      starts++;
      return launchSandbox(bare);
    },
  });
  await box.start();
  try {
    const code = `globalThis.__weirDefinition = { name: 'f', version: '1', state: () => ({ n: 0, text: 'x'.repeat(6000) }),
      reading(r, ctx) { ctx.state.n++ } }`;
    const unit = { key: 'unit', code, config: '{}', timeoutMs: 5_000, memoryMb: 32 };
    const columns = columnsOf([{ sensor: 's', metric: 'm', value: 1, ts: 5_000 }]);
    const request = { instance: 'd', revision: 0, states: [], device: 'd', seed: 7, receivedAt: 0, columns };
    for (let i = 0; i < STEPS; i++) expect(await box.submit(unit, request)).toMatchObject({ kind: 'returned' });
    expect(starts).toBe(1);
  } finally {
    await box.stop();
  }
});
