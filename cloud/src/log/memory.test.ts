import { logContract } from './log.contract.ts';
import { createMemoryLog } from './memory.ts';

logContract('the log in memory', { open: async (options) => createMemoryLog(options) });
