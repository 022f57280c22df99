import type { Condition, Json } from '@weir/protocols';
import { Combined } from './combined.ts';
import { Comparison } from './comparison.ts';
import { EachSeries } from './each.ts';
import type { Node, Scope } from './node.ts';
import { createRepeated } from './repeated.ts';
import { Silence } from './silence.ts';
import { Unusual } from './unusual.ts';

/** @param state of a node of this condition */
export function buildNode(condition: Condition, scope: Scope, state: Json | undefined): Node {
  switch (condition.kind) {
    case 'of':
      return new Combined(condition, scope, state, buildNode);
    case 'series':
      return new EachSeries(condition, scope, state, buildNode);
    case 'repeated':
      return createRepeated(condition, scope, state, buildNode);
    case 'silent':
      return new Silence(condition, scope, state);
    case 'adaptive':
      return new Unusual(condition, scope, state);
    default:
      return new Comparison(condition, scope, state);
  }
}
