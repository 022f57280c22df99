import { expect, test } from 'vitest';
import { COMMAND_BYTES_MAX, CommandError, type CommandMessage, decodeCommand, encodeCommand } from './command.ts';

const OPEN: CommandMessage = { id: 'op-1', name: 'valve.open', payload: { percent: 40 }, expiresIn: 3_600_000 };
const bytes = (text: string) => new TextEncoder().encode(text);
const sized = (size: number) => ({
  ...OPEN,
  payload: 'x'.repeat(size - JSON.stringify({ ...OPEN, payload: '' }).length),
});

test.each<[string, CommandMessage]>([
  ['to every function', OPEN],
  ['to one function', { ...OPEN, function: 'interlock' }],
  ['behind another', { ...OPEN, after: 'op-0' }],
  ['without a payload', { ...OPEN, payload: null }],
  ['of the largest size', sized(COMMAND_BYTES_MAX)],
])('a command %s comes as it was sent', (_what, command) => {
  expect(decodeCommand(bytes(encodeCommand(command)))).toStrictEqual(command);
});

test('what a later hub adds is passed over', () => {
  expect(decodeCommand(bytes(JSON.stringify({ ...OPEN, priority: 1 })))).toStrictEqual(OPEN);
});

test.each<[string, string, string]>([
  ['no JSON', '{', 'a command is JSON'],
  ['a list', '[]', 'command: '],
  ['no id', JSON.stringify({ ...OPEN, id: undefined }), 'id: '],
  ['a name with a slash', JSON.stringify({ ...OPEN, name: 'a/b' }), 'name: '],
  ['no expiry', JSON.stringify({ ...OPEN, expiresIn: undefined }), 'expiresIn: '],
  ['an expiry in a year', JSON.stringify({ ...OPEN, expiresIn: 365 * 86_400_000 }), 'expiresIn: '],
  [
    '1,000 lists in one another',
    JSON.stringify({ ...OPEN, payload: 1 }).replace('1,', `${'['.repeat(1000)}${']'.repeat(1000)},`),
    'deeper',
  ],
  ['one byte too many', JSON.stringify(sized(COMMAND_BYTES_MAX + 1)), 'over 65536'],
])('%s is refused with what is wrong', (_what, text, why) => {
  expect(() => decodeCommand(bytes(text))).toThrow(CommandError);
  expect(() => decodeCommand(bytes(text))).toThrow(why);
});

test('what is wrong names its command where that can be read, so that it can be answered', () => {
  const idOf = (message: object | string) => {
    try {
      decodeCommand(bytes(JSON.stringify(message)));
    } catch (error) {
      return (error as CommandError).id;
    }
  };
  expect(idOf({ ...OPEN, name: 'a/b' })).toBe('op-1');
  expect(idOf({ ...OPEN, id: 7 })).toBeUndefined();
  expect(idOf('open')).toBeUndefined();
});

test('a command that no device would take is not sent', () => {
  expect(() => encodeCommand(sized(COMMAND_BYTES_MAX + 1))).toThrow('over 65536');
});
