import type { FunctionState } from './function-state.ts';

/**
 * The state with which an earlier version goes on: what the user keeps as it was when that version was replaced, whose
 * shape it understands, with the timers that belong to it; and all that the host keeps as it is now. So no alert that
 * has ended is opened again under its old numbers, and no schedule runs twice.
 *
 * @param current JSON of the version that is being replaced; undefined: it has none
 * @param saved JSON of the version that comes back, as of its own end; undefined: it had none
 */
export function restoredState(current: string | undefined, saved: string | undefined): string | undefined {
  if (current === undefined) return saved;
  const states = saved === undefined ? [] : (JSON.parse(saved) as FunctionState).states;
  // How often in a row the version that is replaced has thrown is its own affair.
  const { throwing: _, ...kept } = JSON.parse(current) as FunctionState;
  return JSON.stringify({ ...kept, states });
}
