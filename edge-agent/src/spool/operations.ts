/** Opens the spool inside the database thread: the schema, and every operation on it. */
import type { DatabaseSync } from 'node:sqlite';
import type { Lane, LetterEnd, Report } from '@weir/protocols';
import type { Publish, WaitingRequest } from '@weir/runtime';
import { clockOperations, Eras, makeClockSchema } from '../clock/eras.ts';
import { commandOperations, commandTable, type KeptCommand } from '../commands/table.ts';
import type { KeptCandidate } from '../functions/candidate-table.ts';
import {
  type DeadLetterLimits,
  DeadLetterTable,
  type KeptLetter,
  type LettersWaiting,
} from '../functions/dead-letter-table.ts';
import type { KeptDeployment } from '../functions/kept-deployments.ts';
import { stepOperations } from '../functions/step-commit.ts';
import { type Trial, trialOperations } from '../functions/trial-table.ts';
import { type Appended, type Arrival, journalBytes, journalOperations, type Refusal } from '../journal/journal.ts';
import {
  makeNoticeSchema,
  NO_NOTICES,
  type NoticeOptions,
  NoticeTable,
  noticeOperations,
} from '../notices/notice-table.ts';
import { type BatchCut, batchOperations } from '../outbox/batches.ts';
import type { KnownRange } from '../outbox/drops.ts';
import { endOperations } from '../outbox/ends.ts';
import { type LaneAccount, Outbox } from '../outbox/outbox.ts';
import type { OutboxLimits } from '../outbox/policies.ts';
import { Runs } from '../outbox/runs.ts';
import { makeTrustSchema, trustOperations } from '../trust/trust-table.ts';
import { spentOperations } from '../uplink/spent-table.ts';
import { usageOperations } from '../usage/usage-rows.ts';
import { roomWhenFull } from './room-when-full.ts';
import { type Meta, makeSchema, metaOf } from './schema.ts';
import { noteSchema } from './schema-note.ts';

export interface SpoolOptions {
  /** Word for the life of this file, should the spool be new. */
  life: string;
  /** Word for this run of the agent, drawn anew at each start. */
  run: string;
  outbox: OutboxLimits;
  batch: BatchCut;
  /** Publishes of functions that may wait. */
  publishesMax: number;
  deadLetters: DeadLetterLimits;
  /** Commands that may wait. */
  commandsMax: number;
  /** Who is told of alerts by the device itself; undefined: nobody. */
  notices?: NoticeOptions;
  /** Commits share a sync of the disk for so long; undefined: each has its own. */
  syncEveryMs?: number | undefined;
}

/** What the agent starts from. */
export interface SpoolState {
  /** `<life>.<run>`: that of what is numbered from now on. */
  epoch: string;
  /** Last journal row that the functions passed. */
  position: number;
  /** Last journal row there is. */
  lastId: number;
  /** Number of the last step that was committed. */
  step: number;
  /** Inputs since the row at `position` that were no rows and brought something about. */
  sinceRow: number;
  /** Bytes of the rows after it. */
  journalBytes: number;
  /** JSON by fold name. */
  states: Map<string, string>;
  deployments: KeptDeployment[];
  trials: Trial[];
  candidates: KeptCandidate[];
  publishes: Publish[];
  requests: WaitingRequest[];
  commands: KeptCommand[];
  /** JSON; undefined: nothing was ever wanted. */
  desired: string | undefined;
  lanes: LaneAccount[];
}

export interface SpoolCounts {
  accepted: number;
  futureReadings: number;
  refused: Record<string, number>;
  lanes: LaneAccount[];
  publishesWaiting: number;
  publishesDropped: number;
  deadLetters: LettersWaiting[];
  deadLettersDropped: number;
  commandsWaiting: number;
  commandsDropped: number;
}

/** The rest is joined meanwhile, and told by the next call. */
const GAPS_PER_CALL = 20;

export function open(db: DatabaseSync, options: SpoolOptions) {
  makeSchema(db, options.life);
  makeClockSchema(db);
  makeTrustSchema(db);
  makeNoticeSchema(db);
  noteSchema(db);
  const meta = metaOf(db);
  const epoch = `${meta.get('epoch')}.${options.run}`;
  const runs = new Runs(db, epoch);
  const eras = new Eras(db);
  const outbox = new Outbox(db, { runs, eras }, options.outbox);
  const letters = new DeadLetterTable(db, meta, outbox, options.deadLetters);
  const commands = commandTable(db, outbox, options.commandsMax);
  const states = db.prepare('SELECT fold, json FROM fold_state');
  const publishes = db.prepare('SELECT id, topic, payload, qos, retain FROM publish ORDER BY rowid');
  const requests = db.prepare('SELECT json FROM request ORDER BY rowid');
  const lastRow = db.prepare('SELECT max(id) AS id FROM journal');
  const refused = db.prepare('SELECT reason, count FROM refused ORDER BY count DESC');
  const lastRefused = db.prepare(
    'SELECT at, topic, reason, detail, head FROM refused_payload ORDER BY id DESC LIMIT ?',
  );
  const notices = new NoticeTable(db, meta, options.notices ?? NO_NOTICES);
  notices.forgetOthers();
  const steps = stepOperations(db, outbox, { letters, commands, eras, notices }, options.publishesMax);
  const makeRoom = roomWhenFull(db, outbox);
  const journal = journalOperations(db, eras);
  const trials = trialOperations(db);
  return {
    ...journal,
    ...clockOperations(eras),
    ...steps,
    ...trials,
    ...commandOperations(commands, outbox),
    ...batchOperations(db, outbox, { runs, eras }, options.batch),
    ...usageOperations(db, outbox),
    ...spentOperations(db),
    ...trustOperations(db),
    ...endOperations(db, outbox),
    ...noticeOperations(notices),

    /** Everything of the lane below `through` has reached the hub. */
    acknowledge(lane: Lane, through: number): void {
      outbox.acknowledge(lane, through);
    },

    /** What the agent says of itself, outside of any step. */
    addReports(reports: readonly Report[], now: number): void {
      outbox.addReports(reports, now);
      outbox.enforceBounds(now);
    },

    /**
     * As `append`, on a disk that is full: into the room of what the policies let go, which is counted.
     * @throws as SQLite does on a full disk when there is none
     */
    appendWhenFull(arrival: Arrival, now: number): Appended {
      makeRoom(now);
      return journal.append(arrival);
    },

    /** What became of a damaged database in whose place this one is, as JSON; undefined: it is none. */
    restored(): string | undefined {
      return sound(meta.get('restored') as string | undefined);
    },

    /** Answered when everything up to it is on the disk, whatever the durability. */
    synced(): void {},

    /** Tells the hub of letters for which there was no room before. @returns whether any are left */
    tellDeadLetters(now: number): boolean {
      return letters.tell(now);
    },

    /** Tells the hub of what was given up, {@link GAPS_PER_CALL} ranges at most. @returns how many */
    tellGaps(now: number): number {
      return outbox.tellDrops(GAPS_PER_CALL, now);
    },

    deadLetter(id: string): KeptLetter | undefined {
      return letters.get(id);
    },

    endDeadLetters(ids: readonly string[], reason: LetterEnd, now: number): void {
      for (const id of ids) letters.end(id, reason, now);
      outbox.enforceBounds(now);
    },

    state(): SpoolState {
      const deployments = steps.deployments();
      for (const { config } of deployments) sound(config);
      return {
        epoch,
        position: meta.get('position') as number,
        lastId: (lastRow.get()!.id as number | null) ?? 0,
        step: meta.get('step') as number,
        sinceRow: sinceRow(meta),
        journalBytes: journalBytes(db, meta),
        states: new Map(states.all().map(({ fold, json }) => [fold as string, sound(json as string)])),
        deployments,
        trials: trials.trials(),
        candidates: steps.candidates(),
        publishes: publishes.all().map((row) => ({ ...(row as unknown as Publish), retain: row.retain === 1 })),
        requests: requests.all().map(({ json }) => JSON.parse(json as string) as WaitingRequest),
        commands: commands.all(),
        desired: sound(meta.get('desired') as string | undefined),
        lanes: outbox.accounts(),
      };
    },

    counts(): SpoolCounts {
      return {
        accepted: meta.get('accepted') as number,
        futureReadings: meta.get('future') as number,
        refused: Object.fromEntries(refused.all().map(({ reason, count }) => [reason, count as number])),
        lanes: outbox.accounts(),
        publishesWaiting: publishes.all().length,
        publishesDropped: meta.get('publishes-dropped') as number,
        deadLetters: letters.waiting(),
        deadLettersDropped: meta.get('dead-letters-dropped') as number,
        commandsWaiting: commands.waiting(),
        commandsDropped: commands.dropped(),
      };
    },

    /** The payloads refused last, newest first. */
    lastRefused(limit: number): Refusal[] {
      return lastRefused.all(limit) as unknown as Refusal[];
    },

    droppedRanges(): KnownRange[] {
      return outbox.droppedRanges();
    },
  };
}

/** Kept with the row it counts from: rows need not set it back. */
function sinceRow(meta: Meta): number {
  const [row, count] = String(meta.get('since-row') ?? '').split('.');
  return Number(row) === meta.get('position') ? Number(count ?? 0) : 0;
}

export type SpoolOperations = ReturnType<typeof open>;

/** What is read as JSON elsewhere: what is none any more is found here, where it counts as damage. @throws {SyntaxError} */
function sound<Text extends string | undefined>(json: Text): Text {
  if (json !== undefined) JSON.parse(json);
  return json;
}
