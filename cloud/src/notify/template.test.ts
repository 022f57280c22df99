import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EVIL } from './message.fixture.ts';
import { type Escape, FILLED_CHARS_MAX, parseTemplate, TEMPLATE_CHARS_MAX } from './template.ts';

const FIELDS = {
  title: 'Tom & "Jerry" <b>',
  n: 3,
  zero: 0,
  empty: '',
  none: undefined,
  alerts: [
    { name: 'a', labels: { device: 'gw1' } },
    { name: 'b', labels: { device: 'gw2' } },
  ],
  nothing: [],
  labels: { device: 'outer' },
};

const fill = (text: string, how: Escape = 'none', fields: object = FIELDS) => parseTemplate(text).fill(fields, how);

test.each<[string, string]>([
  ['plain', 'plain'],
  ['{{n}} {{ n }}', '3 3'],
  ['{{labels.device}}', 'outer'],
  ['{{none}}{{labels.none}}{{n.none}}|', '|'],
  ['{{#alerts}}{{name}}@{{labels.device}} {{/alerts}}', 'a@gw1 b@gw2 '],
  ['{{#alerts}}{{n}}{{/alerts}}', '33'],
  ['{{#labels}}{{device}}{{/labels}}', 'outer'],
  ['{{^nothing}}none{{/nothing}}{{^alerts}}none{{/alerts}}', 'none'],
  ['{{#zero}}x{{/zero}}{{#empty}}x{{/empty}}{{^zero}}y{{/zero}}', 'y'],
  ['{{! a comment }}x', 'x'],
  ['begin\n  {{#alerts}}\n  - {{name}}\n  {{/alerts}}\nend', 'begin\n  - a\n  - b\nend'],
  ['{ not a tag }', '{ not a tag }'],
])('%j becomes %j', (text, expected) => {
  expect(fill(text)).toBe(expected);
});

test('in JSON a value is what its text is, or itself', () => {
  expect(JSON.parse(fill('{"t":"{{title}}","n":{{&n}},"a":{{&alerts}},"none":{{&none}}}', 'json'))).toEqual({
    ...{ t: FIELDS.title, n: 3, a: FIELDS.alerts, none: null },
  });
});

test('whatever a sensor says, JSON stays what the template made it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const made = fill('{"a":"{{value}}","b":{{&value}}}', 'json', { value });
      expect(JSON.parse(made)).toEqual({ a: value, b: value });
    }),
  );
});

test('in Slack nothing that is filled in mentions or links, in markdown nothing is markup', () => {
  expect(fill('<!here> {{evil}}', 'slack', { evil: EVIL }).slice('<!here>'.length)).not.toMatch(/[<>]/);
  const text = fill('{{evil}}', 'markdown', { evil: EVIL });
  expect(text).not.toMatch(/@(here|all)/);
  expect(text).not.toMatch(/(?<!\\)[*[<]/);
});

describe('is refused with line and column', () => {
  test.each<[string, string]>([
    ['a\n  {{', 'line 2, column 3'],
    ['{{#alerts}}', '{{#alerts}} is never closed'],
    ['{{/alerts}}', 'closes nothing'],
    ['{{#a}}{{#b}}{{/a}}{{/b}}', '{{/a}} closes {{#b}}'],
    ['{{> partial}}', 'no field'],
    ['{{=<% %>=}}', 'no field'],
    ['{{a b}}', 'no field'],
    ['{{constructor()}}', 'no field'],
    ['{{#a}}'.repeat(20), 'nested more than'],
    ['x'.repeat(TEMPLATE_CHARS_MAX + 1), 'are the limit'],
  ])('%.40j', (text, why) => {
    expect(() => parseTemplate(text)).toThrow(why);
  });
});

test('nothing that is inherited can be read', () => {
  expect(fill('{{constructor.name}}{{__proto__.x}}{{title.length}}{{alerts.length}}')).toBe('');
});

test('what it makes, and the work for that, is bounded', () => {
  const many = { list: Array.from({ length: 200 }, () => ({ list: Array.from({ length: 200 }, () => ({ v: 'x' })) })) };
  expect(() => fill('{{#list}}{{#list}}{{v}}{{/list}}{{/list}}', 'none', many)).toThrow('makes more than');
  const long = { v: 'x'.repeat(FILLED_CHARS_MAX) };
  expect(() => fill('{{v}}{{v}}', 'none', long)).toThrow('makes more than');
});

test('any text is a template or refused as one, and never takes long', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('{{', '}}', '#', '/', '^', '&', 'a', '.', ' ', '\n', '{', '}', '!')),
      (parts) => {
        try {
          fill(parts.join(''), 'none', { a: [{ a: 1 }] });
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^template-/) });
        }
      },
    ),
  );
});
