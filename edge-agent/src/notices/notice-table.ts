/**
 * Notices in the spool: runs in the database thread.
 *
 *     notice          what a channel has to tell, in order. `due_at`: not before, for it is a time of maintenance of its rule.
 *                     `is_first`: nobody was told of the episode before
 *     notice_told     episodes that a channel was told of, or will be, and that are not over
 *     notice_topic    what a topic of the local broker says last: the broker forgets it when the agent ends
 *
 * Attempts are not kept: a receiver that is away for months must not wear the card out.
 */
import type { DatabaseSync } from 'node:sqlite';
import type { AlertTransition } from '@weir/protocols';
import type { Learned } from '../clock/agent-clock.ts';
import { addColumn, type Meta } from '../spool/schema.ts';
import { isWanted, type Notice, type NoticeChannel, type TopicState, topicFor, topicPayload } from './notices.ts';

export interface NoticeOptions {
  channels: readonly NoticeChannel[];
  /** Of one channel. */
  waitingMax: number;
  topicsMax: number;
}

export const NO_NOTICES: NoticeOptions = { channels: [], waitingMax: 1, topicsMax: 1 };

const TABLES = `
CREATE TABLE IF NOT EXISTS notice (
  id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT NOT NULL, episode TEXT NOT NULL, created_at INTEGER NOT NULL,
  due_at INTEGER NOT NULL, json TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notice_order ON notice (channel, id);
CREATE INDEX IF NOT EXISTS notice_episode ON notice (channel, episode, id);
CREATE TABLE IF NOT EXISTS notice_told (
  channel TEXT NOT NULL, episode TEXT NOT NULL, severity TEXT NOT NULL, PRIMARY KEY (channel, episode)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notice_topic (
  topic TEXT PRIMARY KEY, at INTEGER NOT NULL, payload TEXT NOT NULL, is_over INTEGER NOT NULL
) STRICT;
INSERT OR IGNORE INTO meta VALUES ('notices-dropped', 0);
`;

const FIRST_OF_EPISODE = `NOT EXISTS
  (SELECT 1 FROM notice AS e WHERE e.channel = n.channel AND e.episode = n.episode AND e.id < n.id)`;

export function makeNoticeSchema(db: DatabaseSync): void {
  db.exec(TABLES);
  addColumn(db, 'notice', 'is_first', 'INTEGER');
}

export interface NoticeCounts {
  /** By channel. */
  waiting: Record<string, number>;
  /** Given up at a bound, since the data folder was made. */
  dropped: number;
}

export class NoticeTable {
  readonly #db: DatabaseSync;
  readonly #meta: Meta;
  readonly #options: NoticeOptions;

  constructor(db: DatabaseSync, meta: Meta, options: NoticeOptions) {
    this.#db = db;
    this.#meta = meta;
    this.#options = options;
  }

  /** In the transaction of the step that brought them about. */
  add(alerts: readonly AlertTransition[], now: number): void {
    for (const transition of alerts) {
      for (const channel of this.#options.channels) this.#tell(channel, transition, now);
    }
  }

  /** Times that were kept before it was known what time it is. */
  learn({ shift }: Learned): void {
    this.#db.prepare('UPDATE notice SET created_at = created_at + ?, due_at = due_at + ?').run(shift, shift);
  }

  /** Those that may be told now, of each episode the first. */
  waiting(channel: string, now: number, limit: number): { notices: Notice[]; nextAt: number | undefined } {
    const rows = this.#db
      .prepare(
        `SELECT id, channel, created_at AS createdAt, json FROM notice AS n
         WHERE channel = ? AND due_at <= ? AND ${FIRST_OF_EPISODE} ORDER BY id LIMIT ?`,
      )
      .all(channel, now, limit) as unknown as { id: number; channel: string; createdAt: number; json: string }[];
    const { at } = this.#db
      .prepare(`SELECT min(due_at) AS at FROM notice AS n WHERE channel = ? AND due_at > ? AND ${FIRST_OF_EPISODE}`)
      .get(channel, now) as { at: number | null };
    const notices = rows.map(({ json, ...row }) => ({ ...row, transition: JSON.parse(json) as AlertTransition }));
    return { notices, nextAt: at ?? undefined };
  }

  /** They were told. */
  done(ids: readonly number[], now: number): void {
    for (const id of ids) {
      const row = this.#db.prepare('SELECT channel, json FROM notice WHERE id = ?').get(id);
      const channel = this.#options.channels.find(({ name }) => name === row?.channel);
      if (channel?.kind === 'mqtt') this.#keepTopic(channel.topic, JSON.parse(row!.json as string), now);
    }
    this.#remove(ids);
  }

  giveUp(ids: readonly number[]): void {
    this.#remove(ids);
    this.#meta.add('notices-dropped', ids.length);
  }

  /** What topics of the local broker said last. */
  topics(): TopicState[] {
    return this.#db.prepare('SELECT topic, payload FROM notice_topic ORDER BY at').all() as unknown as TopicState[];
  }

  counts(): NoticeCounts {
    const rows = this.#db.prepare('SELECT channel, count(*) AS count FROM notice GROUP BY channel').all();
    return {
      waiting: Object.fromEntries(rows.map(({ channel, count }) => [channel as string, count as number])),
      dropped: this.#meta.get('notices-dropped') as number,
    };
  }

  /** Of channels that are not configured any more nothing is told. */
  forgetOthers(): void {
    const names = this.#options.channels.map(({ name }) => name);
    const marks = names.map(() => '?').join();
    for (const table of ['notice', 'notice_told']) {
      this.#db.prepare(`DELETE FROM ${table} WHERE channel NOT IN (${marks})`).run(...names);
    }
    if (!this.#options.channels.some(({ kind }) => kind === 'mqtt')) this.#db.exec('DELETE FROM notice_topic');
  }

  #remove(ids: readonly number[]): void {
    const remove = this.#db.prepare('DELETE FROM notice WHERE id = ?');
    for (const id of ids) remove.run(id);
  }

  #tell(channel: NoticeChannel, transition: AlertTransition, now: number): void {
    const { episode, state, severity, mutedUntil = 0 } = transition;
    const told = this.#db
      .prepare('SELECT severity FROM notice_told WHERE channel = ? AND episode = ?')
      .get(channel.name, episode)?.severity as string | undefined;
    if (state === 'resolved') {
      if (told === undefined) return;
      this.#db.prepare('DELETE FROM notice_told WHERE channel = ? AND episode = ?').run(channel.name, episode);
      // Whoever was not told yet, for it was a time of maintenance, need not hear of it any more.
      if (this.#dropMuted(channel.name, episode, now)) return;
      this.#insert(channel, transition, now, { dueAt: now, isFirst: false });
      return;
    }
    if (state !== 'firing' || transition.historical || transition.dryRun) return;
    if (told === severity || (told === undefined && !isWanted(channel, transition))) return;
    this.#db
      .prepare('INSERT INTO notice_told VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET severity = excluded.severity')
      .run(channel.name, episode, severity);
    this.#insert(channel, transition, now, { dueAt: Math.max(now, mutedUntil), isFirst: told === undefined });
  }

  /** @returns whether nobody knows of the episode, nor will: the first firing was among them, and nothing of it is left */
  #dropMuted(channel: string, episode: string, now: number): boolean {
    const dropped = this.#db
      .prepare('DELETE FROM notice WHERE channel = ? AND episode = ? AND due_at > ? RETURNING is_first')
      .all(channel, episode, now);
    if (!dropped.some(({ is_first }) => is_first !== 0)) return false;
    return (
      this.#db.prepare('SELECT 1 FROM notice WHERE channel = ? AND episode = ?').get(channel, episode) === undefined
    );
  }

  #insert(
    channel: NoticeChannel,
    transition: AlertTransition,
    now: number,
    { dueAt, isFirst }: { dueAt: number; isFirst: boolean },
  ): void {
    const json = JSON.stringify(transition);
    this.#db
      .prepare('INSERT INTO notice (channel, episode, created_at, due_at, json, is_first) VALUES (?, ?, ?, ?, ?, ?)')
      .run(channel.name, transition.episode, now, dueAt, json, isFirst ? 1 : 0);
    const { changes } = this.#db
      .prepare(
        `DELETE FROM notice WHERE channel = ? AND id <=
         (SELECT id FROM notice WHERE channel = ? ORDER BY id DESC LIMIT 1 OFFSET ?)`,
      )
      .run(channel.name, channel.name, this.#options.waitingMax);
    if (Number(changes) > 0) this.#meta.add('notices-dropped', Number(changes));
  }

  #keepTopic(pattern: string, transition: AlertTransition, now: number): void {
    const isOver = transition.state === 'resolved' ? 1 : 0;
    this.#db
      .prepare(
        `INSERT INTO notice_topic VALUES (?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET at = excluded.at, payload = excluded.payload, is_over = excluded.is_over`,
      )
      .run(topicFor(pattern, transition), now, topicPayload(transition), isOver);
    // What is over goes first, and of that the oldest.
    this.#db
      .prepare(
        `DELETE FROM notice_topic WHERE topic IN
         (SELECT topic FROM notice_topic ORDER BY is_over, at DESC LIMIT -1 OFFSET ?)`,
      )
      .run(this.#options.topicsMax);
  }
}

export function noticeOperations(table: NoticeTable) {
  return {
    notices: (channel: string, now: number, limit: number) => table.waiting(channel, now, limit),
    noticesDone: (ids: readonly number[], now: number) => table.done(ids, now),
    noticesGivenUp: (ids: readonly number[]) => table.giveUp(ids),
    noticeTopics: () => table.topics(),
    noticeCounts: () => table.counts(),
  };
}
