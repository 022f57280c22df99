import type { Adaptive, Condition, Level } from '@weir/protocols';

/**
 * What a condition remembers depends on this number: two that differ in their levels alone have the same, so that a
 * level can be set while windows go on.
 */
export function structureOf(condition: Condition): number {
  return hash(JSON.stringify(shapeOf(condition)));
}

function shapeOf(condition: Condition): unknown {
  switch (condition.kind) {
    case 'of':
      return ['of', condition.conditions.map(shapeOf)];
    case 'series':
    case 'repeated': {
      const within = condition.kind === 'repeated' && [condition.times, condition.within];
      return [condition.kind, within, shapeOf(condition.condition)];
    }
    case 'silent':
      return ['silent', condition.signal];
    case 'adaptive':
      return ['adaptive', condition.signal, learnedBy(condition.adaptive)];
    case 'outside':
    case 'inside':
      return ['range', condition.signal, condition.levels.map(signalOf)];
    default:
      return ['level', condition.signal, signalOf(condition.level)];
  }
}

/** How sensitive it is, and to which side, is asked of what was learned. */
function learnedBy({ seasons, learnMs }: Adaptive): unknown {
  return [seasons, seasons.length === 0 && learnMs];
}

function signalOf(level: Level): unknown {
  return typeof level === 'object' && 'signal' in level ? level.signal : null;
}

/** FNV-1a: it only tells conditions of one rule apart. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return value >>> 0;
}
