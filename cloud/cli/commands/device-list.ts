import { Command } from 'commander';
import type { Device } from '../answers.ts';
import { Misuse } from '../failure.ts';
import { examples, listing, type Session } from '../session.ts';
import { age } from '../table.ts';

interface Options {
  group?: string;
  selector?: string;
  state?: string;
  silent?: boolean;
  failing?: boolean;
  problem?: string | true;
  version?: string;
  json?: boolean;
}

export function listDevices(session: Session): Command {
  return new Command('list')
    .description('devices: whether they are there, what ails them, and their groups')
    .option('--group <group>', 'those of one group')
    .option('--selector <selector>', "by tags, as for a group: 'site=oslo, model!=v1'")
    .option('--state <state>', 'connected, silent, offline, returning, never-connected or revoked')
    .option('--silent', 'those that are silent')
    .option('--failing', 'those on which something that is deployed failed')
    .option('--problem [problem]', 'those that have a problem, or this one')
    .option('--version <version>', 'those whose agent has this version')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        'weir device list --silent',
        "weir device list --selector 'site=oslo' --failing",
        'weir device list --problem disk-low',
        'weir device list --json | jq -r .[].id',
      ),
    )
    .action(async (options: Options) => {
      const items = await session.hub().all<Device>('/devices', queryOf(options));
      const now = Date.now();
      const isFiltered = Object.keys(options).some((key) => key !== 'json');
      listing(session, options, items, {
        empty: isFiltered
          ? 'No device is like that.'
          : 'No device has joined yet. Make a token: weir token create --group GROUP',
        heading: ['DEVICE', 'STATE', 'LAST SEEN', 'VERSION', 'PROBLEMS', 'GROUPS'],
        row: (each) => [
          each.id,
          stateWords(each),
          lastSeen(each, now),
          each.version ?? '-',
          problemsIn(each),
          each.groups.join(', '),
        ],
        texts: [5, 4],
      });
    });
}

function queryOf({ json: _, silent, state, problem, failing, ...rest }: Options) {
  if (silent && state !== undefined && state !== 'silent') {
    throw new Misuse(`--silent and --state ${state} are of no device`, 'give one of them');
  }
  return {
    ...rest,
    state: silent ? 'silent' : state,
    failing: failing ? 'true' : undefined,
    ...(problem === true ? { ailing: 'true' } : { problem }),
  };
}

export function stateWords({ state }: Pick<Device, 'state'>): string {
  return state.replace('-', ' ');
}

export function lastSeen({ lastSeenAt }: Pick<Device, 'lastSeenAt'>, now: number): string {
  return lastSeenAt === undefined ? '-' : age(lastSeenAt, now);
}

function problemsIn({ problems }: Device): string {
  return [...new Set(problems.map(({ code }) => code))].join(', ') || '-';
}
