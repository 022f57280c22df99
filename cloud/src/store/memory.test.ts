import { createMemoryStore } from './memory.ts';
import { storeContract } from './store.contract.ts';

storeContract('the store in memory', { open: async () => createMemoryStore() });
