export { type Agent, type AgentOptions, type AgentPorts, createAgent } from './agent.ts';
export { type Clock, systemClock } from './clock/clock.ts';
export { type Config, defaultConfig } from './config/config.ts';
export { Users } from './intake/users.ts';
export type { SpoolOptions } from './spool/operations.ts';
export { openSpool, type Spool } from './spool/spool.ts';
export type { StatusReport } from './status/report.ts';
export type { Link, LinkEvents, OpenLink } from './uplink/link.ts';
