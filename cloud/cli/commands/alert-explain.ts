/** `weir alert explain`: why an alert fired, step by step, by running its rule again over the history. */
import type { AlertTransition } from '@weir/protocols';
import type { TransitionPair } from '@weir/runtime';
import { Command } from 'commander';
import type { EpisodeDetail } from '../alert-answers.ts';
import { series } from '../alert-words.ts';
import { spell } from '../backtest-report.ts';
import type { HubClient } from '../client.ts';
import { type Rerun, rerun, ruleLines, stepLines } from '../explaining.ts';
import { Misuse } from '../failure.ts';
import { bundleOf, hashOf, levelsOfNow, type RuleSource, sourceOf } from '../rule-source.ts';
import { examples, path, type Session } from '../session.ts';
import { clockTime, plain } from '../table.ts';
import { deploymentsOf } from './deploy.ts';

interface NotificationEntry {
  at: number;
  channel?: string;
  what: string;
  why: string;
  detail?: string;
}

interface Explained {
  episode: EpisodeDetail;
  notifications: NotificationEntry[];
  /** Why it was not run again. */
  problem?: string;
  source?: RuleSource;
  again?: Rerun;
  pairs?: TransitionPair[];
  same?: boolean;
}

const STEPS_MAX = 40;
/** So that what comes with the next tick is there, too. */
const AFTER_MS = 5_000;

export function alertExplainCommand(session: Session): Command {
  return new Command('explain')
    .description('why an alert fired and ended: its rule run again over the history, step by step')
    .argument('<episode>', 'its id, or as much of its begin as no other has')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir alert explain 3f2a91c0'))
    .action(async (id: string, { json }: { json?: boolean }) => {
      const explained = await explain(session.hub(), id);
      session.out(json ? `${JSON.stringify(jsonOf(explained), null, 2)}\n` : await textOf(explained));
    });
}

async function explain(hub: HubClient, id: string): Promise<Explained> {
  const episode = await hub.get<EpisodeDetail>(path`/alerts/${id}`);
  const { items: notifications } = await hub.get<{ items: NotificationEntry[] }>(
    path`/alerts/${episode.episode}/notifications`,
  );
  const explained: Explained = { episode, notifications };
  const { source, transitions, device } = episode;
  if (source.name.startsWith('weir.'))
    return { ...explained, problem: 'the hub raised it itself: no rule of yours did' };
  if (source.kind === 'function') return { ...explained, problem: 'a function raised it: its own code says why' };
  let rule: RuleSource;
  try {
    // At the version that raised it, whatever runs now.
    rule = await ruleOf(hub, source.name, transitions[0]?.source.version ?? source.version);
  } catch (error) {
    if (error instanceof Misuse) return { ...explained, problem: error.message };
    throw error;
  }
  const { comparedAgain } = await import('@weir/runtime');
  const ended = episode.clearedAt ?? episode.resolvedAt;
  const until = Math.min(Date.now(), (ended ?? Date.now()) + AFTER_MS);
  const again = await rerun(hub, rule, device, { from: episode.startedAt - BEFORE_MS, until: until + lateness(rule) });
  if (again.firstAt === undefined || again.firstAt > episode.startedAt) {
    const what = again.firstAt === undefined ? 'there is none left' : `it begins at ${clockTime(again.firstAt)}`;
    return { ...explained, source: rule, again, problem: `the history does not reach back to it: ${what}` };
  }
  const own = again.run.transitions.filter((each) => isOf(each, episode));
  return { ...explained, source: rule, again, ...comparedAgain(transitions, own) };
}

/** What was shortly before belongs to the picture. */
const BEFORE_MS = 60_000;

function lateness({ rule }: RuleSource): number {
  return rule.lateness ?? 0;
}

/** The episode of this begin: run again it has another name where other episodes were before. */
function isOf(each: AlertTransition, { sensor, metric, startedAt, transitions }: EpisodeDetail): boolean {
  const begins = new Set([startedAt, ...transitions.map((told) => told.startedAt)]);
  return each.sensor === sensor && each.metric === metric && begins.has(each.startedAt);
}

async function ruleOf(hub: HubClient, name: string, version: string): Promise<RuleSource> {
  const deployments = (await deploymentsOf(hub)).filter((each) => each.name === name);
  const hash = deployments.find((each) => each.version === version)?.hash ?? (await hashOf(hub, name, version));
  return sourceOf(await bundleOf(hub, hash), deployments);
}

function jsonOf({ episode, notifications, problem, source, again, pairs, same }: Explained): object {
  const steps = again === undefined ? undefined : stepsOf(again, episode);
  const about = again && { readings: again.readings, firstAt: again.firstAt, late: again.late, config: again.config };
  return { episode, rule: source?.identity, problem, ...about, steps, same, transitions: pairs, notifications };
}

function stepsOf({ run }: Rerun, { device, sensor, metric }: EpisodeDetail) {
  const subjects = [`${sensor}/${metric}`, `${sensor}`, '.'];
  const found = subjects.map((subject) => run.logs.get(subject)).find((log) => log !== undefined);
  return (found ?? run.logs.get(`${device}/.`))?.steps ?? [];
}

async function textOf(explained: Explained): Promise<string> {
  const { episode, problem, source, again } = explained;
  const lines = [
    `${series(episode)}: ${plain(episode.summary)}`,
    `${episode.state}, ${episode.severity}; ${episode.source.kind} ${episode.source.name}@${episode.source.version} raised it ${episode.origin === 'edge' ? 'on the device' : 'in the hub'}`,
  ];
  if (episode.dryRun) lines.push('its rule was on trial: nobody was told');
  if (episode.historical) lines.push('it was over before anybody looked: recorded, not told as it happened');
  if (source !== undefined && again !== undefined) {
    lines.push('', `The rule ${source.identity}`, ...indented(await ruleLines(again.facts.plan, again.config, source)));
    const steps = stepLines(stepsOf(again, episode), again.facts.plan.unit ?? episode.unit);
    if (steps.length > 0) lines.push('', 'What it saw', ...indented(shortened(steps)));
  }
  lines.push('', 'What was told', ...indented(episode.transitions.map(transitionText)));
  lines.push('', ...verdictLines(explained));
  const ofNow = source && again && (await levelsOfNow([source.rule]));
  if (ofNow !== undefined) lines.push(ofNow);
  if (problem !== undefined) lines.push(`It was not run again: ${problem}.`);
  lines.push('', 'Who was told', ...indented(notificationLines(explained)));
  return `${lines.join('\n')}\n`;
}

function verdictLines({ again, pairs = [], same, episode }: Explained): string[] {
  if (again === undefined || same === undefined) return [];
  const lines: string[] = [];
  const { readings, late, firstAt } = again;
  lines.push(
    `Run again over ${readings.toLocaleString('en')} readings, from ${clockTime(firstAt!)} on: ${same ? 'the same was told' : 'it is NOT the same'}.`,
  );
  if (late.count > 0) lines.push(`${late.count} readings came behind later ones, by up to ${spell(late.mostMs)}.`);
  if (same) return lines;
  for (const { told, again: other, same: isSame } of pairs) {
    if (isSame) continue;
    if (told !== undefined) lines.push(`  - told   ${transitionText(told)}`);
    if (other !== undefined) lines.push(`  + again  ${transitionText(other)}`);
  }
  const reasons = ['readings that never came to the hub, or were forgotten', 'a tag that was changed since'];
  if (episode.origin === 'cloud') reasons.push('a device that was away, which freezes rules in the hub');
  lines.push(`  That may be for ${reasons.join('; ')}.`);
  return lines;
}

function transitionText({
  state,
  severity,
  reason,
  ts,
  startedAt,
  value,
  unit = '',
  level,
  historical,
}: AlertTransition): string {
  const amount =
    value === undefined
      ? ''
      : `  ${value}${unit === '' ? '' : ` ${unit}`}${level === undefined ? '' : ` (level ${level})`}`;
  const since = state !== 'resolved' && startedAt !== ts ? `, true since ${clockTime(startedAt)}` : '';
  return plain(`${clockTime(ts)}  ${state} ${severity}, ${reason}${since}${historical ? ', historical' : ''}${amount}`);
}

function notificationLines({ notifications, episode }: Explained): string[] {
  if (notifications.length === 0)
    return [episode.dryRun ? 'nobody: it is of a dry run' : 'nobody, as far as the hub remembers'];
  return notifications.map(({ at, channel = 'all channels', what, why, detail }) =>
    plain(`${clockTime(at)}  ${channel}: ${what} (${why}${detail === undefined ? '' : `: ${detail}`})`),
  );
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

function shortened(lines: readonly string[]): string[] {
  if (lines.length <= STEPS_MAX) return [...lines];
  const half = STEPS_MAX / 2;
  return [...lines.slice(0, half), `… ${lines.length - STEPS_MAX} more …`, ...lines.slice(-half)];
}
