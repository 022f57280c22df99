/** What the hub keeps, and for how long, as its configuration says. */
import { forgetResolved } from '../alerts/forget.ts';
import type { HubConfig } from '../config/config.ts';
import type { Store } from '../store/store.ts';
import { dayOf, forgetUsage } from '../usage/ledger.ts';
import { AgedReadings, forgetOverflow } from './readings.ts';
import { Retention, type RetentionPorts } from './retention.ts';

export function retentionOf(
  { store, ...ports }: RetentionPorts & { store: Store },
  { history, store: { bytesMax }, alerts, usage }: Pick<HubConfig, 'history' | 'store' | 'alerts' | 'usage'>,
): Retention {
  const aged = new AgedReadings(store, history.keep);
  return new Retention(ports, [
    { what: 'readings', reason: 'age', run: (now) => aged.forget(now) },
    { what: 'alerts', reason: 'age', run: (now) => forgetResolved(store, now - alerts.keep, now) },
    { what: 'usage', reason: 'age', run: (now) => forgetUsage(store, dayOf(now - usage.keep)) },
    // Last: what has gone by then need not go before its time.
    { what: 'readings', reason: 'bytes', run: (now) => forgetOverflow(store, bytesMax, now) },
  ]);
}
