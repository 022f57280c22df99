import type { FunctionSandbox } from '@weir/runtime';

/** For rules alone: nothing is ever loaded into it. */
export const noSandbox: FunctionSandbox = {
  load: async () => ({ kind: 'crashed', message: 'there are no functions here' }) as never,
  step: async () => ({ kind: 'crashed', message: 'there are no functions here' }) as never,
  drop: () => {},
};
