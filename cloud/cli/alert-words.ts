/** Alerts in words, for people at a terminal. */
import type { AlertTransition } from '@weir/protocols';
import type { Episode, OperatorEntry } from './alert-answers.ts';
import { clockTime, lasting, plain } from './table.ts';

interface Series {
  device: string;
  sensor?: string | undefined;
  metric?: string | undefined;
}

export function series({ device, sensor, metric }: Series): string {
  return [device, sensor, metric].filter((part) => part !== undefined).join('/');
}

/** What is to be known beside its state. @param now ms */
export function notesOf(episode: Episode, now: number): string[] {
  const { asOf, clearedAt, state, ackedAt, ackedBy, assignee, shelvedUntil, historical, count } = episode;
  const isShelved = shelvedUntil !== undefined && shelvedUntil > now && state !== 'resolved';
  return [
    asOf === undefined ? [] : `as of ${shortTime(asOf, now)}`,
    clearedAt !== undefined && state !== 'resolved' ? 'over, to be acknowledged' : [],
    ackedAt === undefined ? [] : `acked by ${ackedBy}`,
    assignee === undefined ? [] : `of ${assignee}`,
    isShelved ? `shelved until ${shortTime(shelvedUntil, now)}` : [],
    historical ? 'historical' : [],
    count === undefined ? [] : `stands for ${count}`,
  ].flat();
}

/** Of a day that is not far the time alone. */
function shortTime(ms: number, now: number): string {
  const text = clockTime(ms);
  return Math.abs(now - ms) < DAY_MS ? text.slice('2026-11-21 '.length, -':00'.length) : text.slice(0, -':00'.length);
}

const DAY_MS = 86_400_000;

export function transitionLine(transition: AlertTransition): string {
  const { ts, state, severity, summary } = transition;
  return `${clockTime(ts)}  ${state.padEnd(8)}  ${severity.padEnd(8)}  ${series(transition)}  ${plain(summary)}`;
}

export function operatorLine(entry: OperatorEntry, episode: Episode): string {
  const over = episode.state === 'resolved' && episode.reason === 'acknowledged' ? ', and it is over' : '';
  return `${clockTime(entry.at)}  ${didWhat(entry)}${over}  ${series(episode)}  ${plain(episode.summary)}`;
}

const DID: Readonly<Record<string, string>> = {
  ack: 'acknowledged',
  unack: 'not acknowledged any more',
  comment: 'commented',
  unshelve: 'not shelved any more',
  end: 'ended',
};

export function didWhat(entry: OperatorEntry): string {
  const { by, what, comment, assignee, until } = entry;
  const done =
    what === 'assign'
      ? `assigned to ${assignee ?? 'nobody'}`
      : what === 'shelve'
        ? `shelved until ${clockTime(until!)}`
        : (DID[what] ?? what);
  return plain(`${done} by ${by}${comment === undefined ? '' : `: ${comment}`}`);
}

export function span(ms: number): string {
  return lasting(Math.round(ms / 1000));
}
