import { LANES } from '@weir/protocols';
import { Command } from 'commander';
import type { DeviceGaps, Gap, GapSummary, Restored } from '../answers.ts';
import type { PageOf } from '../client.ts';
import { Misuse } from '../failure.ts';
import { examples, listing, oneOf, path, type Session, wholeNumber } from '../session.ts';
import { clockTime, table } from '../table.ts';

type Page = PageOf<Gap> & { summary: GapSummary };

const STATES = ['dropped', 'waiting', 'unexplained', 'ended'] as const;
const HEADINGS = { dropped: 'GIVEN UP', waiting: 'WAITING', unexplained: 'UNEXPLAINED', ended: 'ENDED' } as const;
/** A screen or two; who wants all says so. */
const SHOWN = 100;
const PER_PAGE = 500;

interface Options {
  lane?: string;
  state?: (typeof STATES)[number];
  limit: number;
  json?: boolean;
}

export function deviceGaps(session: Session): Command {
  return new Command('gaps')
    .description('what a device measured and the hub does not have: given up by the device, or missing without a word')
    .argument('[device]', 'all of which anything is missing, if absent')
    .option('--lane <lane>', `only of this lane: ${LANES.join(', ')}`, oneOf(...LANES))
    .option('--state <state>', `only those: ${STATES.join(', ')}`, oneOf(...STATES))
    .option('--limit <n>', 'the newest n', wholeNumber, SHOWN)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('weir device gaps', 'weir device gaps gw1', 'weir device gaps gw1 --state unexplained --json'),
    )
    .action(async (device: string | undefined, { limit, json, ...about }: Options) => {
      if (device === undefined) return fleet(session, { ...about, ...(json && { json }) });
      const { summary, items } = await newest(session, device, about, limit);
      if (json) return session.out(`${JSON.stringify({ ...summary, gaps: items }, null, 2)}\n`);
      session.out(
        `${[sums(summary), restorations(summary), listed(items)].filter((text) => text !== '').join('\n\n')}\n`,
      );
    });
}

async function fleet(session: Session, { json, lane, state }: Omit<Options, 'limit'>): Promise<void> {
  if (lane !== undefined) throw new Misuse('--lane goes with a device', 'give its name, or leave --lane out');
  const all = await session.hub().all<DeviceGaps>('/gaps');
  const items = all.filter((each) => state === undefined || each[state] > 0);
  listing(session, { json: json ?? false }, items, {
    empty: 'Nothing is missing of any device.',
    heading: ['DEVICE', ...STATES.map((state) => HEADINGS[state])],
    row: ({ device, ...states }) => [device, ...STATES.map((state) => String(states[state]))],
  });
}

async function newest(
  session: Session,
  device: string,
  about: { lane?: string; state?: string },
  limit: number,
): Promise<{ summary: GapSummary; items: Gap[] }> {
  const items: Gap[] = [];
  let summary: GapSummary | undefined;
  let after: string | undefined;
  do {
    const rest = Math.max(1, Math.min(PER_PAGE, limit - items.length));
    const page = await session.hub().get<Page>(path`/devices/${device}/gaps`, { ...about, limit: rest, after });
    summary ??= page.summary;
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined && items.length < limit);
  return { summary, items: items.slice(0, limit) };
}

function sums({ lanes }: GapSummary): string {
  const rows = lanes
    .filter(({ dropped, waiting, unexplained, ended }) => dropped + waiting + unexplained + ended > 0)
    .map(({ lane, ...states }) => [lane, ...STATES.map((state) => String(states[state]))]);
  if (rows.length === 0) return 'Nothing is missing.';
  return table(['LANE', ...STATES.map((state) => HEADINGS[state])], rows).trimEnd();
}

function restorations({ restored: { count, last } }: GapSummary): string {
  if (count === 0) return '';
  const rows = last.toReversed().map((each) => [clockTime(each.at), each.run, each.lane, wentBack(each)]);
  return table(['WENT ON FROM AN OLD COPY', 'AS RUN', 'SEEN IN', ''], rows).trimEnd();
}

function wentBack({ seq, reached, wasOver }: Restored): string {
  if (wasOver) return 'another life had begun';
  return `from item ${seq} again, ${reached - seq} were numbered twice`;
}

function listed(items: readonly Gap[]): string {
  if (items.length === 0) return '';
  const rows = items.map((gap) => [
    clockTime(gap.noticedAt),
    gap.lane,
    gap.state,
    count(gap),
    `${gap.seq} … ${gap.through - 1}`,
    gap.from === undefined || gap.to === undefined ? '' : `${clockTime(gap.from)} … ${clockTime(gap.to).slice(11)}`,
    Object.keys(gap.reasons ?? {}).join(', '),
  ]);
  return table(['NOTICED', 'LANE', 'STATE', 'ITEMS', 'NUMBERS', 'MEASURED', 'WHY'], rows, [6, 5]).trimEnd();
}

function count({ missing, dropped }: Gap): string {
  return dropped === 0 || dropped === missing ? String(missing) : `${dropped} of ${missing}`;
}

/** In `weir device show`: nothing, where all is well. */
export function gapLines(device: string, { lanes, lives, restored }: GapSummary): string {
  const parts = STATES.flatMap((state) => {
    const sum = lanes.reduce((total, lane) => total + lane[state], 0);
    return sum === 0 ? [] : [`${sum} ${SAID[state]}`];
  });
  const lines: string[] = [];
  if (parts.length > 0) lines.push(`missing      ${parts.join(', ')}: weir device gaps ${device}`);
  const newest = restored.last.at(-1);
  if (newest !== undefined) {
    const times = restored.count === 1 ? 'once' : `${restored.count} times`;
    lines.push(`restored     ${times} from an old copy of its disk, last noticed ${clockTime(newest.at)}`);
  }
  const begun = lives.last.at(-1);
  if (lives.count > 1 && begun !== undefined) {
    lines.push(`begun anew   ${lives.count - 1} times, last ${clockTime(begun.at)}`);
  }
  return lines.join('\n');
}

const SAID = {
  dropped: 'given up by the device',
  waiting: 'may be on their way',
  unexplained: 'lost without a word',
  ended: 'of a life of the device that is over',
} as const;
