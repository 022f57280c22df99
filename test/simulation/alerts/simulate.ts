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

/**
 * `in-bound`: whatever comes, comes within the lateness of the rule; `together`: so it does, and several series say something
 * at one moment. Else there is an outage as well; `late-outage`: both, with a rule that is plain as in `plain-outage`.
 */
export type StoryKind = 'in-bound' | 'together' | 'outage' | 'plain-outage' | 'late-outage';

const STRICTNESS: Record<StoryKind, Strictness> = {
  'in-bound': 'exactly',
  together: 'exactly',
  outage: 'numbers',
  'plain-outage': 'as-a-whole',
  'late-outage': 'as-a-whole',
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
  const kind = given.kind ?? drawKind(dice);
  const isPlain = kind === 'plain-outage' || kind === 'late-outage';
  const { written, rule } = drawRule(dice.fork('rule'), kind);
  const plan = rulePlan(rule);
  const config: Record<string, string> = dice.chance(0.5) ? { high: '9' } : {};
  const hasSilence = plan.ladder.some(({ when }) => isSilent(when));
  const canMoveClock = !JSON.stringify(plan.ladder).includes('"mode":"tumbling"');
  const story = drawStory(dice.fork('story'), {
    canMoveClock,
    latenessMs: plan.latenessMs,
    hasSilence,
    hasOutage: kind !== 'in-bound' && kind !== 'together',
    isRegular: isPlain,
    isTogether: kind === 'together' || (kind === 'outage' && dice.fork('together').chance(0.5)),
  });
  const told = await toldBy(rule, config, story, mutation);
  const { samples, from, until } = story;
  const seen = episodesOf({ plan, samples, from, until, momentMs: MOMENT_MS, config });
  const wanted = story.outage === undefined ? seen : joinedOver({ cutAt: cutAt(story), backAt: backAt(story) }, seen);
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

function drawKind(dice: Dice): StoryKind {
  const kind = dice.pick(['in-bound', 'in-bound', 'outage', 'plain-outage'] as const);
  if (kind === 'in-bound' && dice.fork('together').chance(0.5)) return 'together';
  return kind === 'plain-outage' && dice.fork('lateness').chance(0.5) ? 'late-outage' : kind;
}

/** What is the first of each series that had not been heard of when the line was cut. */
function cutAt({ samples, deeds, outage }: Story): Map<string, number> {
  const heard = new Set(
    deeds.flatMap((deed) => (deed.kind === 'samples' && deed.at < outage!.from ? deed.samples : [])),
  );
  const cut = new Map<string, number>();
  for (const sample of samples) {
    const key = `${sample.sensor}/${sample.metric}`;
    if (!heard.has(sample) && !cut.has(key)) cut.set(key, sample.ts);
  }
  return cut;
}

/** What was first known of each series when the line was there again, and before the backlog. */
function backAt({ deeds, outage }: Story): Map<string, number> {
  const back = new Map<string, number>();
  const known = new Set<Measured>();
  for (const deed of deeds) {
    if (deed.kind !== 'samples' || deed.at >= outage!.to + BACKLOG_AFTER_MS) continue;
    for (const sample of deed.samples) {
      const key = `${sample.sensor}/${sample.metric}`;
      const isKnown = sample.quality === undefined && typeof sample.value !== 'string';
      if (isKnown && deed.at >= outage!.to && !known.has(sample))
        back.set(key, Math.min(sample.ts, back.get(key) ?? sample.ts));
      known.add(sample);
    }
  }
  return back;
}
