/** What a transition says in words. */
import {
  type AlertReason,
  type Condition,
  type Level,
  type Measure,
  type RulePlan,
  TEMPLATE_FIELD,
  type TemplateField,
  type Window,
} from '@weir/protocols';
import type { Facts } from './track.ts';

/** What a text is about. */
export interface Named {
  device: string;
  sensor?: string;
  metric?: string;
  unit?: string | undefined;
  facts: Partial<Facts>;
}

/** As the wire form of a transition allows. */
const SUMMARY_CHARS_MAX = 500;

/** That it fires, or goes on to. */
export function summaryText(plan: RulePlan, rung: number, named: Named): string {
  if (plan.summary !== undefined) return templateText(plan.summary, rung, named, plan, SUMMARY_CHARS_MAX);
  const { when } = plan.ladder[rung]!;
  const { facts, unit } = named;
  if (when.kind === 'silent') return `${whatOf(plan, named)} has been silent for ${spanText(when.forMs)}`;
  if (when.kind === 'series') return countText(plan, when, facts).slice(0, SUMMARY_CHARS_MAX);
  const condition = conditionText(when, levelOf(facts));
  if (facts.value === undefined) return `${whatOf(plan, named)}: ${condition}`.slice(0, SUMMARY_CHARS_MAX);
  const measure = measureOf(when);
  const { members } = facts;
  const unknown = members === undefined || members.unknown === 0 ? '' : ` (${members.unknown} unknown)`;
  const what = measure === undefined ? whatOf(plan, named) : `${whatOf(plan, named)}, ${measure}${unknown},`;
  const is = facts.manner === undefined ? 'is' : MANNERS[facts.manner];
  return `${what} ${is} ${amountText(facts.value, unit)}, ${condition}${worstText(facts, unit)}`.slice(
    0,
    SUMMARY_CHARS_MAX,
  );
}

/** Of what is unusual in another way than by its value. */
const MANNERS = { unsteady: 'goes to and fro by', stuck: 'stands still at' } as const;

/** What stands still is within what is expected. */
function levelOf({ manner, level }: Named['facts']): number | undefined {
  return manner === 'stuck' ? undefined : level;
}

/** Where the worst is no value, and what was said before does not say so. */
function worstText({ peak, peakManner, manner }: Named['facts'], unit: string | undefined): string {
  if (peakManner !== 'unsteady' || manner === 'unsteady' || peak === undefined) return '';
  return `; at its worst it went to and fro by ${amountText(peak, unit)}`;
}

/** `halls-hot: 3 of 9 are above 80, 2 or more of those known; 1 unknown` */
function countText(
  { name }: RulePlan,
  when: Extract<Condition, { kind: 'series' }>,
  { value, members }: Named['facts'],
): string {
  const { atLeast, condition } = when;
  const wanted = typeof atLeast === 'number' ? `${atLeast}` : `${Math.round(atLeast.share * 100)} %`;
  const said = conditionText(condition);
  if (typeof value !== 'number' || members === undefined) return `${name}: ${said} for at least ${wanted}`;
  const unknown = members.unknown === 0 ? '' : `, ${members.unknown} unknown`;
  return `${name}: ${said} for ${value} of ${members.known + members.unknown}, at least ${wanted}${unknown}`;
}

/** How an episode ended. */
export function endText(plan: RulePlan, rung: number, named: Named, reason: AlertReason): string {
  const what = whatOf(plan, named);
  return endOf(plan, rung, named, reason, what).slice(0, SUMMARY_CHARS_MAX);
}

function endOf(plan: RulePlan, rung: number, named: Named, reason: AlertReason, what: string): string {
  const { facts, unit } = named;
  const { when } = plan.ladder[rung]!;
  const condition = conditionText(when, levelOf(facts));
  switch (reason) {
    case 'removed':
      return `${what} is no longer watched by ${plan.name}`;
    case 'manual':
      return `${what}: ended by hand`;
    case 'schedule':
      return `${what} is not watched by ${plan.name} at this time; it was ${condition}`;
    case 'expired':
      return `${what} was ${condition}: ended by itself after ${spanText(plan.exit.resolveAfterMs ?? 0)}`;
    case 'no-recurrence':
      return `${what} was ${condition}: not again for ${spanText(plan.exit.noRecurrenceForMs ?? 0)}`;
  }
  if (when.kind === 'silent') return `${what} is heard of again`;
  if (when.kind === 'series') return `${countText(plan, when, facts)}: over`;
  if (facts.value === undefined) return `${what} is no longer ${condition}`;
  const back = facts.manner === 'unsteady' ? 'goes to and fro only by' : 'is back at';
  const worst = worstText({ ...facts, manner: undefined }, unit);
  return `${what} ${back} ${amountText(facts.value, unit)}, was ${condition}${worst}`;
}

/** What is between braces and of no field stays as it is. */
export function templateText(template: string, rung: number, named: Named, plan: RulePlan, charsMax: number): string {
  const { device, sensor, metric, unit = '', facts } = named;
  const known: Record<TemplateField, string> = {
    device,
    sensor: sensor ?? '',
    metric: metric ?? '',
    unit,
    value: facts.value === undefined ? '' : valueText(facts.value),
    level: facts.level === undefined ? '' : valueText(facts.level),
    severity: plan.ladder[rung]!.severity,
  };
  const filled = template.replace(TEMPLATE_FIELD, (whole, name: string) =>
    Object.hasOwn(known, name) ? known[name as TemplateField] : whole,
  );
  // A reading without a unit leaves no hole: "81.5 , over 80".
  return filled
    .replace(/ {2,}/g, ' ')
    .replace(/ +([,.;:!?])/g, '$1')
    .slice(0, charsMax);
}

/** `above 80`; a level that is not in the rule itself as it was when it was looked at. */
export function conditionText(condition: Condition, level?: number): string {
  switch (condition.kind) {
    case 'outside':
    case 'inside':
      return `${condition.kind} ${condition.levels.map((each) => levelText(each)).join(' to ')}`;
    case 'silent':
      return `silent for ${spanText(condition.forMs)}`;
    case 'adaptive':
      return level === undefined ? 'unusual' : `unusual, expected within ${valueText(level)}`;
    case 'of':
      return severalText(condition.conditions, condition.atLeast);
    case 'series': {
      const { atLeast } = condition;
      const many = typeof atLeast === 'number' ? `${atLeast}` : `${Math.round(atLeast.share * 100)} %`;
      return `${conditionText(condition.condition)} for ${many} of its series`;
    }
    case 'repeated': {
      const { times, within } = condition;
      const span = 'samples' in within ? `the last ${within.samples} readings` : spanText(within.ms);
      return `${conditionText(condition.condition, level)}, ${times === 1 ? 'once' : `${times} times`} in ${span}`;
    }
    default:
      return `${condition.kind.replace('-', ' ')} ${levelText(condition.level, level)}`;
  }
}

function severalText(conditions: readonly Condition[], atLeast: number): string {
  const parts = conditions.map((each) => {
    const named = 'signal' in each ? `${each.signal.metric} ` : '';
    return `${named}${conditionText(each)}`;
  });
  if (atLeast === conditions.length) return parts.join(' and ');
  return atLeast === 1 ? parts.join(' or ') : `${atLeast} of: ${parts.join('; ')}`;
}

function levelText(level: Level, known?: number): string {
  if (typeof level !== 'object') return `${level}`;
  if (known !== undefined) return `${known}`;
  return 'tag' in level ? `${level.tag}` : `${level.signal.metric}`;
}

/** Undefined: that of the reading itself. */
function measureOf(condition: Condition): string | undefined {
  const signal = 'signal' in condition ? condition.signal : undefined;
  if (signal === undefined) return undefined;
  const { measure, across } = signal;
  const one = measureText(measure);
  if (across === undefined) return one;
  return one === undefined ? `${across} of all` : `${across} of the ${one} of all`;
}

function measureText(measure: Measure): string | undefined {
  if (measure.kind === 'last') return undefined;
  const name = measure.kind === 'quantile' ? `p${Number((measure.q * 100).toPrecision(4))}` : measure.kind;
  return `${name.replace('-', ' ')} over ${windowText(measure.window)}`;
}

function windowText(window: Window): string {
  return 'ms' in window ? spanText(window.ms) : `${window.samples} samples`;
}

const UNITS: readonly [ms: number, unit: string][] = [
  [86_400_000, 'd'],
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1_000, 's'],
];

/** As people write it: `10m`. */
export function spanText(ms: number): string {
  const [size, unit] = UNITS.find(([each]) => ms >= each && ms % each === 0) ?? [1, 'ms'];
  return `${ms / size}${unit}`;
}

function whatOf({ name }: RulePlan, { sensor, metric }: Named): string {
  return [sensor, metric].filter((each) => each !== undefined).join(' ') || name;
}

/** `81.4 Cel`: everywhere that people read it, a space is between. */
function amountText(value: number | boolean | string, unit: string | undefined): string {
  return unit === undefined || unit === '' ? valueText(value) : `${valueText(value)} ${unit}`;
}

function valueText(value: number | boolean | string): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value);
}

/** What a value of this condition is in; undefined: it is a count, which is in nothing. */
export function unitOf(condition: Condition, unit: string | undefined): string | undefined {
  if (condition.kind === 'series') return undefined;
  const signal = 'signal' in condition ? condition.signal : undefined;
  if (signal === undefined) return unit;
  if (signal.measure.kind === 'count' || signal.across === 'count') return undefined;
  return signal.measure.kind === 'change-percent' ? '%' : (signal.unit ?? unit);
}
