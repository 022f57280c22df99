/** Which readings a signal of a rule stands for, as seen from one subject. */
import type { Condition, Level, Signal } from '@weir/protocols';
import { globMatches } from '../../fold/select.ts';
import type { SeriesName } from './node.ts';

/** What has an episode of its own: what is not given, is not part of its name. */
export interface Subject {
  device?: string;
  sensor?: string;
  metric?: string;
}

export interface Pattern {
  /** Undefined: of any device. */
  device?: string;
  sensor: string;
  metric: string;
}

/**
 * Of a signal with `*` the part that is the subject's own: the rule looks at each oven by itself. A signal that is
 * named in full, or whose `*` does not stand for the subject, is the same for all subjects.
 */
export function patternOf({ sensor, metric }: Pick<Signal, 'sensor' | 'metric'>, subject: Subject): Pattern {
  const pattern: Pattern = { sensor, metric };
  if (subject.device !== undefined) pattern.device = subject.device;
  if (subject.sensor === undefined || !globMatches(sensor, subject.sensor)) return pattern;
  pattern.sensor = subject.sensor;
  if (subject.metric !== undefined && globMatches(metric, subject.metric)) pattern.metric = subject.metric;
  return pattern;
}

export function matches({ device, sensor, metric }: Pattern, series: SeriesName): boolean {
  return (
    globMatches(sensor, series.sensor) &&
    globMatches(metric, series.metric) &&
    (device === undefined || device === series.device)
  );
}

export function isOpen(name: string): boolean {
  return name.includes('*');
}

export interface SignalUse {
  signal: Signal;
  /** `judged`: compared; `level`: it is what others are compared with. */
  use: 'judged' | 'level';
}

/** All that a condition looks at, in the order in which it was written. */
export function signalsOf(condition: Condition): SignalUse[] {
  switch (condition.kind) {
    case 'of':
      return condition.conditions.flatMap(signalsOf);
    case 'series':
    case 'repeated':
      return signalsOf(condition.condition);
    case 'silent':
    case 'adaptive':
      return [{ signal: condition.signal, use: 'judged' }];
    case 'outside':
    case 'inside':
      return [{ signal: condition.signal, use: 'judged' }, ...condition.levels.flatMap(signalOfLevel)];
    default:
      return [{ signal: condition.signal, use: 'judged' }, ...signalOfLevel(condition.level)];
  }
}

function signalOfLevel(level: Level): SignalUse[] {
  return typeof level === 'object' && 'signal' in level ? [{ signal: level.signal, use: 'level' }] : [];
}
