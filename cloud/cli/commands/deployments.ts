import type { Command } from 'commander';
import type { DeploymentStatus, Rollout } from '../answers.ts';
import type { HubClient } from '../client.ts';
import { Failure } from '../failure.ts';
import { examples, family, listing, path, type Session } from '../session.ts';
import { clockTime, plain, table } from '../table.ts';
import { deploymentsOf, type WaitOptions, waitMsOf, withWaitOptions } from './deploy.ts';
import { countsText, followRollout } from './rollout-live.ts';
import { stateCells } from './status-rows.ts';

/** Of a text that stands last in a table of rollouts. */
const ROOM = 40;

interface StatusOptions {
  group?: string;
  device?: string;
  json?: boolean;
}

const ACTIONS = {
  pause: ['let nobody else in; who has it keeps it', 'is paused'],
  resume: ['go on after a pause', 'goes on'],
  abort: ['have all devices go back to the last good version, also those that are offline', 'is aborted'],
  switch: ['blue/green: have the new version take over where both run', 'takes over once its wave has run it'],
} as const;

export function deployCommands(session: Session): Command {
  const deploy = family('deploy', 'how deployments come to the devices, and are doing there');
  statusCommand(session, deploy.command('status'));
  for (const [action, [description, done]] of Object.entries(ACTIONS)) {
    deploy
      .command(action)
      .description(description)
      .argument('<name>', 'function, rule or policy')
      .requiredOption('--group <group>', 'group it is rolled out to')
      .addHelpText('after', examples(`weir deploy ${action} oven-mean --group ovens`))
      .action(async (name: string, { group }: { group: string }) => {
        const rollout = await session.hub().send<Rollout>('POST', path`/groups/${group}/rollouts/${name}/${action}`);
        session.note(`${name}@${rollout.version} on group ${group} ${done}. ${plain(rollout.told.at(-1)!.text)}\n`);
      });
  }
  withWaitOptions(deploy.command('retry'))
    .description('begin an aborted rollout anew, with its first wave')
    .argument('<name>', 'function, rule or policy')
    .requiredOption('--group <group>', 'group it is rolled out to')
    .addHelpText('after', examples('weir deploy retry oven-mean --group ovens'))
    .action(async (name: string, options: WaitOptions & { group: string }) => {
      const waitMs = await waitMsOf(options);
      const { group } = options;
      const hub = session.hub();
      const rollout = await hub.send<Rollout>('POST', path`/groups/${group}/rollouts/${name}/retry`);
      session.note(`${name}@${rollout.version} is rolled out to group ${group} again\n`);
      if (waitMs > 0)
        await followRollout(session, hub, { group, name }, options.timeout === undefined ? undefined : waitMs);
    });
  historyCommand(session, deploy.command('history'));
  return deploy;
}

function statusCommand(session: Session, command: Command): void {
  command
    .description('what is on its way, what is wanted on each device, and what it says it runs')
    .argument('[name]', 'one function, rule or policy')
    .option('--group <group>', 'devices of one group')
    .option('--device <device>', 'one device')
    .option('--json', 'print JSON: the devices')
    .addHelpText('after', examples('weir deploy status', 'weir deploy status oven-hot --group ovens'))
    .action(async (name: string | undefined, options: StatusOptions) => {
      const hub = session.hub();
      const query = { name, group: options.group, device: options.device };
      const items = await hub.all<DeploymentStatus>('/deployments', query);
      if (items.length === 0) await verifyKnown(hub, name, options);
      if (!options.json && options.device === undefined) {
        const rollouts = await hub.all<Rollout>('/rollouts', { name });
        showRollouts(
          session,
          rollouts.filter(({ group }) => options.group === undefined || group === options.group),
        );
      }
      listing(session, options, items, {
        empty: nothingDeployed(name, options),
        heading: ['DEVICE', 'RUNS', 'WHERE', 'VERSION', 'STATE', 'DETAIL'],
        row: (each) => [each.device, ...stateCells(each)],
      });
    });
}

/** What nobody has is told as such; what nobody ever heard of is an error: it is misspelt. @throws {Failure} of a name */
async function verifyKnown(hub: HubClient, name: string | undefined, { group, device }: StatusOptions): Promise<void> {
  if (device !== undefined) await hub.get(path`/devices/${device}`);
  const wanted = await deploymentsOf(hub, group);
  if (name === undefined || wanted.some((each) => each.name === name)) return;
  const rollouts = await hub.all<Rollout>('/rollouts', { name });
  if (rollouts.some((each) => group === undefined || each.group === group)) return;
  const where = group === undefined ? 'any group' : `group ${group}`;
  throw new Failure(
    `no function, rule or policy "${name}" is deployed to ${where}`,
    'see what is: weir deploy status; weir fn list; weir rule list',
  );
}

/** Of what is done there is nothing to say but what the devices say. */
function showRollouts(session: Session, all: readonly Rollout[]): void {
  const shown = all.filter(({ phase, atOnce }) => phase !== 'done' && !(atOnce && phase === 'watching'));
  if (shown.length === 0) return;
  const heading = ['ROLLOUT', 'VERSION', 'GROUP', 'STATE', 'WAVE', 'DETAIL'];
  const rows = shown.map((each) => [each.name, each.version, each.group, each.phase, waveOf(each), detailOf(each)]);
  session.out(table(heading, rows));
  for (const each of shown) session.out(atLength(`${each.name} on ${each.group}`, detailOf(each)));
  session.out('\n');
}

/** Below a table that may have cut it: why something was aborted is what people look for. */
function atLength(of: string, text: string): string {
  return text.length > ROOM ? `${of}: ${plain(text)}\n` : '';
}

/** An aborted one has gone back in the end: what it was aborted for says more. */
function howItWent({ phase, why, told }: Rollout): string {
  const last = told.at(-1)?.text ?? '';
  if (why === undefined || (phase !== 'aborted' && phase !== 'aborting')) return last;
  return last.startsWith(why) ? last : `${why}; ${last}`;
}

function waveOf({ wave, waves, atOnce }: Rollout): string {
  return atOnce ? '-' : `${wave} of ${waves.length}`;
}

function detailOf({ why, goesBackTo, counts, waiting }: Rollout): string {
  if (why !== undefined) return goesBackTo === undefined ? why : `${why}; all go back to ${goesBackTo}`;
  return [counts && countsText(counts), waiting].filter((part) => part !== undefined).join('; ');
}

function historyCommand(session: Session, command: Command): void {
  command
    .description('rollouts of a group, the newest first: how each went, and why')
    .argument('[name]', 'one function, rule or policy')
    .requiredOption('--group <group>', 'group they went to')
    .option('--json', 'print JSON, with all that happened')
    .addHelpText('after', examples('weir deploy history --group ovens', 'weir deploy history oven-mean --group ovens'))
    .action(async (name: string | undefined, options: { group: string; json?: boolean }) => {
      const query = { name };
      const { items } = await session.hub().get<{ items: Rollout[] }>(path`/groups/${options.group}/rollouts`, query);
      listing(session, options, items, {
        empty: `Nothing was deployed to group ${options.group}.`,
        heading: ['SET', 'NAME', 'VERSION', 'STATE', 'WAVE', 'HOW IT WENT'],
        row: (each) => [
          clockTime(each.createdAt),
          ...[each.name, each.version, each.phase, waveOf(each), howItWent(each)],
        ],
      });
      if (options.json) return;
      for (const each of items) {
        if (each.why !== undefined) session.out(atLength(`${each.name}@${each.version}`, howItWent(each)));
      }
    });
}

function nothingDeployed(name: string | undefined, { group, device }: StatusOptions): string {
  const what = name === undefined ? 'Nothing' : `Nothing named ${name}`;
  const where = device === undefined ? 'a device' : `device ${device}`;
  return `${what} is deployed to ${where}${group === undefined ? '' : ` of group ${group}`}.`;
}
