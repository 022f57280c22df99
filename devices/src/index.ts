export { feed } from './feed.ts';
export { fleetReadings, naturalRate, PLANTS, type Plant, signalsOf } from './fleet.ts';
export { type Broker, Publisher, type PublisherEvent } from './publisher.ts';
export type { Fault, FaultKind } from './simulated/fault.ts';
export { type Run, type Signal, samplesOf } from './simulated/signal.ts';
export { type Due, type Play, playTrace, readTrace, TraceError, type TraceRow } from './trace-player.ts';
