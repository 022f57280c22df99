import { Command } from 'commander';
import { type RemoveOptions, removeFrom, withRemoveOptions } from '../removing.ts';
import { examples, path, type Session } from '../session.ts';

export function revokeCommand(session: Session): Command {
  return new Command('revoke')
    .description('end the certificate of a device at once: it is cut off, and nothing of it is taken any more')
    .argument('<device>')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir device revoke gw1      e.g. when it was stolen, or its card was copied'))
    .action(async (device: string, { json }: { json?: boolean }) => {
      const { groups } = await session.hub().send<{ groups: string[] }>('POST', path`/devices/${device}/revoke`);
      if (json) {
        session.out(`${JSON.stringify({ device, revoked: true, groups }, null, 2)}\n`);
        return;
      }
      session.out(
        `${device} is revoked: its connections are cut, its certificate ends. What it sent before stays.\n` +
          `To bring it back, with a new key:\n` +
          `  weir token create --group ${groups[0] ?? 'GROUP'} --replace\n` +
          `  weir-agent join URL --token TOKEN --name ${device} --force      on the device\n` +
          `To forget it: weir device remove ${device}\n`,
      );
    });
}

export function removeCommand(session: Session): Command {
  return withRemoveOptions(new Command('remove'))
    .description('revoke a device and forget it, with its shadows and commands; what it measured stays')
    .argument('<device>')
    .addHelpText('after', examples('weir device remove gw1      its name is free again then'))
    .action((device: string, options: RemoveOptions) =>
      removeFrom(session, options, {
        what: { device },
        remove: () => session.hub().send('DELETE', path`/devices/${device}`),
        gone: `${device} is removed. Its readings and alerts stay for as long as the hub keeps them.`,
      }),
    );
}
