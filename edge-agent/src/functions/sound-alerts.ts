import { type AlertTransition, alertTransitionSchema } from '@weir/protocols';

/**
 * The transitions that a hub takes. One that it would refuse takes those in its batch along, so it must not be numbered:
 * it is told, and left out.
 */
export function soundAlerts(
  alerts: readonly AlertTransition[],
  onUnsound: (what: string, error: Error) => void,
): readonly AlertTransition[] {
  return alerts.filter((alert) => {
    const { error } = alertTransitionSchema.safeParse(alert);
    if (error === undefined) return true;
    const faults = error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ');
    onUnsound(`an alert of ${alert.source?.name} is not valid and was left out`, new Error(faults));
    return false;
  });
}
