export * from './bundle/bundle.ts';
export * from './errors.ts';
export type { Witness } from './fold/calls.ts';
export { eventPosition } from './fold/event-position.ts';
export { faultLine } from './fold/fault-line.ts';
export { type Flow, type FlowNode, flowNode, flowOf, globsMeet } from './fold/flow.ts';
export * from './fold/fold.ts';
export { deploymentOfState, statesOf } from './fold/held.ts';
export { createFoldHost } from './fold/host.ts';
export type { FoldHostOptions } from './fold/host-options.ts';
export type { TimeMove } from './fold/move-time.ts';
export { leftOfReplay, replayPosition } from './fold/replay.ts';
export { restoredState } from './fold/restored-state.ts';
export { globMatches, joinColumns, SeriesFilter } from './fold/select.ts';
export * from './forwarding/forward-trace.ts';
export type { Forwarded } from './forwarding/forwarding.ts';
export type { EntryStatus, ForwardingStatus } from './forwarding/policy-fold.ts';
export { type AddressRule, isNetwork, isPublicAddress, withinNetworks } from './requests/addresses.ts';
export { AllowList, type Declared, declaredRequests } from './requests/allow-list.ts';
export { type CarrierLimits, type OpenCircuit, RequestCarrier } from './requests/carrier.ts';
export { guardedSocket, type OpenSocket } from './requests/guarded-socket.ts';
export { nodeHttp } from './requests/node-http.ts';
export {
  type Answer,
  type HttpAnswer,
  type HttpCall,
  RequestFailure,
  type RequestQueue,
  type SendHttp,
  unansweredLetter,
  type WaitingRequest,
} from './requests/requests.ts';
export { parseRetryAfter } from './requests/retry.ts';
export { RequestRoom, type RoomLimits } from './requests/room.ts';
export { formatWebhookSecret, WEBHOOK_SECRET, WEBHOOK_SECRET_BYTES, webhookHeaders } from './requests/webhook.ts';
export { inArrival } from './rules/arrival.ts';
export {
  type Backtest,
  type BacktestRule,
  type BacktestSource,
  backtest,
} from './rules/backtest/backtest.ts';
export { inOrder, type OverlappingBatch, sorted, withinTime } from './rules/backtest/in-order.ts';
export {
  type Compared,
  compareTallies,
  durationOf,
  summaryOf as summaryOfTally,
  type TallySummary,
  worstOf,
} from './rules/backtest/summary.ts';
export { EPISODES_MAX, type TalliedEpisode, type Tally } from './rules/backtest/tally.ts';
export type { RuleCase } from './rules/cases/case.ts';
export { caseReport } from './rules/cases/case-report.ts';
export { loadCases } from './rules/cases/load-cases.ts';
export { type CaseOutcome, runCase } from './rules/cases/run-case.ts';
export { type ChartBand, chartColumns, drawChart } from './rules/chart.ts';
export { createAdaptive } from './rules/conditions/adaptive/adaptive.ts';
export { conditionText } from './rules/episode/texts.ts';
export { seriesOf } from './rules/episode-span.ts';
export { type ArrivedAt, type RunAgain, runAgain } from './rules/explain.ts';
export { factsOf, levelsIn, type RuleFacts } from './rules/rule-facts.ts';
export { comparedAgain, type ExplainedStep, type RungView, type TransitionPair } from './rules/step-log.ts';
export type { IsolationLayer } from './sandbox/isolation.ts';
export { sandboxOnDemand } from './sandbox/on-demand.ts';
export {
  createSandbox,
  type FunctionSandbox,
  type Outcome,
  type Sandbox,
  type SandboxOptions,
} from './sandbox/sandbox.ts';
export { openBox, sealBox } from './secrets/sealed-box.ts';
export * from './secrets/secret-file.ts';
export { BoundedSync, type BoundedSyncOptions } from './sqlite/bounded-sync.ts';
export type { OpenOperations } from './sqlite/connection.ts';
export * from './sqlite/thread.ts';
export { type DatabaseAnswer, type DatabaseCall, faultOf, GROUP_MAX, Transactions } from './sqlite/transactions.ts';
export { Candidate, type CandidateKept, type CandidateOptions } from './succession/candidate.ts';
export { type Comparison, emptyComparison } from './succession/comparison.ts';
export { type Holding, joinOutputs, type MendPorts, mend, replaceFold, stateIn } from './succession/mend.ts';
export { rehearse, unfitOf, versionOf } from './succession/rehearsal.ts';
export { reportOf } from './succession/report.ts';
export * from './succession/succession.ts';
export { takenOverState } from './succession/taken-over.ts';
export { Trials } from './succession/trials.ts';
export type { TraceOptions } from './trace/fields.ts';
export * from './trace/golden.ts';
export { LIMITS, type Limit, limitOf } from './trace/limits.ts';
export * from './trace/run-trace.ts';
export { emptyTrace, isTraceOfLines, readTrace, TRACE_BYTES_MAX, tracePartsOf } from './trace/trace.ts';
export * from './trust/deployment.ts';
export { addSignature, type Opened, openEnvelope, type Statements, signStatement } from './trust/envelope.ts';
export * from './trust/keys.ts';
export * from './trust/release.ts';
export { verifyRoot } from './trust/root.ts';
export type { Refusal, Verdict } from './trust/verdict.ts';
export * from './usage/lambda-cost.ts';
export * from './usage/usage.ts';
