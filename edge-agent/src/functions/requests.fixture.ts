import type { PipelinePorts } from './pipeline.ts';

/** Of functions that ask for nothing. */
export const NO_REQUESTS: PipelinePorts['requests'] = { admit: () => [], add: () => {}, restart: () => {} };
