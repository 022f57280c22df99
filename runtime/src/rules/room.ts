/** Which subjects give way where a rule watches as many as it may. */
import type { SubjectFold } from './episode/subject.ts';

/** Names come from outside. Each is some 300 bytes in memory and on the card; of those that are quiet the tenth heard of longest ago gives way. */
export const SUBJECTS_MAX = 10_000;

interface Leaving {
  going: SubjectFold[];
  /** What people are told, and event time of the latest of those that are quiet. */
  text: string;
  ts: number;
}

export function giveWay(subjects: ReadonlyMap<string, SubjectFold>): Leaving {
  const quiet = [...subjects.values()].filter(({ open }) => open === undefined);
  quiet.sort((a, b) => a.newest - b.newest || (a.key < b.key ? -1 : 1));
  const going = quiet.slice(0, SUBJECTS_MAX / 10);
  const what = going.length > 0 ? 'those heard of longest ago are forgotten' : 'new ones are not watched';
  const text = `the rule watches ${SUBJECTS_MAX} series or sensors here, which is the most: ${what}`;
  return { going, text, ts: quiet.at(-1)?.newest ?? 0 };
}
