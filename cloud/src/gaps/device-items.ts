/**
 * Which items of one device were received, run by run, and what is missing: loaded run by run as they are heard of, changed
 * as batches are taken, committed with what they caused. However many runs there were, little of it is in memory: the run of
 * an item is found by its name. @see kept.ts for where
 */
import { type GapReport, LANES, parseEpoch } from '@weir/protocols';
import type { Change, Store } from '../store/store.ts';
import { ofOthers, withGeneration } from './generations.ts';
import { gapChange, laneLifeKey, livesKey, orderKey, readLaneLife, readLives, readRun, runKey } from './kept.ts';
import { type LaneLife, NO_LANE_LIFE, place, reachOf, sumsOfLife, withoutTip } from './lane-life.ts';
import { addTold, type Lives, meet, NO_LIVES, noteRestored, type Restored, surplusLife } from './lives.ts';
import type { Range } from './ranges.ts';
import { newRun, type Run, receive, type Sums, spanOf, sumsOf, tell, toldIn } from './run.ts';
import { difference, isNothing, type LaneMissing, missingIn } from './totals.ts';

/**
 * Runs of a lane that are kept, 300 bytes each with their place in the order: an agent that starts ten times a day for a year.
 * A device that goes on from a copy which is older than these would have items of it stored again.
 */
export const RUNS_PER_LANE_MAX = 4096;
/** Each costs three changes; what is left goes with the next commit. */
const RUNS_FORGOTTEN_PER_COMMIT = 2;
/** In memory after a commit; of the rest each is read again when it is heard of. */
const RUNS_IN_MEMORY = 16;

/** What is worth telling, once it is committed. */
export type Notice =
  | { type: 'gap'; at: number; report: GapReport }
  | ({ type: 'restored' } & Restored)
  | { type: 'new-life'; at: number; life: string };

export interface Settled {
  missing: LaneMissing[];
  notices: Notice[];
}

export interface Taking {
  epoch: string;
  seq: number;
  count: number;
  /** Ms since epoch. */
  at: number;
  generation?: string | undefined;
}

interface Step {
  before: Run | undefined;
  after: Run;
  /** Items of it came; else it was spoken of. */
  isSending: boolean;
}

export class DeviceItems {
  readonly device: string;
  readonly #store: Store;
  readonly #runsMax: number;
  #lives: Lives | undefined;
  #laneLives = new Map<string, LaneLife>();
  /** In order of last use. */
  #runs = new Map<string, Run>();
  #dirty = new Map<string, Change>();
  #settled: Settled = { missing: [], notices: [] };
  #mayForget = RUNS_FORGOTTEN_PER_COMMIT;

  constructor(device: string, store: Store, runsMax = RUNS_PER_LANE_MAX) {
    this.device = device;
    this.#store = store;
    this.#runsMax = runsMax;
  }

  get weight(): number {
    return this.#dirty.size;
  }

  /**
   * Notes `count` items from `seq` as received at `at`.
   * @param generation in which they were numbered; undefined: as they were made
   * @returns those that were not received before
   */
  async take(lane: string, { epoch, seq, count, at, generation }: Taking): Promise<Range[]> {
    const before = await this.#run(lane, epoch);
    const { fresh, run } = receive(before ?? newRun(at), seq, seq + count, at);
    const after = withGeneration(run, fresh, generation);
    if (fresh.length > 0) await this.#keep(lane, epoch, { before, after, isSending: true });
    return fresh;
  }

  /** @returns of `count` items from `seq` the numbers under which other items were received: its device was put back */
  async takenOtherwise(lane: string, { epoch, seq, count, generation }: Omit<Taking, 'at'>): Promise<Range[]> {
    return ofOthers(await this.#run(lane, epoch), seq, seq + count, generation);
  }

  /** The device says that it gave items up. */
  async tell(report: GapReport, at: number): Promise<void> {
    const before = await this.#run(report.lane, report.epoch);
    const after = tell(before ?? newRun(at), report, at);
    await this.#keep(report.lane, report.epoch, { before, after, isSending: false });
    // An old copy of its disk tells again what was told.
    const count = toldIn(after) - (before === undefined ? 0 : toldIn(before));
    if (count <= 0) return;
    this.#putLives(addTold(await this.#loadLives(), { ...report, count }));
    this.#settled.notices.push({ type: 'gap', at, report: { ...report, count } });
  }

  /**
   * How often the device went back to an old copy of its disk before this run of it, as far as the lane shows.
   * @returns undefined: nothing of the run was received yet
   */
  async branchOf(lane: string, epoch: string): Promise<number | undefined> {
    const run = await this.#run(lane, epoch);
    return run && (run.branch ?? 0);
  }

  /** What came of it since it was asked last; to be told, and added to the totals, with the commit. */
  settle(): Settled {
    const settled = this.#settled;
    this.#settled = { missing: [], notices: [] };
    return settled;
  }

  changes(): Change[] {
    return [...this.#dirty.values()];
  }

  committed(): void {
    this.#dirty.clear();
    this.#mayForget = RUNS_FORGOTTEN_PER_COMMIT;
    for (const name of this.#runs.keys()) {
      if (this.#runs.size <= RUNS_IN_MEMORY) break;
      this.#runs.delete(name);
    }
    const current = this.#lives?.current;
    for (const name of this.#laneLives.keys()) {
      if (!name.endsWith(`/${current}`)) this.#laneLives.delete(name);
    }
  }

  async #keep(lane: string, epoch: string, { before, after, isSending }: Step): Promise<void> {
    const { life, run: name } = parseEpoch(epoch);
    const isKnown = before !== undefined && (await this.#laneLife(lane, life)) !== NO_LANE_LIFE;
    const isBack = !isKnown && (await this.#begin(lane, epoch, after.at, isSending));
    const laneLife = await this.#laneLife(lane, life);
    const tip = laneLife.tip === name ? undefined : await this.#tipOf(lane, life, laneLife);
    const heard = { run: name, before: isKnown ? before : undefined, after, isSending };
    const placed = place(laneLife, heard, tip);
    const run = withGap(placed.run);
    this.#putRun(lane, epoch, before, run);
    if (placed.life !== laneLife) this.#putLaneLife(lane, life, laneLife, placed.life);
    if (isBack || placed.wentBack !== undefined) {
      const { seq, reached } = placed.wentBack ?? { seq: spanOf(run)![0], reached: reachOf(laneLife, tip)?.[1] ?? 0 };
      await this.#noteRestored({ at: after.at, life, run: name, lane, wasOver: isBack, seq, reached });
    }
    const isOver = (await this.#loadLives()).current !== life;
    const was = missingIn(total(heard.before, laneLife.between), isOver);
    this.#account(lane, difference(missingIn(total(run, placed.life.between), isOver), was));
  }

  /** A run that was not heard of before. @returns whether its life was over */
  async #begin(lane: string, epoch: string, at: number, isSending: boolean): Promise<boolean> {
    const { life } = parseEpoch(epoch);
    const before = await this.#loadLives();
    const lives = meet(before, life, at, isSending);
    const { first, next } = lives.runs[lane] ?? { first: 0, next: 0 };
    this.#put(orderKey(this.device, lane, next), { epoch });
    this.#putLives({ ...lives, runs: { ...lives.runs, [lane]: { first, next: next + 1 } } });
    const isTurn = before.current !== undefined && lives.current !== before.current;
    const isNew = lives.count > before.count;
    if (isTurn) await this.#end(before.current!, true);
    if (isTurn && isNew) this.#settled.notices.push({ type: 'new-life', at, life });
    if (isTurn && !isNew) await this.#end(life, false);
    if (this.#mayForget > 0) await this.#forgetLife();
    await this.#forgetRuns(lane);
    return isTurn && !isNew;
  }

  /** What is missing of a life that is over will not come, unless it comes back. */
  async #end(life: string, isOver: boolean): Promise<void> {
    for (const lane of LANES) {
      const sums = await this.#sumsOf(lane, life);
      this.#account(lane, difference(missingIn(sums, isOver), missingIn(sums, !isOver)));
    }
  }

  async #sumsOf(lane: string, life: string): Promise<Sums> {
    const laneLife = await this.#laneLife(lane, life);
    return sumsOfLife(laneLife, await this.#tipOf(lane, life, laneLife));
  }

  async #forgetLife(): Promise<void> {
    const lives = await this.#loadLives();
    const life = surplusLife(lives);
    if (life === undefined) return;
    let { missing, dropped } = lives.forgotten;
    for (const lane of LANES) {
      const sums = await this.#sumsOf(lane, life);
      missing += sums.missing;
      dropped += sums.dropped;
      const { gapSince } = await this.#laneLife(lane, life);
      if (gapSince !== undefined) this.#change(gapChange(this.device, gapSince, { lane, life }, false));
      this.#laneLives.set(`${lane}/${life}`, NO_LANE_LIFE);
      this.#change({ remove: laneLifeKey(this.device, lane, life) });
    }
    const list = lives.list.filter((each) => each.life !== life);
    this.#putLives({ ...lives, list, forgotten: { missing, dropped } });
  }

  /** The oldest of too many. Their sums stay with their life. */
  async #forgetRuns(lane: string): Promise<void> {
    for (; this.#mayForget > 0; this.#mayForget--) {
      const lives = await this.#loadLives();
      const { first, next } = lives.runs[lane]!;
      if (next - first <= this.#runsMax) return;
      const key = orderKey(this.device, lane, first);
      const oldest = (await this.#store.get(key))?.json as { epoch: string } | undefined;
      const run = oldest && (await this.#run(lane, oldest.epoch));
      if (run !== undefined) await this.#forgetRun(lane, oldest!.epoch, run);
      this.#change({ remove: key });
      this.#putLives({ ...lives, runs: { ...lives.runs, [lane]: { first: first + 1, next } } });
    }
  }

  async #forgetRun(lane: string, epoch: string, run: Run): Promise<void> {
    const { life, run: name } = parseEpoch(epoch);
    const laneLife = await this.#laneLife(lane, life);
    if (laneLife.tip === name) this.#putLaneLife(lane, life, laneLife, withoutTip(laneLife, run));
    if (run.gapSince !== undefined) this.#change(gapChange(this.device, run.gapSince, { lane, life, epoch }, false));
    this.#runs.delete(`${lane}/${epoch}`);
    this.#change({ remove: runKey(this.device, lane, epoch) });
  }

  async #noteRestored(restored: Restored): Promise<void> {
    const lives = noteRestored(await this.#loadLives(), restored);
    if (lives === undefined) return;
    this.#putLives(lives);
    this.#settled.notices.push({ type: 'restored', ...restored });
  }

  #account(lane: string, changed: ReturnType<typeof difference>): void {
    if (!isNothing(changed)) this.#settled.missing.push({ lane, ...changed });
  }

  async #loadLives(): Promise<Lives> {
    this.#lives ??= (await readLives(this.#store, this.device)) ?? NO_LIVES;
    return this.#lives;
  }

  async #laneLife(lane: string, life: string): Promise<LaneLife> {
    const name = `${lane}/${life}`;
    const known = this.#laneLives.get(name) ?? (await readLaneLife(this.#store, this.device, lane, life));
    this.#laneLives.set(name, known ?? NO_LANE_LIFE);
    return known ?? NO_LANE_LIFE;
  }

  async #tipOf(lane: string, life: string, { tip }: LaneLife): Promise<Run | undefined> {
    return tip === undefined ? undefined : this.#run(lane, epochOf(life, tip));
  }

  async #run(lane: string, epoch: string): Promise<Run | undefined> {
    const name = `${lane}/${epoch}`;
    const known = this.#runs.get(name) ?? (await readRun(this.#store, this.device, lane, epoch));
    if (known === undefined) return undefined;
    this.#runs.delete(name);
    this.#runs.set(name, known);
    return known;
  }

  #putRun(lane: string, epoch: string, before: Run | undefined, run: Run): void {
    const place = { lane, life: parseEpoch(epoch).life, epoch };
    if (before?.gapSince !== run.gapSince) this.#putGap(place, before?.gapSince, run.gapSince);
    this.#runs.set(`${lane}/${epoch}`, run);
    this.#put(runKey(this.device, lane, epoch), run);
  }

  #putLaneLife(lane: string, life: string, before: LaneLife, laneLife: LaneLife): void {
    if (before.gapSince !== laneLife.gapSince) this.#putGap({ lane, life }, before.gapSince, laneLife.gapSince);
    this.#laneLives.set(`${lane}/${life}`, laneLife);
    this.#put(laneLifeKey(this.device, lane, life), laneLife);
  }

  #putGap(
    place: { lane: string; life: string; epoch?: string },
    was: number | undefined,
    is: number | undefined,
  ): void {
    if (was !== undefined) this.#change(gapChange(this.device, was, place, false));
    if (is !== undefined) this.#change(gapChange(this.device, is, place, true));
  }

  #putLives(lives: Lives): void {
    this.#lives = lives;
    this.#put(livesKey(this.device), lives);
  }

  #put(key: ReturnType<typeof livesKey>, json: object): void {
    this.#change({ put: key, json });
  }

  #change(change: Change): void {
    const { table, sort } = 'remove' in change ? change.remove : change.put;
    this.#dirty.set(`${table}/${sort}`, change);
  }
}

function epochOf(life: string, run: string): string {
  return run === '' ? life : `${life}.${run}`;
}

function total(run: Run | undefined, between: number): Pick<Sums, 'missing' | 'dropped'> {
  const { missing, dropped } = run === undefined ? { missing: 0, dropped: 0 } : sumsOf(run);
  return { missing: missing + between, dropped };
}

/** Noted with the run, so that it can be found while it has a gap. */
function withGap(run: Run): Run {
  const { gapSince = run.at, ...rest } = run;
  return sumsOf(run).missing > 0 ? { ...rest, gapSince } : rest;
}
