import type { Unit } from '../sandbox/protocol.ts';
import type { Deployed } from './fold.ts';

/**
 * What the sandbox loads for a function. Each configuration is a unit of its own: what its code has put into variables
 * of its module must not be of another one.
 */
export function unitOf({ bundle, hash, config: given }: Deployed): Unit {
  if (bundle.kind !== 'function') throw new Error('only a function has code');
  const config = JSON.stringify(given);
  const { timeoutMs, memoryMb } = bundle.manifest;
  return { key: `${hash}:${config}`, code: bundle.code, config, timeoutMs, memoryMb };
}
