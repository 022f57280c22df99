import { setTimeout } from 'node:timers/promises';
import { Command } from 'commander';
import type { Device, DeviceCommand } from '../answers.ts';
import type { HubClient } from '../client.ts';
import { Failure, Misuse } from '../failure.ts';
import { examples, listing, path, type Session } from '../session.ts';
import { age, plain } from '../table.ts';

const POLL_MS = 200;

interface SendOptions {
  payload?: string;
  function?: string;
  expires: string;
  wait?: boolean;
  json?: boolean;
}

/** `weir device command`: told once, whether the device is there now or later. */
export function sendCommand(session: Session): Command {
  return new Command('command')
    .description('tell a device to do something, once: its functions, or the agent itself (weir.…)')
    .argument('<device>')
    .argument('<name>', 'what the functions know it by')
    .option('--payload <json>', 'what goes with it; JSON')
    .option('--function <function>', 'for one function; else for all that handle commands')
    .option('--expires <duration>', 'then it is not run any more', '1h')
    .option('--wait', 'wait until it has ended; fails if it was not done')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      examples(
        `weir device command gw1 valve.open --payload '{"percent":40}' --wait`,
        'weir device command gw1 weir.ping --wait',
      ),
    )
    .action(async (device: string, name: string, options: SendOptions) => {
      const hub = session.hub();
      const made = await hub.send<DeviceCommand>('POST', path`/devices/${device}/commands`, {
        name,
        expires: options.expires,
        ...(options.payload !== undefined && { payload: parsePayload(options.payload) }),
        ...(options.function !== undefined && { function: options.function }),
      });
      if (!options.wait) return tell(session, made, options);
      const ended = await untilEnded(session, hub, made);
      tell(session, ended, options);
      if (ended.state !== 'done') {
        const why = ended.detail === undefined ? '' : `: ${plain(ended.detail)}`;
        throw new Failure(`${name} is ${ended.state} on ${device}${why}`);
      }
    });
}

/** `weir device commands` */
export function listCommands(session: Session): Command {
  return new Command('commands')
    .description('the commands that wait for a device, and those that ended last')
    .argument('<device>')
    .option('--json', 'print JSON')
    .action(async (device: string, options: { json?: boolean }) => {
      const items = await session.hub().all<DeviceCommand>(path`/devices/${device}/commands`);
      const now = Date.now();
      listing(session, options, items, {
        empty: `No command was sent to ${device}. Send one: weir device command ${device} NAME`,
        heading: ['COMMAND', 'FUNCTION', 'STATE', 'MADE', 'ID', 'DETAIL'],
        row: (each) => [
          each.name,
          each.function ?? '-',
          each.state,
          age(each.createdAt, now),
          each.id,
          each.detail ?? '',
        ],
      });
    });
}

function parsePayload(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Misuse(`--payload is no JSON: ${(error as Error).message}`, `quote a text twice: --payload '"open"'`);
  }
}

function tell(session: Session, command: DeviceCommand, { json }: SendOptions): void {
  if (json) session.out(`${JSON.stringify(command, null, 2)}\n`);
  else session.note(`${command.name} for ${command.device} is ${command.state}: ${command.id}\n`);
}

/** It always ends: the hub lets it expire. */
async function untilEnded(session: Session, hub: HubClient, made: DeviceCommand): Promise<DeviceCommand> {
  const { presence } = await hub.get<Device>(path`/devices/${made.device}`);
  if (presence?.connected !== true) session.note(`${made.device} is offline; the command waits for it.\n`);
  for (;;) {
    const now = await hub.get<DeviceCommand>(path`/devices/${made.device}/commands/${made.id}`);
    if (now.state !== 'waiting') return now;
    await setTimeout(POLL_MS);
  }
}
