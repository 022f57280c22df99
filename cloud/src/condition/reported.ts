import { type ReportedDeployment, type WeirReported, weirReportedSchema } from '@weir/protocols';
import { reportedIn } from '../fleet/reports.ts';

/** What a device said of itself last. */
export interface Reported {
  agent?: { version: string; startedAt: number };
  health: Partial<NonNullable<WeirReported['health']>>;
  deployments: ReadonlyMap<string, ReportedDeployment>;
}

type HealthPart = keyof NonNullable<WeirReported['health']>;
const { agent: agentSchema, health: healthSchema } = weirReportedSchema.shape;
const healthParts = Object.entries(healthSchema.unwrap().shape);

/** Read with care: another version may say other things, and a part that is none is left out. */
export function reportedOf(reported: unknown): Reported {
  const said = (reported ?? {}) as { agent?: unknown; health?: Record<string, unknown>; deployments?: unknown };
  const health: Record<string, unknown> = {};
  for (const [part, schema] of healthParts) {
    const { success, data } = schema.safeParse(said.health?.[part as HealthPart]);
    if (success && data !== undefined) health[part] = data;
  }
  const agent = agentSchema.safeParse(said.agent).data;
  const deployments = reportedIn({ state: { reported: { deployments: said.deployments } } });
  return { ...(agent !== undefined && { agent }), health, deployments };
}
