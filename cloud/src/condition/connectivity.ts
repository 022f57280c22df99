/**
 * When somebody is told that devices are away. Pure: the {@link ConnectivityWatch} carries it out.
 *
 *     here -- gone --> away for less than it may be -- too long --> alone: an alert of its own --- back: it ends
 *                                                 \-- with many --> part of an outage: one alert for all of them
 *
 * Devices that went away within a short time are one outage when there are more of them than a few: of a group, when nearly all of them
 * are of one, else of the fleet: then it is the line of the hub, or the hub was just started. An outage ends when all are back, or
 * when fewer than that have been left of it for as long; these have an alert of their own then.
 */

/** A device that is away. */
export interface Absence {
  device: string;
  /** Since when, ms since epoch; of devices that a hub which was started again waits for, since its start. */
  since: number;
  state: 'silent' | 'offline';
  groups: readonly string[];
  /** How long it may be away, ms; null: nobody is told. */
  afterMs: number | null;
}

export interface Outage {
  id: string;
  /** Undefined: of the whole fleet. */
  group: string | undefined;
  startedAt: number;
  /** Devices that were away when it was told. */
  count: number;
}

export interface Watched {
  absences: readonly Absence[];
  /** Devices with an alert of their own that is open. */
  alone: ReadonlySet<string>;
  outages: readonly Outage[];
  /** By outage: since when fewer are left of it than make one. */
  fewSince: ReadonlyMap<string, number>;
}

export interface WatchLimits {
  /** So many devices that go away together are one outage. */
  devicesMin: number;
  /** So close to one another they went. */
  withinMs: number;
}

export type Decision =
  | { do: 'open'; absence: Absence }
  | { do: 'close'; device: string }
  | { do: 'open-outage'; group: string | undefined; absences: readonly Absence[] }
  /** Few are left of it: the rest has some time to come back, too. */
  | { do: 'wait'; outage: Outage }
  | { do: 'close-outage'; outage: Outage; left: readonly Absence[] };

/** A group in which so much of an outage is has it to itself. */
const SHARE_OF_GROUP = 0.8;

/** What is to be told now. */
export function decide(watched: Watched, limits: WatchLimits, now: number): Decision[] {
  const decisions: Decision[] = [];
  const away = new Map(watched.absences.map((absence) => [absence.device, absence]));
  for (const device of watched.alone) {
    const absence = away.get(device);
    if (absence === undefined || absence.afterMs === null) decisions.push({ do: 'close', device });
  }
  // Oldest first, so that what is one outage does not depend on the order of devices.
  const open = watched.absences
    .filter(({ device, afterMs }) => afterMs !== null && !watched.alone.has(device))
    .sort((a, b) => a.since - b.since || (a.device < b.device ? -1 : 1));
  const outages: Outage[] = [];
  for (const outage of watched.outages) {
    const left = open.filter(
      (absence) => isOf(absence, outage.group) && absence.since >= outage.startedAt - limits.withinMs,
    );
    const since = watched.fewSince.get(outage.id) ?? now;
    const isOver = left.length === 0 || (left.length < limits.devicesMin && now - since >= limits.withinMs);
    if (isOver) decisions.push({ do: 'close-outage', outage, left });
    else outages.push(outage);
    if (!isOver && left.length < limits.devicesMin) decisions.push({ do: 'wait', outage });
  }
  let untold = open.filter((absence) => !outages.some((outage) => isOf(absence, outage.group)));
  for (;;) {
    const first = untold.find(({ since, afterMs }) => now - since >= afterMs!);
    if (first === undefined) return decisions;
    const { decision, told } = tell(first, untold, limits);
    decisions.push(decision);
    untold = untold.filter(({ device }) => !told.has(device));
  }
}

function tell(first: Absence, untold: readonly Absence[], { devicesMin, withinMs }: WatchLimits) {
  const together = untold.filter(({ since }) => Math.abs(since - first.since) <= withinMs);
  const groups = [...new Set(together.flatMap((absence) => absence.groups))].map((group) => ({
    group,
    absences: together.filter((absence) => absence.groups.includes(group)),
  }));
  const largest = groups.sort((a, b) => b.absences.length - a.absences.length || (a.group < b.group ? -1 : 1))[0];
  const isOfOne = largest !== undefined && largest.absences.length >= SHARE_OF_GROUP * together.length;
  const whole = isOfOne ? largest : { group: undefined, absences: together };
  const isOutage = whole.absences.length >= devicesMin && whole.absences.includes(first);
  const told = new Set(isOutage ? whole.absences.map(({ device }) => device) : [first.device]);
  const decision: Decision = isOutage ? { do: 'open-outage', ...whole } : { do: 'open', absence: first };
  return { decision, told };
}

function isOf({ groups }: Absence, group: string | undefined): boolean {
  return group === undefined || groups.includes(group);
}
