import type { FastifyInstance } from 'fastify';
import { collectDefaultMetrics } from 'prom-client';
import { controlMetrics } from '../../metrics/control-metrics.ts';
import { registryOf } from '../../metrics/metric.ts';
import type { OperatorApiOptions } from './route.ts';

/** `GET /metrics`, where Prometheus looks for them. @see https://prometheus.io/docs/instrumenting/exposition_formats/ */
export function metricRoute(app: FastifyInstance, { events, notifier, store, metrics = [] }: OperatorApiOptions): void {
  const control = controlMetrics({ events, notifier, store });
  const registry = registryOf([...control.metrics, ...metrics]);
  collectDefaultMetrics({ register: registry });
  app.addHook('onClose', async () => control.close());
  app.get('/metrics', async (_request, reply) => reply.type(registry.contentType).send(await registry.metrics()));
}
