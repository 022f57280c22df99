/** The inside of the database thread: takes all calls that wait, carries them out in one transaction, answers all. */
import { DatabaseSync } from 'node:sqlite';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { ThreadAnswer, ThreadFault, ThreadRequest } from './thread.ts';

interface WorkerData {
  file: string;
  operations: string;
  options: unknown;
}

type Operation = (...args: unknown[]) => unknown;
type OpenOperations = (db: DatabaseSync, options: unknown) => Record<string, Operation>;

const port = parentPort!;
const { file, operations: moduleUrl, options } = workerData as WorkerData;

/** Calls taken into one transaction at most; bounds how long the first of them waits. */
const GROUP_MAX = 2_000;
/** Milliseconds to wait for a reader in another process, such as a status command. */
const BUSY_TIMEOUT_MS = 5_000;
/** The WAL file shrinks back to this after a checkpoint. */
const WAL_BYTES_KEPT = 4 * 1024 * 1024;

/** @see SQLite result codes; the low byte is the primary code */
const CODES: Record<number, ThreadFault['code']> = {
  5: 'busy',
  6: 'busy',
  8: 'readonly',
  10: 'io',
  11: 'corrupt',
  13: 'full',
  14: 'io',
  26: 'corrupt',
};

let db: DatabaseSync;
let operations: Record<string, Operation>;

try {
  const { open } = (await import(moduleUrl)) as { open: OpenOperations };
  db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  db.exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=${WAL_BYTES_KEPT};`);
  operations = open(db, options);
  port.postMessage([{ id: 0 }] satisfies ThreadAnswer);
  port.on('message', (first: ThreadRequest) => serve(first));
} catch (error) {
  port.postMessage([{ id: 0, fault: faultOf(error) }] satisfies ThreadAnswer);
}

function serve(first: ThreadRequest): void {
  // Under way when the database was closed: its caller is told so when the thread ends.
  if (!db.isOpen) return;
  const requests = [first];
  while (requests.length < GROUP_MAX) {
    const next = receiveMessageOnPort(port) as { message: ThreadRequest } | undefined;
    if (next === undefined) break;
    requests.push(next.message);
  }
  const closeAt = requests.findIndex((request) => 'close' in request);
  const calls = (closeAt < 0 ? requests : requests.slice(0, closeAt)) as Extract<ThreadRequest, { name: string }>[];
  if (calls.length > 0) port.postMessage(transact(calls));
  if (closeAt < 0) return;
  db.close();
  port.postMessage([{ id: requests[closeAt]!.id }] satisfies ThreadAnswer);
  port.close();
}

function transact(calls: readonly { id: number; name: string; args: unknown[] }[]): ThreadAnswer {
  const answers: ThreadAnswer = [];
  try {
    db.exec('BEGIN IMMEDIATE');
    for (const call of calls) answers.push(run(call));
    db.exec('COMMIT');
    return answers;
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    const fault = faultOf(error);
    return calls.map(({ id }, at) => (answers[at]?.fault === undefined ? { id, fault } : answers[at]));
  }
}

/** @throws what ended the whole transaction, e.g. a full disk that made SQLite roll back. */
function run({ id, name, args }: { id: number; name: string; args: unknown[] }): ThreadAnswer[number] {
  const operation = operations[name];
  if (operation === undefined) return { id, fault: { code: 'other', message: `no operation ${name}` } };
  db.exec('SAVEPOINT call');
  try {
    const value = operation(...args);
    db.exec('RELEASE call');
    return { id, value };
  } catch (error) {
    if (!db.isTransaction) throw error;
    db.exec('ROLLBACK TO call; RELEASE call');
    return { id, fault: faultOf(error) };
  }
}

function faultOf(error: unknown): ThreadFault {
  const { message, stack, errcode } = error as Error & { errcode?: number };
  const fault: ThreadFault = { code: CODES[(errcode ?? 0) & 0xff] ?? 'other', message: message ?? String(error) };
  if (stack !== undefined) fault.stack = stack;
  return fault;
}
