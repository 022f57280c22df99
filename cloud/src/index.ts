export { createHub, type Hub, type HubAddress, type HubOptions, type HubPorts } from './hub.ts';
export { type RunHubOptions, runHub } from './main.ts';
