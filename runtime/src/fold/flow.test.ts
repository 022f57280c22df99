import { describe, expect, test } from 'vitest';
import { type FlowNode, flowOf, globsMeet } from './flow.ts';

const any = { sensor: '*' };
const node = (name: string, inputs: string[], outputs: string[]): FlowNode => ({
  name,
  inputs: inputs.map((metric) => ({ ...any, metric })),
  outputs: outputs.map((metric) => ({ ...any, metric })),
});

describe('the order of a flow', () => {
  test('a chain runs from its source to its end, in whatever order it was deployed', () => {
    const { levels, sources } = flowOf([node('c', ['y'], []), node('b', ['x'], ['y']), node('a', ['raw'], ['x'])]);
    expect(levels).toEqual([['a'], ['b'], ['c']]);
    expect(sources.get('c')).toEqual(['b']);
  });

  test('functions that declare no outputs feed nobody', () => {
    expect(flowOf([node('a', [], []), node('b', [], [])]).levels).toEqual([['a', 'b']]);
  });

  test('a function never feeds itself', () => {
    const { levels, cycle } = flowOf([node('smooth', ['temperature'], ['temperature'])]);
    expect([levels, cycle]).toEqual([[['smooth']], undefined]);
  });

  test('a circle is told as the path that a reading would take', () => {
    const { cycle, levels } = flowOf([
      node('a', ['z'], ['x']),
      node('b', ['x'], ['y']),
      node('c', ['y'], ['z']),
      node('d', [], []),
    ]);
    expect(cycle!.join(' -> ')).toMatch(/^(a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c)$/);
    expect(levels.flat()).not.toContain('a');
  });

  test('what merely hangs on a circle is not blamed for it', () => {
    const { cycle } = flowOf([node('after', ['x'], []), node('a', ['y'], ['x']), node('b', ['x'], ['y'])]);
    expect([...new Set(cycle)].sort()).toEqual(['a', 'b']);
  });
});

test('two globs meet when one name fits both', () => {
  const check = (a: string, b: string, expected: boolean) => {
    expect([a, b, globsMeet(a, b)]).toEqual([a, b, expected]);
    expect([b, a, globsMeet(b, a)]).toEqual([b, a, expected]);
  };
  check('*', 'x', true);
  check('oven*', '*1', true);
  check('oven*', 'press*', false);
  check('a*c', 'ab*', true);
  check('abc', 'abd', false);
  check('*', '*', true);
});
