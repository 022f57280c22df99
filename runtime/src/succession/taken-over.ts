import type { FunctionState } from '../fold/function-state.ts';

/**
 * The state with which a candidate takes over: its own, but for the alerts, whose episodes and numbers are those that
 * were told. Which of them end by that and which begin is said when it starts.
 *
 * @param blue JSON of what has been running; undefined: it has none
 * @param green JSON of the candidate
 */
export function takenOverState(blue: string | undefined, green: string): string {
  const { alerts, ...own } = JSON.parse(green) as FunctionState;
  const told = blue === undefined ? { opened: 0, open: [] } : (JSON.parse(blue) as FunctionState).alerts;
  return JSON.stringify({ ...own, alerts: { ...told, raised: alerts.open } } satisfies FunctionState);
}
