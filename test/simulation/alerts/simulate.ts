/** One seed: a rule, a story, what was told of it, and what should have been. */
import { type Condition, type RuleInput, rulePlan } from '@weir/protocols';
import { Dice } from '../dice.ts';
import { joinedOver, type Strictness, violationsOf } from './checks.ts';
import type { Episode } from './machine.ts';
import type { Measured } from './measures.ts';
import { episodesOf } from './oracle.ts';
import { drawRule, MOMENT_MS } from './rules.ts';
import { BACKLOG_AFTER_MS, drawStory, type Story } from './story.ts';
import { episodesTold, type Mutation, toldBy } from './told.ts';

/** `in-bound`: whatever comes, comes within the lateness of the rule; else there is an outage as well. */
export type StoryKind = 'in-bound' | 'outage' | 'plain-outage';

const STRICTNESS: Record<StoryKind, Strictness> = {
  'in-bound': 'exactly',
  outage: 'numbers',
  'plain-outage': 'as-a-whole',
};

export interface AlertsResult {
  kind: StoryKind;
  violations: string[];
  written: RuleInput;
  episodes: number;
  wanted: Episode[];
  told: Episode[];
  story: Story;
}

export async function simulateAlerts({
  seed,
  mutation = 'none',
  ...given
}: {
  seed: number;
  mutation?: Mutation;
  kind?: StoryKind;
}): Promise<AlertsResult> {
  const dice = new Dice(`alerts/${seed}`);
  const kind = given.kind ?? dice.pick(['in-bound', 'in-bound', 'outage', 'plain-outage']);
  const { written, rule } = drawRule(dice.fork('rule'), kind === 'plain-outage');
  const plan = rulePlan(rule);
  const config: Record<string, string> = dice.chance(0.5) ? { high: '9' } : {};
  const hasSilence = plan.ladder.some(({ when }) => isSilent(when));
  const canMoveClock = !JSON.stringify(plan.ladder).includes('"mode":"tumbling"');
  const story = drawStory(dice.fork('story'), {
    canMoveClock,
    latenessMs: plan.latenessMs,
    hasSilence,
    hasOutage: kind !== 'in-bound',
    isRegular: kind === 'plain-outage',
  });
  const told = await toldBy(rule, config, story, mutation);
  const { samples, from, until } = story;
  const seen = episodesOf({ plan, samples, from, until, momentMs: MOMENT_MS, config });
  const wanted =
    story.outage === undefined ? seen : joinedOver({ from: story.outage.from, backAt: backAt(story) }, seen);
  const heard = episodesTold(told, story);
  const strictness = STRICTNESS[kind];
  return {
    kind,
    violations: violationsOf(wanted, heard, told.transitions, { from, until, strictness }),
    written,
    episodes: wanted.length,
    wanted,
    told: heard,
    story,
  };
}

function isSilent(condition: Condition): boolean {
  if (condition.kind === 'of') return condition.conditions.some(isSilent);
  if (condition.kind === 'series' || condition.kind === 'repeated') return isSilent(condition.condition);
  return condition.kind === 'silent';
}

/** What was first heard of each series when the line was there again, and before the backlog. */
function backAt({ deeds, outage }: Story): Map<string, number> {
  const back = new Map<string, number>();
  const known = new Set<Measured>();
  for (const deed of deeds) {
    if (deed.kind !== 'samples' || deed.at >= outage!.to + BACKLOG_AFTER_MS) continue;
    for (const sample of deed.samples) {
      const key = `${sample.sensor}/${sample.metric}`;
      if (deed.at >= outage!.to && !known.has(sample)) back.set(key, Math.min(sample.ts, back.get(key) ?? sample.ts));
      known.add(sample);
    }
  }
  return back;
}
