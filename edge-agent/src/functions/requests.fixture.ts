import type { PipelinePorts } from './pipeline-ports.ts';

/** Of functions that ask for nothing. */
export const NO_REQUESTS: PipelinePorts['requests'] = { admit: () => [], add: () => {}, restart: () => {} };
