/** What may be parsed in a rule, and is hardly meant: said to whoever tries or applies it. */
import { nearest } from '../nearest.ts';
import { unitOf } from '../units/units.ts';
import type { RulePlan } from './plan.ts';
import type { Rule } from './rule.ts';
import { signalsOf } from './rule-plan.ts';

/** What is filled in between braces in `summary`, `description` and `runbook`. */
export const TEMPLATE_FIELDS = ['device', 'sensor', 'metric', 'unit', 'value', 'level', 'severity'] as const;
export type TemplateField = (typeof TEMPLATE_FIELDS)[number];
export const TEMPLATE_FIELD = /\{(\w+)\}/g;

/** @returns one sentence for each field of a text that stays as it is written */
export function textDoubts({ summary, description, runbook }: Rule): string[] {
  return Object.entries({ summary, description, runbook }).flatMap(([key, text = '']) => {
    const names = new Set([...text.matchAll(TEMPLATE_FIELD)].map(([, name]) => name!));
    return [...names].filter((name) => !isField(name)).map((name) => `${key}: ${unknownField(name)}`);
  });
}

function isField(name: string): boolean {
  return TEMPLATE_FIELDS.some((field) => field === name);
}

function unknownField(name: string): string {
  const near = nearest(name, TEMPLATE_FIELDS);
  const meant = near === undefined ? `there are {${TEMPLATE_FIELDS.join('}, {')}}` : `did you mean {${near}}?`;
  return `there is no field {${name}}, and it is told as it stands there; ${meant}`;
}

/** @returns one sentence for each unit of a level that nothing can be converted into */
export function unitDoubts(plan: Pick<RulePlan, 'ladder'>): string[] {
  const units = signalsOf(plan).flatMap(({ unit, measure }) => (measure.kind === 'count' ? [] : (unit ?? [])));
  return [...new Set(units)].flatMap((unit) => unitDoubt(unit) ?? []);
}

/** @returns undefined of one that is known */
export function unitDoubt(unit: string): string | undefined {
  if (unitOf(unit) !== undefined) return undefined;
  return `"${unit}" is no unit that is known: only readings in just that unit, or in none, can be compared`;
}
