/** From the moves of a subject's machine to transitions as they are told. The only place that makes transitions of rules. */
import {
  type AlertReason,
  type AlertState,
  type AlertTransition,
  CAUSES_MAX,
  changesAt,
  inTimes,
} from '@weir/protocols';
import { episodeId, nextTransition } from '../../fold/episodes.ts';
import type { Publish } from '../../fold/fold.ts';
import type { Subject } from '../conditions/signals.ts';
import { endText, type Named, summaryText, templateText, unitOf } from './texts.ts';
import type { Facts, TrackRule } from './track.ts';

/** The episode of a subject; part of its state. */
export interface OpenState {
  episode: string;
  /** Number of the last transition. */
  seq: number;
  startedAt: number;
  /** Event time of the last transition. */
  toldAt: number;
  /** Rung in force when it was told last. */
  rung: number;
  /** What is pending only is nobody's business. */
  fired?: true;
  /** It is not told by itself, for too many are: a summary counts it. */
  covered?: true;
  /** Its rule was on trial when it was told first: so it stays, to its end, whatever the rule is then. */
  dryRun?: true;
  /** It was over before anybody was told. */
  historical?: true;
}

export interface RuleIdentity {
  /** Of the host. */
  device: string;
  version: string;
  rule: TrackRule;
}

export interface Detail {
  state: AlertState;
  reason: AlertReason;
  ts: number;
  rung: number;
  count?: number;
  summary?: string;
}

/** @param ordinal how many episodes this rule has opened on this device before */
export function newOpen(
  { device, rule }: RuleIdentity,
  subject: string,
  startedAt: number,
  ordinal: number,
): OpenState {
  const episode = episodeId(device, rule.plan.name, subject, startedAt, ordinal);
  return { episode, seq: 0, startedAt, toldAt: startedAt, rung: 0 };
}

/** Of an episode that is found in the past: however often it is found, it is the same one. */
export function pastOpen({ device, rule }: RuleIdentity, subject: string, startedAt: number): OpenState {
  const episode = episodeId(device, rule.plan.name, `${subject} past`, startedAt, 0);
  return { episode, seq: 0, startedAt, toldAt: startedAt, rung: 0, fired: true, historical: true };
}

/** Moves the episode on. Transitions of one episode do not go back in time, but where an end is corrected. */
export function tellOf(
  identity: RuleIdentity,
  subject: Subject,
  unit: string | undefined,
  open: OpenState,
  facts: Facts,
  detail: Detail,
): AlertTransition {
  const { device, version, rule } = identity;
  const { plan } = rule;
  const { state, reason, rung, count } = detail;
  const ts = state === 'resolved' && reason === 'corrected' ? detail.ts : Math.max(detail.ts, open.toldAt);
  open.toldAt = ts;
  open.rung = rung;
  // What was told as fired is told as ended, and what nobody was told of is no news to anybody later.
  if (open.seq === 0 && plan.dryRun) open.dryRun = true;
  const inUnit = unitOf(plan.ladder[rung]!.when, plan.unit ?? unit);
  const named: Named = { device, ...placeOf(subject, facts), unit: inUnit, facts };
  const summary =
    detail.summary ?? (state === 'resolved' ? endText(plan, rung, named, reason) : summaryText(plan, rung, named));
  const { severity } = plan.ladder[rung]!;
  const episode = { ...open, severity, ...placeOf(subject, {}), ...(facts.peak !== undefined && { peak: facts.peak }) };
  const source = { kind: 'rule', name: plan.name, version } as const;
  const value = typeof facts.value === 'string' ? facts.value.slice(0, 256) : facts.value;
  const transition = nextTransition(episode, device, source, { state, reason, ts, summary, value });
  open.seq = episode.seq;
  if (typeof facts.level === 'number') transition.level = facts.level;
  if (named.unit !== undefined) transition.unit = named.unit;
  if (plan.description !== undefined) transition.description = templateText(plan.description, rung, named, plan, 1_000);
  if (plan.runbook !== undefined) transition.runbook = templateText(plan.runbook, rung, named, plan, 500);
  if (Object.keys(plan.labels).length > 0) transition.labels = plan.labels;
  const causes = facts.causes?.slice(0, CAUSES_MAX) ?? [];
  if (causes.length > 0) transition.causes = causes;
  if (open.historical) transition.historical = true;
  if (open.dryRun) transition.dryRun = true;
  if (plan.exit.latch) transition.latch = true;
  if (count !== undefined) transition.count = count;
  const mutedUntil = mutedAt(rule, ts);
  if (mutedUntil !== undefined) transition.mutedUntil = mutedUntil;
  return transition;
}

/** What is done on the device when it fires for the first time, and when it has ended. Named so that a replay names it the same. */
export function actuation(
  { rule: { plan } }: RuleIdentity,
  { episode, seq, state, historical, dryRun }: AlertTransition,
  isFirst: boolean,
): Publish | undefined {
  const { actuate } = plan;
  if (actuate === undefined || dryRun || historical) return undefined;
  if (state !== 'resolved' && !isFirst) return undefined;
  const payload = state === 'resolved' ? actuate.resolved : actuate.firing;
  return { id: `${plan.name}:${episode}-${seq}:0`, topic: actuate.topic, payload, qos: 1, retain: actuate.retain };
}

/** Undefined: people are to be told. */
function mutedAt({ plan, zone }: TrackRule, ts: number): number | undefined {
  if (!inTimes(plan.maintenance, ts, zone)) return undefined;
  const until = changesAt(plan.maintenance, ts, zone);
  return Number.isFinite(until) ? until : undefined;
}

/** Whose it is; of what is not one series, that which was the worst. */
function placeOf({ sensor, metric }: Subject, { causes }: Partial<Facts>): { sensor?: string; metric?: string } {
  const [cause] = causes ?? [];
  const place: { sensor?: string; metric?: string } = {};
  const named = { sensor: sensor ?? cause?.sensor, metric: metric ?? cause?.metric };
  if (named.sensor !== undefined) place.sensor = named.sensor;
  if (named.metric !== undefined) place.metric = named.metric;
  return place;
}
