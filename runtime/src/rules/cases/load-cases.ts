/** Table tests with the rule that they are of. */
import type { JsonObject } from '@weir/protocols';
import type { BuiltBundle } from '../../bundle/bundle.ts';
import { factsOf, levelsIn, sensorLike } from '../rule-facts.ts';
import type { RuleCase } from './case.ts';
import { parseCases } from './case-file.ts';
import type { RunCaseOptions } from './run-case.ts';

export interface LoadedCases {
  built: BuiltBundle;
  cases: RuleCase[];
  /** What {@link runCase} has to know of the rule. */
  facts: Omit<RunCaseOptions, 'sandbox'>;
  /** Of the rule, for a picture. */
  levelsOf(ruleCase: RuleCase): number[];
}

/**
 * @param file as errors call it
 * @param build makes the rule that the tests name, or that stands beside them
 * @throws {UsageError} `cases-invalid` with the line
 */
export async function loadCases(
  file: string,
  text: string,
  build: (rule: string | undefined) => Promise<BuiltBundle>,
): Promise<LoadedCases> {
  const parsed = await parseCases(file, text);
  const built = await build(parsed.rule);
  const { plan, gathers } = factsOf(built.bundle);
  const configOf = (config: JsonObject, tags: Record<string, string>): JsonObject => ({ ...config, ...tags });
  return {
    built,
    cases: parsed.cases(sensorLike(plan.watches.sensor)),
    facts: { gathers, latenessMs: plan.latenessMs, configOf },
    levelsOf: ({ config, tags }) => levelsIn(plan, configOf(config, tags)),
  };
}
