import type { Command } from 'commander';
import type { Group } from '../answers.ts';
import { examples, family, listing, path, type Session } from '../session.ts';
import { clockTime, table } from '../table.ts';

export function groupCommands(session: Session): Command {
  const group = family('group', 'sets of devices; functions and rules are deployed to groups');
  group
    .command('create')
    .description('make a group')
    .argument('<group>')
    .addHelpText('after', examples('weir group create ovens'))
    .action(async (name: string) => {
      await session.hub().send('POST', '/groups', { name });
      session.note(`Made group ${name}. Devices join it with a token: weir token create --group ${name}\n`);
    });
  group
    .command('list')
    .description('all groups')
    .option('--json', 'print JSON')
    .action(async (options: { json?: boolean }) => {
      const items = await session.hub().all<{ name: string; createdAt: number }>('/groups');
      listing(session, options, items, {
        empty: 'There is no group yet. Make one: weir group create GROUP',
        heading: ['GROUP', 'MADE'],
        row: (each) => [each.name, clockTime(each.createdAt)],
      });
    });
  group
    .command('show')
    .description('one group: its devices and what is deployed to it')
    .argument('<group>')
    .option('--json', 'print JSON')
    .action(async (name: string, options: { json?: boolean }) => {
      const found = await session.hub().get<Group>(path`/groups/${name}`);
      session.out(options.json ? `${JSON.stringify(found, null, 2)}\n` : describe(found));
    });
  group
    .command('add')
    .description('put devices into a group')
    .argument('<group>')
    .argument('<device...>')
    .action(async (name: string, devices: string[]) => {
      for (const device of devices) await session.hub().send('PUT', path`/groups/${name}/devices/${device}`);
      session.note(`In group ${name} now: ${devices.join(', ')}\n`);
    });
  group
    .command('remove')
    .description('take devices out of a group; what the group deployed leaves them')
    .argument('<group>')
    .argument('<device...>')
    .action(async (name: string, devices: string[]) => {
      for (const device of devices) await session.hub().send('DELETE', path`/groups/${name}/devices/${device}`);
      session.note(`No longer in group ${name}: ${devices.join(', ')}\n`);
    });
  return group;
}

function describe({ name, devices, deployments }: Group): string {
  const rows = deployments.map((each) => [each.kind, each.name, each.version, each.where, clockTime(each.setAt)]);
  const deployed =
    rows.length === 0 ? 'Nothing is deployed to it.\n' : table(['KIND', 'NAME', 'VERSION', 'WHERE', 'SET'], rows);
  const members = devices.length === 0 ? 'It has no devices.' : `${devices.length} devices: ${devices.join(', ')}`;
  return `group ${name}\n${members}\n\n${deployed}`;
}
