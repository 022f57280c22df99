import type { Command } from 'commander';
import type { Device } from '../answers.ts';
import { Misuse } from '../failure.ts';
import { examples, family, pair, path, type Session } from '../session.ts';

export function tagDevice(session: Session): Command {
  return family('tag', 'set tags of a device (key=value), and take them off (key-)')
    .argument('<device>')
    .argument('<tags...>')
    .option('--json', 'print JSON')
    .addHelpText('after', examples('weir device tag gw1 site=oslo model=v2', 'weir device tag gw1 spare-'))
    .action(async (id: string, texts: string[], options: { json?: boolean }) => {
      const changed = await session
        .hub()
        .send<Pick<Device, 'tags' | 'groups'>>('PATCH', path`/devices/${id}/tags`, tagChange(texts));
      if (options.json) return session.out(`${JSON.stringify(changed, null, 2)}\n`);
      const tags = Object.entries(changed.tags).map(([key, value]) => `${key}=${value}`);
      session.note(`${id} has ${tags.join(', ') || 'no tags'}; in groups: ${changed.groups.join(', ') || 'none'}\n`);
      const { isZone } = await import('@weir/protocols');
      const { tz } = changed.tags;
      if (tz !== undefined && !isZone(tz)) session.note(`warning: ${unknownZone(tz)}\n`);
    });
}

/** What goes by the clock of a device takes another zone then, and nobody is told. */
function unknownZone(tz: string): string {
  return `there is no time zone "${tz}"; windows take that of --tz, and schedules of rules UTC. Name one as in the IANA database, e.g. tz=Europe/Oslo`;
}

function tagChange(texts: readonly string[]): { set: Record<string, string>; remove: string[] } {
  const set: [string, string][] = [];
  const remove: string[] = [];
  for (const text of texts) {
    if (text.includes('=')) set.push(pair(text, 'a tag'));
    else if (text.endsWith('-') && text.length > 1) remove.push(text.slice(0, -1));
    else throw new Misuse(`"${text}" is no tag to set or to take off`, 'write key=value, or key- to take it off');
  }
  return { set: Object.fromEntries(set), remove };
}
