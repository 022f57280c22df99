/** Puts last good versions in the place of what has failed on a host, as part of one commit. */
import type { Columns } from '@weir/protocols';
import type { Deployed, FoldHost, FoldStatus, LogLine, StepOutput } from '../fold/fold.ts';
import { restoredState } from '../fold/restored-state.ts';
import { joinColumns } from '../fold/select.ts';
import { rehearse, versionOf } from './rehearsal.ts';
import { type Failure, fallBack, type Succession } from './succession.ts';

/** What the owner of a host holds, and what is to be committed with it. */
export interface Holding<C> {
  kept: readonly Succession<C>[];
  /** What the host holds. */
  deployed: readonly Deployed[];
  output: StepOutput;
}

export interface MendPorts<C> {
  /** A host beside the one that runs. */
  createHost: () => FoldHost;
  /**
   * @returns why not, when its bundle is not there any more or may not run
   * @throws when it cannot be read just now: then nothing is decided, and the owner begins again with what is committed
   */
  load: (setting: Succession<C>) => Promise<Deployed | string>;
  /** JSON of a fold's state as committed, and as it was kept for its last good version. */
  states: (name: string) => Promise<{ current: string | undefined; saved: string | undefined }>;
  log: (message: string) => void;
}

/**
 * To be called when the health of a host has changed; changes the host.
 *
 * A version that was quarantined is replaced by the last good one, or else stays stopped. So is one that cannot be
 * started, if it cannot be a second time and by itself: what is wrong may be the machine, or a neighbour.
 *
 * @returns `before` itself when there was nothing to do
 */
export async function mend<C>(
  host: FoldHost,
  before: Holding<C>,
  ports: MendPorts<C>,
  position: string,
  now: number,
): Promise<Holding<C>> {
  let holding = before;
  for (const status of host.status()) {
    const kept = holding.kept.find(({ name }) => name === status.name);
    if (kept === undefined || kept.quarantined !== null || kept.hash !== status.hash) continue;
    if (status.state === 'failed' && !(await isBeyondHope(kept, holding, ports, now))) continue;
    const why = failureOf(status);
    if (why !== undefined) holding = await replaceFailed(host, holding, kept, why, ports, position, now);
  }
  return holding;
}

function failureOf({ version, state, reason = 'it failed again and again' }: FoldStatus): Failure | undefined {
  return state === 'failed' || state === 'quarantined' ? { version, state, reason } : undefined;
}

async function isBeyondHope<C>(
  { name, lastGood }: Succession<C>,
  { deployed }: Holding<C>,
  { createHost }: MendPorts<C>,
  now: number,
): Promise<boolean> {
  const own = deployed.find((each) => each.name === name);
  if (lastGood === undefined || own === undefined) return false;
  return (await rehearse(createHost, own, now)) !== undefined;
}

async function replaceFailed<C>(
  host: FoldHost,
  holding: Holding<C>,
  failing: Succession<C>,
  why: Failure,
  ports: MendPorts<C>,
  position: string,
  now: number,
): Promise<Holding<C>> {
  const { name } = failing;
  const told = `${name}@${why.version} is ${why.state}: ${why.reason}`;
  const next = asksToStop(holding, name) && why.state === 'quarantined' ? undefined : fallBack(failing, why);
  const found = next && (await loadFit(next, ports, now));
  if (next === undefined || found === undefined || typeof found === 'string') {
    ports.log(found === undefined ? told : `${told}; the last good cannot be started: ${found}`);
    if (why.state === 'failed') return holding;
    const reason = found === undefined ? why.reason : `${why.reason}; the last good cannot be started: ${found}`;
    return { ...holding, kept: replaced(holding.kept, { ...failing, quarantined: reason }) };
  }
  const { current, saved } = await ports.states(name);
  const state = restoredState(stateIn(holding.output, name, current), saved);
  const output = await replaceFold(host, holding.deployed, found, state, position, now);
  ports.log(`${told}; ${versionOf(found)}, the last good, runs in its place`);
  return {
    kept: replaced(holding.kept, next),
    deployed: replaced(holding.deployed, found),
    output: joinOutputs(holding.output, output),
  };
}

/** Who would rather have nothing done than something wrong is not replaced by what it was before. */
function asksToStop<C>({ deployed }: Holding<C>, name: string): boolean {
  const bundle = deployed.find((each) => each.name === name)?.bundle;
  return bundle?.kind === 'function' && bundle.manifest.onError === 'stop';
}

async function loadFit<C>(next: Succession<C>, ports: MendPorts<C>, now: number): Promise<Deployed | string> {
  const found = await ports.load(next);
  if (typeof found === 'string') return found;
  return (await rehearse(ports.createHost, found, now)) ?? found;
}

/** What a step leaves a fold with, as JSON. @param committed before it */
export function stateIn({ states }: StepOutput, name: string, committed: string | undefined): string | undefined {
  const changed = states.findLast(({ fold }) => fold === name);
  return changed === undefined ? committed : (changed.json ?? undefined);
}

function replaced<T extends { name: string }>(list: readonly T[], next: T): T[] {
  return list.map((each) => (each.name === next.name ? next : each));
}

/**
 * Takes a fold off and starts `next` under its name with `state`. Its alerts go on where `state` has them.
 *
 * @param state JSON; undefined: it begins without
 */
export async function replaceFold(
  host: FoldHost,
  deployed: readonly Deployed[],
  next: Deployed,
  state: string | undefined,
  position: string,
  now: number,
): Promise<StepOutput> {
  const others = deployed.filter(({ name }) => name !== next.name);
  const off = await host.deploy(others, new Map(), `${position}.off`, now);
  const states = new Map(state === undefined ? [] : [[next.name, state]]);
  const on = await host.deploy([...others, next], states, position, now);
  off.alerts = off.alerts.filter(({ source }) => source.name !== next.name);
  off.states.push({ fold: next.name, json: state ?? null });
  return joinOutputs(off, on);
}

/** What both bring about, in this order, as if one step had. Of more series than one step can have, the second's are left out. */
export function joinOutputs(first: StepOutput, second: StepOutput): StepOutput {
  const states = [...first.states, ...second.states];
  const isNewest = ({ fold }: { fold: string }, at: number) =>
    states.findLastIndex((each) => each.fold === fold) === at;
  const [emitted, leftOut] = joinColumns(first.emitted, second.emitted);
  const forwarded = joinForwarded(first, second);
  return {
    ...(forwarded && { forwarded }),
    states: states.filter(isNewest),
    emitted,
    alerts: [...first.alerts, ...second.alerts],
    publishes: [...first.publishes, ...second.publishes],
    requests: [...first.requests, ...second.requests],
    commands: [...first.commands, ...second.commands],
    deadLetters: [...first.deadLetters, ...second.deadLetters],
    logs: [...first.logs, ...second.logs, ...(leftOut === undefined ? [] : [tooMany(leftOut)])],
    usage: [...first.usage, ...second.usage],
  };
}

function tooMany({ index, ts }: Columns): LogLine {
  const text = `emit: too many series in one step; ${index.length} readings of a version that was started in it were left out`;
  return { fold: 'functions', level: 'error', text, ts: ts[0]! };
}

/** Where only one has gone through a policy, all of the other is forwarded. */
function joinForwarded(first: StepOutput, second: StepOutput): StepOutput['forwarded'] {
  if (first.forwarded === undefined && second.forwarded === undefined) return undefined;
  const [a, b] = [first, second].map(
    ({ emitted, forwarded }) => forwarded ?? { readings: [emitted].filter(({ index }) => index.length > 0) },
  );
  // Only one of them has had an input.
  const places = first.forwarded?.places ?? second.forwarded?.places;
  return { ...(places && { places }), readings: [...a!.readings, ...b!.readings] };
}
