/** Episodes as people count them, put together from the transitions that a rule told. */
import type { AlertState, AlertTransition, Severity, Value } from '@weir/protocols';

export interface EpisodeSpan {
  episode: string;
  device: string;
  sensor?: string;
  metric?: string;
  unit?: string;
  /** When the condition became true; ms since epoch, as all times here. */
  startedAt: number;
  /** When it was told; undefined: not yet. */
  firedAt?: number;
  /** Undefined: it is still open. */
  resolvedAt?: number;
  state: AlertState;
  /** In their order, each once in a row. */
  severities: Severity[];
  /** Why it ended, or is as it is. */
  reason: AlertTransition['reason'];
  peak?: number;
  value?: Value;
  level?: number;
  historical: boolean;
  count?: number;
  /** All of them, by their number. */
  transitions: AlertTransition[];
}

/** In order of their begin. */
export function episodesOf(transitions: readonly AlertTransition[]): EpisodeSpan[] {
  const byId = new Map<string, AlertTransition[]>();
  for (const transition of transitions) {
    const known = byId.get(transition.episode);
    if (known === undefined) byId.set(transition.episode, [transition]);
    else known.push(transition);
  }
  return [...byId.values()].map(spanOf).sort((a, b) => a.startedAt - b.startedAt);
}

/** What people are told of by default: not that it is on its way, nor that it may be over. */
export function isTold({ state }: Pick<AlertTransition, 'state'>): boolean {
  return state !== 'pending' && state !== 'recovering';
}

function spanOf(transitions: AlertTransition[]): EpisodeSpan {
  transitions.sort((a, b) => a.seq - b.seq);
  const last = transitions.at(-1)!;
  const { episode, device, sensor, metric, unit, state, reason, value } = last;
  const severities = transitions.filter(isTold).map(({ severity }) => severity);
  const span: EpisodeSpan = {
    episode,
    device,
    // Readings that come late may show that it began earlier.
    startedAt: Math.min(...transitions.map(({ startedAt }) => startedAt)),
    state,
    severities: severities.filter((severity, i) => severity !== severities[i - 1]),
    reason,
    historical: transitions.some(({ historical }) => historical === true),
    transitions,
  };
  if (sensor !== undefined) span.sensor = sensor;
  if (metric !== undefined) span.metric = metric;
  if (unit !== undefined) span.unit = unit;
  if (value !== undefined) span.value = value;
  const fired = transitions.find((each) => each.state === 'firing');
  if (fired !== undefined) span.firedAt = fired.ts;
  if (fired?.level !== undefined) span.level = fired.level;
  if (state === 'resolved') span.resolvedAt = last.ts;
  const peak = transitions.findLast((each) => each.peak !== undefined)?.peak;
  if (peak !== undefined) span.peak = peak;
  const count = transitions.findLast((each) => each.count !== undefined)?.count;
  if (count !== undefined) span.count = count;
  return span;
}

/** `gw1/oven1/temperature`, as far as it is known. */
export function seriesOf({ device, sensor, metric }: Pick<EpisodeSpan, 'device' | 'sensor' | 'metric'>): string {
  return [device, sensor, metric].filter((part) => part !== undefined).join('/');
}
