/** What an agent has made durable, as its database saw it: what it has promised to others by that. */
import { type AlertTransition, type Columns, transitionKey } from '@weir/protocols';
import type { DatabaseAnswer, DatabaseCall } from '@weir/runtime';

export class Observed {
  /** Alert transitions of committed steps, by idempotency key. */
  readonly alerts = new Map<string, AlertTransition>();
  /** Readings that functions have emitted. */
  emitted = 0;

  committed(calls: readonly DatabaseCall[], answers: DatabaseAnswer): void {
    for (const [at, { name, args }] of calls.entries()) {
      if (name !== 'commitStep' || answers[at]!.fault !== undefined) continue;
      const { alerts, emitted } = args[0] as { alerts: readonly AlertTransition[]; emitted?: Columns };
      for (const alert of alerts) this.alerts.set(transitionKey(alert), alert);
      this.emitted += emitted?.index.length ?? 0;
    }
  }
}
