export { RULE_DURATIONS, withUnits, withUnitsInForwarding, withUnitsInRule } from './alert/bare-durations.ts';
export {
  TEMPLATE_FIELD,
  type TemplateField,
  textDoubts,
  unitDoubt,
  unitDoubts,
} from './alert/doubts.ts';
export * from './alert/plan.ts';
export * from './alert/rule.ts';
export { rulePlan, signalsOf, tagsOf } from './alert/rule-plan.ts';
export * from './alert/transition.ts';
export { transitionBody } from './alert/transition-body.ts';
export * from './batch/batch.ts';
export * from './batch/batch-error.ts';
export * from './batch/columns.ts';
export type { RefusedItem } from './batch/items.ts';
export * from './batch/trace.ts';
export * from './command/command.ts';
export * from './duration.ts';
export * from './epoch.ts';
export * from './formats/payload.ts';
export * from './forwarding/policy.ts';
export * from './function/manifest.ts';
export * from './function/url-pattern.ts';
export * from './gatherer.ts';
export * from './join.ts';
export * from './mqtt/packet-meter.ts';
export { nearest } from './nearest.ts';
export * from './nesting.ts';
export * from './pace.ts';
export * from './reading.ts';
export * from './report/dead-letter.ts';
export * from './report/gap.ts';
export * from './report/log.ts';
export * from './report/report.ts';
export * from './secret.ts';
export * from './selector.ts';
export * from './shadow/config-digest.ts';
export * from './shadow/document.ts';
export * from './shadow/vitals.ts';
export * from './shadow/weir.ts';
export { inWords, pathOf, strict } from './strict.ts';
export * from './times/week-times.ts';
export * from './times/zone.ts';
export * from './topics.ts';
export * from './trust/deployment.ts';
export * from './trust/envelope.ts';
export * from './trust/refusal.ts';
export * from './trust/release.ts';
export * from './trust/root.ts';
export { convert, converter, kindOf, unitOf } from './units/units.ts';
