/** A connection of a device. */
export interface Session {
  /** One life of a front: a random word. */
  front: string;
  /** Counts the connections of that life. */
  number: number;
}

/** What the front tells the log when a device comes or goes: the payload of a record in the lane `presence`. */
export interface PresenceRecord {
  online: boolean;
  /** An end is that of this connection, and of those before it in the same life of the front: some may not be told. */
  session: Session;
}

/** Whether the end of `ended` is also that of `last`. */
export function endsSession(ended: Session, last: Session): boolean {
  return ended.front === last.front && ended.number >= last.number;
}

export function encodePresence(presence: PresenceRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(presence));
}

/** Written by the hub itself. */
export function decodePresence(payload: Uint8Array): PresenceRecord {
  return JSON.parse(new TextDecoder().decode(payload)) as PresenceRecord;
}
