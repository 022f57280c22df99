import { type Command, InvalidArgumentError } from 'commander';
import type { Deployment, Device, Group, GroupMember, GroupSummary } from '../answers.ts';
import { Misuse } from '../failure.ts';
import { type RemoveOptions, removeFrom, withRemoveOptions } from '../removing.ts';
import { examples, family, listing, path, type Session } from '../session.ts';
import { clockTime, lasting, table } from '../table.ts';

interface Settings {
  selector?: string | false;
  priority?: number;
  alertAfter?: string;
}

export function groupCommands(session: Session): Command {
  const group = family('group', 'sets of devices, by list or by tags; functions and rules are deployed to groups');
  group.addCommand(create(session)).addCommand(set(session)).addCommand(list(session)).addCommand(show(session));
  group.addCommand(members(session)).addCommand(add(session)).addCommand(remove(session));
  group.addCommand(exclude(session)).addCommand(deleteGroup(session));
  return group;
}

const SELECTOR_HELP =
  "takes devices by their tags: 'site=oslo, model!=v1', 'line in (a, b)', 'spare', '!spare'; '*': all";
const PRIORITY_HELP = 'of groups that want the same name the highest goes first (0)';
const ALERT_HELP =
  'how long a device may be away before somebody is told, e.g. 10m; off: nobody is; default: as the hub has it';

function create(session: Session): Command {
  return family('create', 'make a group')
    .argument('<group>')
    .option('--selector <selector>', SELECTOR_HELP)
    .option('--priority <n>', PRIORITY_HELP, integer)
    .option('--alert-after <duration>', ALERT_HELP)
    .addHelpText(
      'after',
      examples('weir group create ovens', "weir group create oslo --selector 'site=oslo, model!=v1' --priority 10"),
    )
    .action(async (name: string, settings: Settings) => {
      await session.hub().send('POST', '/groups', { name, ...settings });
      const how =
        settings.selector === undefined
          ? `Devices join it with a token: weir token create --group ${name}`
          : `Devices whose tags match are in it within seconds: weir group members ${name}`;
      session.note(`Made group ${name}. ${how}\n`);
    });
}

function set(session: Session): Command {
  return family('set', 'change the selector, the priority or the alert of a group; its devices follow within seconds')
    .argument('<group>')
    .option('--selector <selector>', SELECTOR_HELP)
    .option('--no-selector', 'only the devices that are listed')
    .option('--priority <n>', PRIORITY_HELP, integer)
    .option('--alert-after <duration>', ALERT_HELP)
    .addHelpText(
      'after',
      examples(
        "weir group set oslo --selector 'site in (oslo, bergen)'",
        'weir group set lab --priority 5 --alert-after off',
      ),
    )
    .action(async (name: string, { selector, ...rest }: Settings) => {
      const body = { ...rest, ...(selector !== undefined && { selector: selector === false ? null : selector }) };
      if (Object.keys(body).length === 0) {
        throw new Misuse('nothing to set', "say what, e.g. --priority 10 or --selector 'site=oslo'");
      }
      await session.hub().send('PATCH', path`/groups/${name}`, body);
      session.note(`Group ${name} is set. See who is in it: weir group members ${name}\n`);
    });
}

function integer(text: string): number {
  const n = Number(text);
  if (!Number.isSafeInteger(n)) throw new InvalidArgumentError('a whole number is wanted.');
  return n;
}

function list(session: Session): Command {
  return family('list', 'all groups')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const items = await session.hub().all<GroupSummary>('/groups');
      listing(session, options, items, {
        empty: 'There is no group yet. Make one: weir group create GROUP',
        heading: ['GROUP', 'PRIORITY', 'MADE', 'SELECTOR'],
        row: (each) => [each.name, String(each.priority), clockTime(each.createdAt), each.selector ?? '-'],
      });
    });
}

function show(session: Session): Command {
  return family('show', 'one group: its devices and what is deployed to it')
    .argument('<group>')
    .option('--json', 'print JSON')
    .action(async (name: string, options: { json?: boolean }) => {
      const found = await session.hub().get<Group>(path`/groups/${name}`);
      session.out(options.json ? `${JSON.stringify(found, null, 2)}\n` : describe(found));
    });
}

function members(session: Session): Command {
  return family('members', 'who is in a group, and whether by list or by tags')
    .argument('<group>')
    .option('--json', 'print JSON')
    .action(async (name: string, options: { json?: boolean }) => {
      const items = await session.hub().all<GroupMember>(path`/groups/${name}/devices`);
      listing(session, options, items, {
        empty: `Group ${name} has no devices.`,
        heading: ['DEVICE', 'BY'],
        row: ({ device, listed, matched }) => [
          device,
          [listed ? 'list' : '', matched ? 'tags' : ''].filter((by) => by !== '').join(', '),
        ],
      });
    });
}

function add(session: Session): Command {
  return family('add', 'put devices into a group')
    .argument('<group>')
    .argument('<device...>')
    .addHelpText('after', examples('weir group add ovens gw1 gw2'))
    .action(async (name: string, devices: string[]) => {
      for (const device of devices) await session.hub().send('PUT', path`/groups/${name}/devices/${device}`);
      session.note(`In group ${name} now: ${devices.join(', ')}\n`);
    });
}

function remove(session: Session): Command {
  return family('remove', 'take devices out of a group; what the group deployed leaves them')
    .argument('<group>')
    .argument('<device...>')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples('weir group remove ovens gw1 gw2', 'weir group delete ovens           the group itself'),
    )
    .action((name: string, devices: string[], options: { json?: boolean }) =>
      removeMembers(session, name, devices, options),
    );
}

async function removeMembers(
  session: Session,
  group: string,
  devices: readonly string[],
  { json }: { json?: boolean },
): Promise<void> {
  const hub = session.hub();
  await hub.get(path`/groups/${group}`);
  // A name that is misspelt is told before the first is taken out.
  const known = await Promise.all(devices.map((device) => hub.get<Device>(path`/devices/${device}`)));
  const done: { device: string; removed: boolean }[] = [];
  try {
    for (const { id: device, groups } of known) {
      await hub.send('DELETE', path`/groups/${group}/devices/${device}`);
      done.push({ device, removed: groups.includes(group) });
    }
  } finally {
    const named = (removed: boolean) => done.filter((each) => each.removed === removed).map(({ device }) => device);
    const [out, never] = [named(true), named(false)];
    if (json) session.out(`${JSON.stringify({ group, devices: done }, null, 2)}\n`);
    else if (out.length > 0) session.note(`No longer in group ${group}: ${out.join(', ')}\n`);
    if (!json && never.length > 0) session.note(`Not in group ${group} anyway: ${never.join(', ')}\n`);
  }
}

function exclude(session: Session): Command {
  return family('exclude', 'leave devices out of a group, whatever their tags are')
    .argument('<group>')
    .argument('<device...>')
    .option('--undo', 'no longer')
    .addHelpText('after', examples('weir group exclude oslo gw7', 'weir group exclude oslo gw7 --undo'))
    .action(async (name: string, devices: string[], { undo }: { undo?: boolean }) => {
      const method = undo ? 'DELETE' : 'PUT';
      for (const device of devices) await session.hub().send(method, path`/groups/${name}/exclusions/${device}`);
      session.note(`${undo ? 'No longer left out' : 'Left out'} of group ${name}: ${devices.join(', ')}\n`);
    });
}

function deleteGroup(session: Session): Command {
  return withRemoveOptions(family('delete', 'remove a group; refused while something is deployed to it'))
    .argument('<group>')
    .option('--force', 'with all that is deployed to it')
    .addHelpText(
      'after',
      examples('weir group delete ovens', 'weir group delete ovens --force      with what is deployed to it'),
    )
    .action((name: string, { force, ...options }: RemoveOptions & { force?: boolean }) =>
      removeFrom(session, options, {
        what: { group: name },
        remove: () => session.hub().send('DELETE', `${path`/groups/${name}`}${force ? '?force=true' : ''}`),
        gone: `Group ${name} is gone; its devices stay, without what it deployed to them.`,
      }),
    );
}

/** Of the devices themselves; all of them: weir group members. */
const MEMBERS_SHOWN = 20;

function describe({ name, selector, priority, alertAfterMs, members, devices, deployments, placing }: Group): string {
  const rows = deployments.map((each) => [kindWords(each), each.name, each.version, each.where, clockTime(each.setAt)]);
  const deployed =
    rows.length === 0 ? 'Nothing is deployed to it.\n' : table(['KIND', 'NAME', 'VERSION', 'WHERE', 'SET'], rows);
  const shown = devices.slice(0, MEMBERS_SHOWN).join(', ');
  const more =
    members.total > MEMBERS_SHOWN ? ` and ${members.total - MEMBERS_SHOWN} more: weir group members ${name}` : '';
  const how = selector === undefined ? '' : ` (${members.listed} by list, ${members.matched} by tags)`;
  const lines = [
    `group        ${name}`,
    ...(selector === undefined ? [] : [`selector     ${selector}`]),
    `priority     ${priority}`,
    ...(alertAfterMs === undefined ? [] : [`alert        ${alertWords(alertAfterMs)}`]),
    members.total === 0 ? 'It has no devices.' : `${members.total} devices${how}: ${shown}${more}`,
    ...(placing === undefined
      ? []
      : [`A selector has changed: ${placing} devices of the fleet were looked at so far.`]),
  ];
  return `${lines.join('\n')}\n\n${deployed}`;
}

function kindWords({ kind, isRule, dryRun }: Deployment): string {
  return `${isRule ? 'rule' : kind}${dryRun ? ' (dry run)' : ''}`;
}

function alertWords(afterMs: number | null): string {
  return afterMs === null
    ? 'nobody is told when a device is away'
    : `when a device is away for ${lasting(afterMs / 1000)}`;
}
