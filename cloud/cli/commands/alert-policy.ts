import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { Misuse } from '../failure.ts';
import { examples, family, pair, type Session } from '../session.ts';
import { clockTime, table } from '../table.ts';

interface PolicyShown {
  text?: string;
  at?: number;
  by?: string;
}

interface Tried {
  channel: string;
  told: boolean;
  why: string;
}

const EXAMPLE = `
A policy:
  routes:                              # the first that matches says which channels
    - match: ['severity=critical']
      channels: [on-call]
      continue: true                   # and look at those behind it
    - match: ['tag_line=~"oven.*"', 'group=ovens']     # either
      channels: [bakers]
  default: [mail]                      # where no route matches; absent: all channels
  inhibit:
    - { name: power, source: ['alertname=power-lost'], target: ['severity!=critical'], equal: [tag_hall] }
  escalations:                         # until somebody acknowledges it, or it is over
    - match: ['severity=critical']
      steps: [{ after: 5m, channels: [phone] }, { after: 15m, channels: [boss] }]
  mute:
    - { name: cleaning, match: ['tag_hall=2'], times: { zone: Europe/Oslo, times: ['Sat 06:00-08:00'] } }
  flapping: { changes: 6, within: 10m, calm: 10m }
`;

export function policyCommand(session: Session): Command {
  const policy = family('policy', 'who is told of which alerts, and when: one document');
  policy
    .command('show')
    .description('the policy, as it was applied')
    .option('--json', 'print JSON')
    .action((options: { json?: boolean }) => show(session, options));
  policy
    .command('apply')
    .description('set the policy; one that is wrong changes nothing, and is told with its line')
    .argument('<file>', 'YAML, or - for what comes in')
    .addHelpText('after', `${examples('weir alert policy apply alerts.yaml')}${EXAMPLE}`)
    .action((file: string) => apply(session, file));
  policy
    .command('test')
    .description('which channels would be told now of an alert with such labels, and why the others would not')
    .argument('[file]', 'a policy that is not in force yet')
    .requiredOption('--labels <labels...>', 'alertname=oven-hot device=gw1 severity=critical …')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir alert policy test --labels alertname=oven-hot device=gw1 severity=critical',
        'weir alert policy test alerts.yaml --labels tag_hall=2',
      ),
    )
    .action((file: string | undefined, options: { labels: string[]; json?: boolean }) => test(session, file, options));
  return policy;
}

async function show(session: Session, { json }: { json?: boolean }): Promise<void> {
  const shown = await session.hub().get<PolicyShown>('/alert-policy');
  if (json) session.out(`${JSON.stringify(shown, null, 2)}\n`);
  else if (shown.text === undefined) {
    session.note('There is no policy: each channel is told of every alert. Write one: weir alert policy apply FILE\n');
  } else {
    session.note(`Applied ${clockTime(shown.at!)} by ${shown.by}\n`);
    session.out(shown.text.endsWith('\n') ? shown.text : `${shown.text}\n`);
  }
}

async function apply(session: Session, file: string): Promise<void> {
  await session.hub().send('PUT', '/alert-policy', { text: await textOf(file) });
  session.note('Applied. What waits is looked at again by it. Try it: weir alert policy test --labels …\n');
}

async function test(
  session: Session,
  file: string | undefined,
  { labels, json }: { labels: string[]; json?: boolean },
): Promise<void> {
  const given = labels.flatMap((text) => text.split(',')).map((text) => pair(text.trim(), 'a label'));
  const body = {
    labels: Object.fromEntries(given.map(([name, value]) => [name, value.replace(/^"(.*)"$/, '$1')])),
    ...(file !== undefined && { text: await textOf(file) }),
  };
  const { items } = await session.hub().send<{ items: Tried[] }>('POST', '/alert-policy/try', body);
  if (json) session.out(`${JSON.stringify(items, null, 2)}\n`);
  else if (items.length === 0) session.note('There is no channel. Add one: weir channel add NAME --webhook URL\n');
  else
    session.out(
      table(
        ['CHANNEL', 'TOLD', 'WHY'],
        items.map(({ channel, told, why }) => [channel, told ? 'yes' : 'no', why]),
      ),
    );
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file === '-' ? '/dev/stdin' : file, 'utf8');
  } catch (error) {
    throw new Misuse(`${file} cannot be read: ${(error as Error).message}`, 'is its name right?');
  }
}
