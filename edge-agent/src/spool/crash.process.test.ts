import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readingsOf } from '@weir/protocols';
import { expect, test } from 'vitest';
import { temporaryFolder } from '../temporary-folder.fixture.ts';
import { numbered, SPOOL_OPTIONS } from './spool.fixture.ts';
import { openSpool } from './spool.ts';

const ROUNDS = 4;
const TIMEOUT_MS = 30_000;

test(
  'killed at any moment: what was acknowledged is there, and state, outbox and position agree',
  async () => {
    const file = join(temporaryFolder(), 'spool.db');
    let acked = 0;
    for (let round = 0; round < ROUNDS; round++) {
      acked = await runAndKill(file, acked + 20 + 37 * round);
      const spool = await openSpool(file, SPOOL_OPTIONS);
      const { lastId, position, states, lanes } = await spool.call('state');
      expect(lastId).toBeGreaterThanOrEqual(acked);
      expect(Number(states.get('count') ?? 0)).toBe(position);
      expect(lanes.reduce((sum, { nextSeq }) => sum + nextSeq, 0)).toBe(position * 3);
      const { groups: rows } = await spool.call('journalAfter', 0, Number.MAX_SAFE_INTEGER);
      expect(rows.length).toBe(lastId);
      const values = rows.map(({ columns }) => [...readingsOf(columns)].map(({ value }) => value));
      expect(values).toEqual(rows.map(({ id }) => numbered(id, 3).map(({ value }) => value)));
      await spool.close();
    }
  },
  TIMEOUT_MS,
);

/** @returns the last row that the child was told is durable */
async function runAndKill(file: string, atLeast: number): Promise<number> {
  const script = fileURLToPath(new URL('./crash.fixture.ts', import.meta.url));
  const child = spawn(process.execPath, [script, file], { stdio: ['ignore', 'pipe', 'inherit'] });
  let said = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk: string) => {
    said += chunk;
    const last = said.lastIndexOf('acked ', said.lastIndexOf('\n'));
    if (last >= 0 && Number(said.slice(last + 6, said.indexOf('\n', last))) >= atLeast) child.kill('SIGKILL');
  });
  await once(child, 'close');
  const ids = [...said.matchAll(/acked (\d+)\n/g)].map(([, id]) => Number(id));
  return Math.max(0, ...ids);
}
