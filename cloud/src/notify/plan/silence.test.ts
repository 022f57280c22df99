import { expect, test } from 'vitest';
import { createMemoryStore } from '../../store/memory.ts';
import { silenceChanges } from './silence.ts';

const made = (matchers: string) =>
  silenceChanges(createMemoryStore(), { matchers, endsAt: 2_000 }, { id: 'a', by: 'ann', now: 1_000 });

test.each([
  ['device=""', 'device="" is of no alert, for each has a device'],
  ['device=', 'device="" is of no alert'],
  ['alertname=hot, device=""', 'device="" is of no alert'],
  ['tag_site=""', 'tag_site="" does not say of what'],
  ['device=~".*"', 'device=~".*" does not say of what'],
  ['device!=""', 'device!="" does not say of what'],
  ['sensor=~"", tag_a!~""', 'does not say of what'],
])(
  'a silence of %s comes of a variable that is not set, and would be of everything or of nothing',
  async (text, why) => {
    await expect(made(text)).rejects.toMatchObject({
      code: 'silence-invalid',
      message: expect.stringContaining(why),
      remedy: expect.stringContaining('device=gw1'),
    });
  },
);

test.each(['device=gw1', 'group=ovens, tag_site=""', 'severity!=critical', 'alertname!~"oven.*"', 'device=~"gw.+"'])(
  'a silence of %s says of what',
  async (text) => {
    expect((await made(text)).silence).toMatchObject({ id: 'a' });
  },
);

test('an empty one is not understood', async () => {
  await expect(made(' ')).rejects.toMatchObject({
    code: 'matcher-invalid',
    message: expect.stringContaining('it is empty'),
  });
});
