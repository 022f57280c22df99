export * from './bundle/bundle.ts';
export * from './errors.ts';
export { type Flow, type FlowNode, flowNode, flowOf } from './fold/flow.ts';
export * from './fold/fold.ts';
export { createFoldHost, type FoldHostOptions } from './fold/host.ts';
export { createSandbox, type Outcome, type Sandbox, type SandboxOptions } from './sandbox/sandbox.ts';
export * from './sqlite/thread.ts';
