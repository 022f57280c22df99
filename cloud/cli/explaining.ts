/** What `weir alert explain` and `weir rule explain` share: a rule run again over the history of a device, told step by step. */
import type { JsonObject, RulePlan } from '@weir/protocols';
import type { ArrivedAt, ExplainedStep, RuleFacts, RunAgain, RungView } from '@weir/runtime';
import type { GroupMember } from './answers.ts';
import { spell } from './backtest-report.ts';
import type { HubClient } from './client.ts';
import { withSandboxOnDemand } from './commands/rule-sandbox.ts';
import { hubHistory } from './hub-history.ts';
import { configsFor, type RuleSource } from './rule-source.ts';
import { path } from './session.ts';
import { clockTime, plain } from './table.ts';

export interface Rerun {
  run: RunAgain;
  facts: RuleFacts;
  config: JsonObject;
  readings: number;
  /** Of the earliest reading there is; undefined: there is none. */
  firstAt?: number;
  /** Of the latest one. */
  lastAt?: number;
  late: { count: number; mostMs: number };
}

/** More are not looked at: what came before them is left out, and said to be. */
const READINGS_MAX = 3_000_000;

/** @param device a device, or `<group>/<rule>` of one that gathers: then over all devices of the group */
export async function rerun(
  hub: HubClient,
  source: RuleSource,
  device: string,
  { from, until }: { from: number; until: number },
): Promise<Rerun> {
  const { factsOf, inArrival, runAgain } = await import('@weir/runtime');
  const facts = factsOf(source.built.bundle);
  const group = device.includes('/') ? device.split('/')[0]! : undefined;
  const devices = group === undefined ? [device] : await membersOf(hub, group);
  const configs = await configsFor(hub, devices.slice(0, 1), source);
  const config = configs.get(devices[0] ?? '') ?? {};
  const sources: ArrivedAt[] = [];
  const range = { signals: facts.signals, from: Math.max(0, from - facts.lookbackMs), to: until };
  for (const each of devices) {
    const batches = [];
    let count = 0;
    for await (const batch of hubHistory(hub, each, range)) {
      batches.push(batch);
      count += batch.columns.index.length;
      while (count > READINGS_MAX) count -= batches.shift()!.columns.index.length;
    }
    if (batches.length > 0) sources.push({ device: each, arrivals: inArrival(batches) });
  }
  const run = await withSandboxOnDemand((sandbox) =>
    runAgain(source.built, sources, { sandbox, device, config, from, until }),
  );
  const all = sources.map(({ arrivals }) => arrivals);
  const times = all.flatMap(({ columns }) => [least(columns.ts), greatest(columns.ts)]);
  return {
    ...{ run, facts, config },
    readings: all.reduce((sum, { arrivedAt }) => sum + arrivedAt.length, 0),
    ...(times.length > 0 && { firstAt: Math.min(...times), lastAt: Math.max(...times) }),
    late: {
      count: all.reduce((sum, { late }) => sum + late.count, 0),
      mostMs: Math.max(0, ...all.map(({ late }) => late.mostMs)),
    },
  };
}

async function membersOf(hub: HubClient, group: string): Promise<string[]> {
  return (await hub.all<GroupMember>(path`/groups/${group}/devices`)).map(({ device }) => device);
}

function least(ts: Float64Array): number {
  return ts.reduce((a, b) => Math.min(a, b));
}
function greatest(ts: Float64Array): number {
  return ts.reduce((a, b) => Math.max(a, b));
}

/** Each rung of the rule in words, and where its levels come from. */
export async function ruleLines(plan: RulePlan, config: JsonObject, source: RuleSource): Promise<string[]> {
  const { tagsOf } = await import('@weir/protocols');
  const { conditionText } = await import('@weir/runtime');
  const { sensor, metric } = plan.watches;
  const lines = [`watches ${sensor}/${metric}, an alert for each ${plan.by}`];
  for (const { severity, when, clear } of [...plan.ladder].reverse()) {
    const over = clear === undefined ? 'over when it is not' : `over when ${conditionText(clear)}`;
    lines.push(`${severity} when ${conditionText(when)}, ${over}`);
  }
  if (plan.forMs > 0) lines.push(`only once it has been so for ${spell(plan.forMs)}`);
  if (plan.latenessMs > 0) lines.push(`decides ${spell(plan.latenessMs)} later, so that what is late still counts`);
  for (const tag of tagsOf(plan)) lines.push(`the level ${tag} is ${levelOrigin(plan, tag, config, source)}`);
  return lines;
}

function levelOrigin(plan: RulePlan, tag: string, config: JsonObject, { deployments }: RuleSource): string {
  const value = config[tag];
  if (value === undefined) {
    const found = JSON.stringify(plan.ladder).match(new RegExp(`"tag":"${tag}","default":([-\\d.e+]+)`))?.[1];
    return found === undefined
      ? 'nowhere: the device has no such tag, the deployment does not say, and the rule has no default'
      : `${found}, the default in the rule`;
  }
  const given = deployments.some((each) => each.config[tag] === value);
  return given ? `${value}, as the deployment says` : `${value}, by the tag of the device`;
}

/** One line each, the times of the terminal. */
export function stepLines(steps: readonly ExplainedStep[], unit: string | undefined): string[] {
  let before = 'quiet';
  return steps.map((step) => {
    const moved = step.phase === before ? '' : `  ${before} → ${step.phase}`;
    before = step.phase;
    const by = step.fresh ? '' : ' (by the clock)';
    return `${clockTime(step.ts)}  ${plain(stepText(step, unit))}${by}${moved}`;
  });
}

export function stepText({ rungs, watched, away, dueAt }: ExplainedStep, unit: string | undefined): string {
  if (!watched) return 'not watched at this time';
  const top = [...rungs].reverse();
  const said =
    top.find(({ verdict }) => verdict === true) ?? top.find(({ problem }) => problem !== undefined) ?? top.at(-1)!;
  const parts = [rungText(said, unit)];
  if (away !== undefined) parts.push(away === 'error' ? 'cannot be judged' : 'no data');
  if (dueAt !== undefined) parts.push(`fires at ${clockTime(dueAt).slice(11)} if it stays so`);
  return parts.join('; ');
}

function rungText({ severity, verdict, value, level, problem, inForce }: RungView, unit = ''): string {
  const amount =
    value === undefined ? 'no value' : `${short(value)}${typeof value === 'number' && unit !== '' ? ` ${unit}` : ''}`;
  const beside = level === undefined ? '' : ` (level ${short(level)})`;
  if (verdict === undefined)
    return `${severity} is unknown${problem === undefined ? ': there is no value to judge' : `: ${problem}`}`;
  if (verdict) return `${severity} is true: ${amount}${beside}`;
  return `${amount}${beside}, ${severity} is not true${inForce ? ', and not over yet' : ''}`;
}

function short(value: number | boolean | string): string {
  return typeof value === 'number' ? String(Number(value.toPrecision(6))) : String(value);
}
