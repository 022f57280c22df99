/** The inside of the database thread: takes all calls that wait, carries them out in one transaction, answers all. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { BoundedSync, type BoundedSyncOptions } from './bounded-sync.ts';
import type { OpenOperations } from './connection.ts';
import type { SqliteFigures, ThreadRequest } from './thread.ts';
import { type DatabaseAnswer, type DatabaseCall, faultOf, GROUP_MAX, Transactions } from './transactions.ts';

interface WorkerData {
  file: string;
  operations: string;
  options: unknown;
  boundedSync: BoundedSyncOptions | undefined;
}

const port = parentPort!;
const { file, operations: moduleUrl, options, boundedSync } = workerData as WorkerData;
const sync = boundedSync && new BoundedSync(boundedSync);
const figures: SqliteFigures = { commits: 0, syncs: 0 };

let transactions: Transactions;
let timer: NodeJS.Timeout | undefined;

try {
  const { open } = (await import(moduleUrl)) as { open: OpenOperations };
  transactions = new Transactions(file, open, options);
  if (sync !== undefined) transactions.relax();
  answer([{ id: 0 }]);
  port.on('message', (first: ThreadRequest) => serve(first));
} catch (error) {
  answer([{ id: 0, fault: faultOf(error) }]);
}

function serve(first: ThreadRequest): void {
  // Under way when the database was closed: its caller is told so when the thread ends.
  if (!transactions.isOpen) return;
  const requests = [first];
  while (requests.length < GROUP_MAX) {
    const next = receiveMessageOnPort(port) as { message: ThreadRequest } | undefined;
    if (next === undefined) break;
    requests.push(next.message);
  }
  const closeAt = requests.findIndex((request) => 'close' in request);
  const before = closeAt < 0 ? requests : requests.slice(0, closeAt);
  const calls = before.filter((request): request is DatabaseCall => 'name' in request);
  if (calls.length > 0) answer(transact(calls));
  answer(before.filter((request) => 'figures' in request).map(({ id }) => ({ id, value: { ...figures } })));
  if (closeAt < 0) return;
  syncNow();
  transactions.close();
  answer([{ id: requests[closeAt]!.id }]);
  port.close();
}

function transact(calls: readonly DatabaseCall[]): DatabaseAnswer {
  const before = transactions.changes;
  const answers = transactions.transact(calls);
  const wrote = transactions.changes !== before;
  if (wrote) figures.commits++;
  if (sync === undefined) {
    if (wrote) figures.syncs++;
    return answers;
  }
  const now = sync.committed(calls, answers, wrote);
  if (sync.isDirty) timer ??= setTimeout(syncNow, boundedSync!.everyMs);
  return now;
}

function syncNow(): void {
  clearTimeout(timer);
  timer = undefined;
  if (sync === undefined || !sync.isDirty) return;
  try {
    transactions.sync();
    figures.syncs++;
    answer(sync.synced());
  } catch (error) {
    const fault = faultOf(error);
    answer(sync.synced().map(({ id }) => ({ id, fault })));
  }
}

function answer(answers: DatabaseAnswer): void {
  if (answers.length > 0) port.postMessage(answers);
}
