/** What one step changes, in one transaction: runs in the database thread. */
import type { DatabaseSync } from 'node:sqlite';
import type { AlertTransition, Columns, Report } from '@weir/protocols';
import type {
  DeadLetter,
  DeviceCommand,
  Forwarded,
  FunctionUsage,
  Publish,
  StepOutput,
  WaitingRequest,
} from '@weir/runtime';
import type { Learned, Stamp } from '../clock/agent-clock.ts';
import type { Eras } from '../clock/eras.ts';
import type { CommandTable, EndedCommand, KeptCommand } from '../commands/table.ts';
import { rowThinner } from '../journal/thin-row.ts';
import type { NoticeTable } from '../notices/notice-table.ts';
import type { LaneAccount, Outbox, PassedRow } from '../outbox/outbox.ts';
import { type Meta, metaOf } from '../spool/schema.ts';
import { usageRows } from '../usage/usage-rows.ts';
import { type CandidateChange, candidateOperations, type KeptCandidate } from './candidate-table.ts';
import type { DeadLetterTable, ReplayedLetter } from './dead-letter-table.ts';
import { type DeploymentChange, deploymentOperations, type KeptDeployment } from './kept-deployments.ts';

export interface StepCommit {
  /** One more than that of the commit before: a step is kept only on top of the one it was computed from. */
  number: number;
  /** How many inputs since the last row were no rows, with this one; undefined: it is a row, or brought nothing about. */
  sinceRow?: number | undefined;
  states: StepOutput['states'];
  /** Undefined: nothing was emitted. */
  emitted: Columns | undefined;
  /** What goes to the hub, where a forwarding policy runs; undefined: the row as it is, and what was emitted. */
  forwarded?: Forwarded | undefined;
  alerts: readonly AlertTransition[];
  publishes: readonly Publish[];
  /** Undefined: there are none. */
  reports?: readonly Report[];
  requests?: readonly WaitingRequest[];
  /** Of functions, to functions of this device. */
  commands?: readonly DeviceCommand[];
  /** What is over and done with by this step. */
  settled?: Settled | undefined;
  /** Undefined: there are none. */
  deadLetters?: readonly DeadLetter[];
  /** Undefined: none. */
  usage?: readonly FunctionUsage[];
  /** Last journal row the step took in; undefined for a tick or a deployment. */
  through: number | undefined;
  /** What runs from now on; undefined: as before. */
  deployed: DeploymentChange | undefined;
  /** Of candidates that have followed up to here; undefined: nothing. */
  candidates?: readonly CandidateChange[];
  /** Whether the uplink is up: fresh readings go into the live lane then. */
  connected: boolean;
  /** ms since epoch */
  now: number;
  /** In which time it was computed; undefined: the clock is right. */
  time?: Stamp | undefined;
  /** What time it was is known from here on. */
  learned?: Learned | undefined;
}

/** Rows that go with the commit of an event: what it was is known by then. */
export interface Settled {
  /** Id of a request whose answer came. */
  request?: string;
  /** A letter that was run again. */
  deadLetter?: ReplayedLetter;
  command?: EndedCommand;
}

export interface StepCommitted {
  lanes: LaneAccount[];
  /** Those of the step's that are kept. */
  commands: KeptCommand[];
}

export function stepOperations(
  db: DatabaseSync,
  outbox: Outbox,
  {
    letters,
    commands,
    eras,
    notices,
  }: { letters: DeadLetterTable; commands: CommandTable; eras: Eras; notices: NoticeTable },
  publishesMax: number,
) {
  const meta = metaOf(db);
  const passed = db.prepare(
    'SELECT id, count, length(bytes) AS bytes, era FROM journal WHERE id > ? AND id <= ? ORDER BY id',
  );
  const thinned = rowThinner(db);
  const setState = db.prepare('INSERT INTO fold_state VALUES (?, ?) ON CONFLICT DO UPDATE SET json = excluded.json');
  const forgetState = db.prepare('DELETE FROM fold_state WHERE fold = ?');
  const publishes = publishOperations(db, meta, publishesMax);
  const requests = requestOperations(db);
  const deployments = deploymentOperations(db);
  const candidates = candidateOperations(db);
  const usage = usageRows(db);
  return {
    /** @throws when the step before was not committed */
    commitStep(step: StepCommit): StepCommitted {
      const last = meta.get('step') as number;
      if (step.number !== last + 1) throw new Error(`step ${step.number} does not follow step ${last}`);
      meta.set('step', step.number);
      if (step.time !== undefined) eras.note(step.time);
      const lane = outbox.laneForReadings(step.connected);
      if (step.through !== undefined) {
        const position = meta.get('position') as number;
        const places = step.forwarded?.places;
        for (const row of passed.all(position, step.through) as unknown as PassedRow[]) {
          const left = places === undefined || row.id !== step.through ? row : thinned(row, places);
          if (left !== undefined) outbox.addJournalRow(lane, left, step.now);
        }
        meta.set('position', step.through);
      }
      if (step.sinceRow !== undefined) meta.set('since-row', `${meta.get('position')}.${step.sinceRow}`);
      const readings = step.forwarded?.readings ?? (step.emitted === undefined ? [] : [step.emitted]);
      for (const columns of readings) outbox.addReadings(lane, columns, step.now);
      if (step.alerts.length > 0) outbox.addAlerts(step.alerts, step.now);
      notices.add(step.alerts, step.now);
      if (step.reports !== undefined) outbox.addReports(step.reports, step.now);
      if (step.candidates !== undefined) candidates.change(step.candidates);
      if (step.deployed !== undefined) deployments.replace(step.deployed);
      for (const { fold, json } of step.states) {
        if (json === null) forgetState.run(fold);
        else setState.run(fold, json);
      }
      publishes.add(step.publishes);
      requests.add(step.requests ?? []);
      if (step.settled?.request !== undefined) requests.remove(step.settled.request);
      letters.add(step.deadLetters ?? [], step.settled?.deadLetter, step.now);
      if (step.usage !== undefined) usage.add(step.usage, step.now);
      if (step.settled?.command !== undefined) commands.end(step.settled.command, step.now);
      const kept = commands.addLocal(step.commands ?? []);
      if (step.learned !== undefined) {
        eras.learn(step.learned);
        notices.learn(step.learned);
      }
      outbox.enforceBounds(step.now);
      return { lanes: outbox.accounts(), commands: kept };
    },

    /** Publishes that were carried out. */
    publishesDone(ids: readonly string[]): void {
      publishes.remove(ids);
    },

    /** Keeps a bundle at hand before it is deployed. */
    stageBundle(hash: string, bytes: Uint8Array): void {
      deployments.stage(hash, bytes);
    },

    /** Of all bundles but those that run, may run again, run beside, or are named. */
    forgetBundles(needed: readonly string[]): void {
      deployments.forgetBundles(needed);
    },

    /** Whether it is here, and the bytes of all others. */
    bundleRoom(hash: string): { isHere: boolean; othersBytes: number } {
      return deployments.room(hash);
    },

    bundle(hash: string): Uint8Array | undefined {
      return deployments.bundle(hash);
    },

    /** JSON of a fold's state, and of the state that is kept for its last good version. */
    foldStates(name: string): { current: string | undefined; saved: string | undefined } {
      return deployments.states(name);
    },

    deployments(): KeptDeployment[] {
      return deployments.all();
    },

    candidates(): KeptCandidate[] {
      return candidates.all();
    },
  };
}

function publishOperations(db: DatabaseSync, meta: Meta, publishesMax: number) {
  const insert = db.prepare('INSERT OR IGNORE INTO publish VALUES (?, ?, ?, ?, ?)');
  const remove = db.prepare('DELETE FROM publish WHERE id = ?');
  const trim = db.prepare(
    'DELETE FROM publish WHERE rowid <= (SELECT rowid FROM publish ORDER BY rowid DESC LIMIT 1 OFFSET ?)',
  );
  return {
    add(publishes: readonly Publish[]): void {
      if (publishes.length === 0) return;
      for (const { id, topic, payload, qos, retain } of publishes) insert.run(id, topic, payload, qos, retain ? 1 : 0);
      const { changes } = trim.run(publishesMax);
      if (Number(changes) > 0) meta.add('publishes-dropped', Number(changes));
    },
    remove(ids: readonly string[]): void {
      for (const id of ids) remove.run(id);
    },
  };
}

function requestOperations(db: DatabaseSync) {
  const insert = db.prepare('INSERT OR IGNORE INTO request VALUES (?, ?)');
  const remove = db.prepare('DELETE FROM request WHERE id = ?');
  return {
    add(requests: readonly WaitingRequest[]): void {
      for (const waiting of requests) insert.run(waiting.request.id, JSON.stringify(waiting));
    },
    remove: (id: string) => void remove.run(id),
  };
}
