/**
 * Where in what the user wrote a part of a definition is. `defineFunction({ … })` and `threshold({ … })` are called by a script
 * that may be anything; what can be followed in it is followed: names, spreads, functions that make rules of their arguments.
 *
 *     globalThis.__weirDefinition = <name>  ->  threshold({ …, severities: { warning: { above: … } } })
 *                                                              '-> the key, or the nearest that is written -> source map
 */
import type {
  AnyNode,
  ArrowFunctionExpression,
  CallExpression,
  FunctionDeclaration,
  FunctionExpression,
  ObjectExpression,
  Property,
  SpreadElement,
} from 'acorn';
import { placesOf } from './places.ts';

export interface DefinitionPlaces {
  /** Of the key, or of the nearest that it is in; by it places are ordered. */
  offsetOf(path: readonly (string | number)[]): number;
  /** `oven.ts:9:3`; undefined: it never was in what the user wrote. */
  placeOf(offset: number): string | undefined;
}

/** What stands for what: a chain of names is followed so far. */
const STEPS_MAX = 50;
/** Of Weir's own, or of no source that is known. */
const NOT_WRITTEN = /^(?:weir|function\.js):/;
const MAKERS = /^(?:threshold|defineFunction)\d*$/;

export async function definitionPlaces(code: string, sourceMap: string): Promise<DefinitionPlaces> {
  // Loaded only here: who has made no mistake needs no parser.
  const { getLineInfo, parse } = await import('acorn');
  const places = placesOf(sourceMap);
  const whole = new Names(parse(code, { ecmaVersion: 'latest' }).body);
  const definition = whole.definition;
  return {
    offsetOf: (path) => (definition === undefined ? 0 : located(whole, definition, path).start),
    placeOf(offset) {
      if (definition === undefined) return undefined;
      const { line, column } = getLineInfo(code, offset);
      const place = places.first(`function.js:${line}:${column + 1}`);
      return place === undefined || NOT_WRITTEN.test(place) ? undefined : place;
    },
  };
}

/** The object that is written, and the key in it that is nearest to the end of the path. */
function located(names: Names, definition: AnyNode, path: readonly (string | number)[]): AnyNode {
  let at = definition;
  let value: AnyNode | undefined = names.madeFrom(definition);
  if (value !== undefined && path.length === 0) return value;
  for (const key of path) {
    const whole: AnyNode | undefined = value && names.resolved(value);
    if (whole?.type === 'ArrayExpression') {
      const element = whole.elements[Number(key)];
      if (element === null || element === undefined || element.type === 'SpreadElement') return at;
      [at, value] = [element, element];
    } else {
      const found = whole?.type === 'ObjectExpression' ? names.propertyOf(whole, String(key)) : undefined;
      if (found === undefined) return at === definition && value !== undefined ? value : at;
      [at, value] = [found, found.value];
    }
  }
  return at;
}

/** What names of a script stand for; of two that are alike, as in functions beside one another, the first. */
class Names {
  readonly #known = new Map<string, AnyNode>();
  readonly definition: AnyNode | undefined;

  constructor(body: readonly AnyNode[]) {
    // A bundle is one function that is called where it stands.
    const statements = body.flatMap((each) => innerOf(each) ?? [each]);
    for (const each of statements) {
      if (each.type === 'FunctionDeclaration') this.#note(each.id?.name, each);
      if (each.type !== 'VariableDeclaration') continue;
      for (const { id, init } of each.declarations) if (id.type === 'Identifier') this.#note(id.name, init);
    }
    this.definition = statements.flatMap((each) => assigned(each) ?? [])[0];
  }

  /** Of a name what it stands for. */
  resolved(node: AnyNode): AnyNode {
    let at = node;
    for (let steps = 0; steps < STEPS_MAX && at.type === 'Identifier'; steps++) at = this.#known.get(at.name) ?? at;
    return at;
  }

  /** What the call that makes a definition is given. */
  madeFrom(definition: AnyNode): AnyNode | undefined {
    let at: AnyNode | undefined = definition;
    for (let steps = 0; steps < STEPS_MAX && at !== undefined; steps++) {
      const call: AnyNode = this.resolved(at);
      if (call.type !== 'CallExpression') return call.type === 'ObjectExpression' ? call : undefined;
      const [first] = call.arguments;
      const made = isMaker(call) ? undefined : returnedBy(this.resolved(call.callee));
      if (made === undefined)
        return first === undefined || first.type === 'SpreadElement' ? undefined : this.resolved(first);
      at = made;
    }
    return undefined;
  }

  /** The last of this name counts, also of an object that is spread. */
  propertyOf(object: ObjectExpression, name: string, steps = 0): Property | undefined {
    for (const each of object.properties.toReversed()) {
      const found = each.type === 'Property' ? named(each, name) : this.#spread(each, name, steps);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #spread({ argument }: SpreadElement, name: string, steps: number): Property | undefined {
    const spread = this.resolved(argument);
    return spread.type === 'ObjectExpression' && steps < STEPS_MAX
      ? this.propertyOf(spread, name, steps + 1)
      : undefined;
  }

  #note(name: string | undefined, node: AnyNode | null | undefined): void {
    if (name !== undefined && node && !this.#known.has(name)) this.#known.set(name, node);
  }
}

function isMaker({ callee }: CallExpression): boolean {
  return callee.type === 'Identifier' && MAKERS.test(callee.name);
}

function innerOf(statement: AnyNode): readonly AnyNode[] | undefined {
  if (statement.type !== 'ExpressionStatement' || statement.expression.type !== 'CallExpression') return undefined;
  const { callee } = statement.expression;
  return isFunction(callee) && callee.body.type === 'BlockStatement' ? callee.body.body : undefined;
}

function assigned(statement: AnyNode): AnyNode | undefined {
  if (statement.type !== 'ExpressionStatement' || statement.expression.type !== 'AssignmentExpression')
    return undefined;
  const { left, right } = statement.expression;
  const isIt =
    left.type === 'MemberExpression' &&
    left.property.type === 'Identifier' &&
    left.property.name === '__weirDefinition';
  return isIt ? right : undefined;
}

function returnedBy(maker: AnyNode): AnyNode | undefined {
  if (!isFunction(maker)) return undefined;
  if (maker.body.type !== 'BlockStatement') return maker.body;
  const last = maker.body.body.findLast((each) => each.type === 'ReturnStatement');
  return last?.argument ?? undefined;
}

function isFunction(node: AnyNode): node is Called {
  return (
    node.type === 'ArrowFunctionExpression' || node.type === 'FunctionExpression' || node.type === 'FunctionDeclaration'
  );
}

type Called = ArrowFunctionExpression | FunctionExpression | FunctionDeclaration;

function named(property: Property, name: string): Property | undefined {
  const { key, computed } = property;
  const said =
    key.type === 'Literal' ? String(key.value) : key.type === 'Identifier' && !computed ? key.name : undefined;
  return said === name ? property : undefined;
}
