/** Writes to a spool as fast as it can, tells what is durable, and waits to be killed. */
import { columnsOf } from '@weir/protocols';
import { numbered, SPOOL_OPTIONS, stepOf } from './spool.fixture.ts';
import { openSpool } from './spool.ts';

const spool = await openSpool(process.argv[2]!, SPOOL_OPTIONS);
const { step, position, lastId, states } = await spool.call('state');
let number = step;
let next = lastId;
let processed = JSON.parse(states.get('count') ?? '0') as number;

// Each group holds its own row's number three times; a step passes one row and counts it.
async function append(): Promise<void> {
  const row = ++next;
  const columns = columnsOf(numbered(row, 3));
  const { id } = await spool.call('append', { columns, receivedAt: 0, future: 0, refused: undefined });
  process.stdout.write(`acked ${id}\n`);
}

async function pass(through: number): Promise<void> {
  const states = [{ fold: 'count', json: String(++processed) }];
  await spool.call('commitStep', stepOf(++number, { through, states, connected: through % 2 === 0 }));
}

for (let at = position + 1; ; at++) {
  await Promise.all([append(), append(), at <= lastId ? pass(at) : undefined]);
  if (at > lastId) await pass(at);
}
