/**
 * Commands in the spool: runs in the database thread.
 *
 *     command         what is to be run, from when it came until it has ended
 *     command_ended   what the hub's commands ended as: one that comes again is answered again, and not run
 */
import type { DatabaseSync } from 'node:sqlite';
import type { CommandMessage, CommandOutcome, Report } from '@weir/protocols';
import type { DeviceCommand } from '@weir/runtime';
import type { Outbox } from '../outbox/outbox.ts';
import { metaOf } from '../spool/schema.ts';

/** `hub`: it is told what became of it. `local`: a function of this device made it. */
export type CommandOrigin = 'hub' | 'local';

export interface KeptCommand {
  origin: CommandOrigin;
  command: DeviceCommand;
  /** ms since epoch; undefined: never. */
  expiresAt: number | undefined;
}

export interface EndedCommand {
  origin: CommandOrigin;
  id: string;
  outcome: CommandOutcome;
  /** Why it is not done. */
  detail?: string;
}

/**
 * - `taken`: it is kept now, and is to be run
 * - `known`: it is kept already
 * - `ended`: it has ended before, and the answer goes out again
 * - `early`: one that was sent before it is not here; the hub sends both again
 * - `full`: too many wait; the hub sends it again
 */
export type Taken = 'taken' | 'known' | 'ended' | 'early' | 'full';

/** Ended ones that are remembered. By number and not by time, for the clock of a device may jump; the hub sends 100 at most. */
const ENDED_KEPT = 1_000;
const DETAIL_CHARS_MAX = 500;

export type CommandTable = ReturnType<typeof commandTable>;

/** To be used within one transaction. */
export function commandTable(db: DatabaseSync, outbox: Outbox, waitingMax: number) {
  const meta = metaOf(db);
  const count = db.prepare('SELECT count(*) AS count FROM command');
  const insert = db.prepare('INSERT OR IGNORE INTO command (origin, id, json, expires_at) VALUES (?, ?, ?, ?)');
  const has = db.prepare("SELECT 1 FROM command WHERE origin = 'hub' AND id = ?");
  const remove = db.prepare('DELETE FROM command WHERE origin = ? AND id = ?');
  const all = db.prepare('SELECT origin, json, expires_at FROM command ORDER BY rowid');
  const ended = db.prepare('SELECT outcome, detail FROM command_ended WHERE id = ?');
  const remember = db.prepare('INSERT OR REPLACE INTO command_ended (id, outcome, detail) VALUES (?, ?, ?)');
  const forget = db.prepare(
    'DELETE FROM command_ended WHERE rowid <= (SELECT rowid FROM command_ended ORDER BY rowid DESC LIMIT 1 OFFSET ?)',
  );

  const waiting = () => count.get()!.count as number;
  const report = (id: string, outcome: CommandOutcome, detail: string | undefined, now: number) => {
    const done: Report = { type: 'command-done', id, ts: now, outcome, ...(detail !== undefined && { detail }) };
    outbox.addReports([done], now);
  };

  return {
    /** One that came from the hub. */
    take({ expiresIn, after, ...command }: CommandMessage, now: number): Taken {
      const before = ended.get(command.id);
      if (before !== undefined) {
        report(command.id, before.outcome as CommandOutcome, (before.detail as string | null) ?? undefined, now);
        return 'ended';
      }
      if (has.get(command.id) !== undefined) return 'known';
      if (after !== undefined && has.get(after) === undefined && ended.get(after) === undefined) return 'early';
      if (waiting() >= waitingMax) return 'full';
      insert.run('hub', command.id, JSON.stringify(command), now + expiresIn);
      return 'taken';
    },

    /** Those that functions of this device made. @returns what is kept; over the bound the last are dropped, and counted */
    addLocal(commands: readonly DeviceCommand[]): KeptCommand[] {
      const kept = commands.slice(0, Math.max(0, waitingMax - waiting()));
      for (const command of kept) insert.run('local', command.id, JSON.stringify(command), null);
      if (kept.length < commands.length) meta.add('commands-dropped', commands.length - kept.length);
      return kept.map((command) => ({ origin: 'local', command, expiresAt: undefined }));
    },

    /** Ends one that is kept; the hub is told of its own. */
    end({ origin, id, outcome, detail }: EndedCommand, now: number): void {
      if (remove.run(origin, id).changes === 0 || origin === 'local') return;
      const why = detail?.slice(0, DETAIL_CHARS_MAX);
      remember.run(id, outcome, why ?? null);
      forget.run(ENDED_KEPT);
      report(id, outcome, why, now);
    },

    waiting,
    dropped: () => meta.get('commands-dropped') as number,

    /** In the order in which they came. */
    all(): KeptCommand[] {
      return all.all().map(({ origin, json, expires_at }) => ({
        origin: origin as CommandOrigin,
        command: JSON.parse(json as string) as DeviceCommand,
        expiresAt: (expires_at as number | null) ?? undefined,
      }));
    },
  };
}

/** What others than a step do with commands. */
export function commandOperations(table: CommandTable, outbox: Outbox) {
  return {
    takeCommand: (message: CommandMessage, now: number): Taken => {
      const taken = table.take(message, now);
      outbox.enforceBounds(now);
      return taken;
    },
    keptCommands: (): KeptCommand[] => table.all(),
    /** @param reports what else it brought about */
    endCommand(ended: EndedCommand, reports: readonly Report[], now: number): void {
      table.end(ended, now);
      outbox.addReports(reports, now);
      outbox.enforceBounds(now);
    },
  };
}
