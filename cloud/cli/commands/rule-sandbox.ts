import type { FunctionSandbox } from '@weir/runtime';

/** A sandbox that starts only for a rule whose condition is a function. */
export async function withSandboxOnDemand<T>(use: (sandbox: FunctionSandbox) => Promise<T>): Promise<T> {
  const { createSandbox, sandboxOnDemand } = await import('@weir/runtime');
  const sandbox = sandboxOnDemand(createSandbox);
  try {
    return await use(sandbox);
  } finally {
    await sandbox.stop();
  }
}
