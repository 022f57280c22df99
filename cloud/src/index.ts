export type { HubAddress } from './addresses.ts';
export { createHub, type Hub } from './hub.ts';
export type { HubOptions, HubPorts } from './hub-parts.ts';
export { type RunHubOptions, runHub } from './main.ts';
