export * from './errors.ts';
export * from './fold/fold.ts';
export * from './sqlite/thread.ts';
