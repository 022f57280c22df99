import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatSelector, parseSelector, type Requirement, SelectorError, selects, type Tags } from './selector.ts';

describe('a selector means what it means to Kubernetes', () => {
  const check = (text: string, tags: Tags, expected: boolean) =>
    expect(selects(parseSelector(text), tags), `${text} on ${JSON.stringify(tags)}`).toBe(expected);

  test.each([
    ['site=oslo', { site: 'oslo' }, true],
    ['site==oslo', { site: 'bergen' }, false],
    ['site=oslo, model!=v1', { site: 'oslo', model: 'v2' }, true],
    ['site=oslo, model!=v1', { site: 'oslo', model: 'v1' }, false],
    ['site=oslo, model!=v1', { site: 'oslo' }, true],
    ['model', { model: '' }, true],
    ['model', {}, false],
    ['!model', {}, true],
    ['! model', { model: 'v1' }, false],
    ['site in (oslo, bergen)', { site: 'bergen' }, true],
    ['site in (oslo,bergen)', {}, false],
    ['site notin (oslo)', {}, true],
    ['site notin (oslo, bergen)', { site: 'bergen' }, false],
    ['in in (in), notin', { in: 'in', notin: 'x' }, true],
    ['hall="hall 3, north"', { hall: 'hall 3, north' }, true],
    ['constructor', {}, false],
    ['*', {}, true],
  ] as [string, Tags, boolean][])('%s on %j: %s', check);
});

describe('who writes a selector wrong is told where', () => {
  const check = (text: string, position: number, message: RegExp) => {
    try {
      parseSelector(text);
    } catch (error) {
      expect(error).toBeInstanceOf(SelectorError);
      expect((error as SelectorError).message).toMatch(message);
      expect((error as SelectorError).position, (error as Error).message).toBe(position);
      return;
    }
    expect.unreachable(`"${text}" was taken`);
  };

  test.each([
    ['', 0, /the name of a tag is wanted at character 1/],
    ['site=', 5, /a value is wanted at character 6/],
    ['site=oslo,', 10, /the name of a tag is wanted/],
    ['site=oslo model=v1', 10, /"," or an operator .* is wanted, not "model", at character 11/],
    ['site=(oslo)', 5, /a value is wanted, not "\("/],
    ['site in oslo', 8, /"\(" is wanted/],
    ['site in ()', 9, /a value is wanted, not "\)"/],
    ['site in (oslo', 13, /"," or "\)" is wanted/],
    ['site=os/lo', 7, /"\/" has no place/],
    ['site="oslo', 10, /closing quote/],
    ['site="os\\xlo"', 5, /as in JSON/],
    ['=oslo', 0, /the name of a tag/],
    ['.site=oslo', 0, /no name of a tag/],
    ['* , site', 2, /nothing behind \*/],
    ['site>3', 4, /">" has no place/],
    [`site=${'x'.repeat(1_000)}`, 1_000, /1000 characters at most/],
  ] as [string, number, RegExp][])('%s', check);
});

const key = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:-]{0,10}$/);
const value = fc.oneof(
  key,
  fc.string({ maxLength: 12 }),
  fc.constantFrom('', 'in', 'notin', '-', '"', '\\', 'a b', '\u2028'),
);
const requirement: fc.Arbitrary<Requirement> = fc.oneof(
  fc.record({ key, is: fc.constantFrom('there' as const, 'absent' as const) }),
  fc.record({
    key,
    is: fc.constantFrom('in' as const, 'not-in' as const),
    values: fc.array(value, { minLength: 1, maxLength: 3 }),
  }),
);

test('what is printed is read again as the same selector', () => {
  fc.assert(
    fc.property(fc.array(requirement, { maxLength: 5 }), (selector) => {
      const text = formatSelector(selector);
      fc.pre(text.length <= 1_000);
      expect(parseSelector(text)).toEqual(selector);
    }),
  );
});

test('whatever is written, it is a selector or an error with a place in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab=!,() "\\*innot'), maxLength: 20 }), (text) => {
      try {
        parseSelector(text);
      } catch (error) {
        expect(error).toBeInstanceOf(SelectorError);
        const { position } = error as SelectorError;
        expect(position).toBeGreaterThanOrEqual(0);
        expect(position).toBeLessThanOrEqual(text.length);
      }
    }),
  );
});
