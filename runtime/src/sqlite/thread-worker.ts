/** The inside of the database thread: takes all calls that wait, carries them out in one transaction, answers all. */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import type { OpenOperations } from './connection.ts';
import type { ThreadRequest } from './thread.ts';
import { type DatabaseAnswer, type DatabaseCall, faultOf, GROUP_MAX, Transactions } from './transactions.ts';

interface WorkerData {
  file: string;
  operations: string;
  options: unknown;
}

const port = parentPort!;
const { file, operations: moduleUrl, options } = workerData as WorkerData;

let transactions: Transactions;

try {
  const { open } = (await import(moduleUrl)) as { open: OpenOperations };
  transactions = new Transactions(file, open, options);
  port.postMessage([{ id: 0 }] satisfies DatabaseAnswer);
  port.on('message', (first: ThreadRequest) => serve(first));
} catch (error) {
  port.postMessage([{ id: 0, fault: faultOf(error) }] satisfies DatabaseAnswer);
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
  const calls = (closeAt < 0 ? requests : requests.slice(0, closeAt)) as DatabaseCall[];
  if (calls.length > 0) port.postMessage(transactions.transact(calls));
  if (closeAt < 0) return;
  transactions.close();
  port.postMessage([{ id: requests[closeAt]!.id }] satisfies DatabaseAnswer);
  port.close();
}
