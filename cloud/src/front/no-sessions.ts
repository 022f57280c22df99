/**
 * What aedes keeps between connections: nothing. Sessions end with their connection, nothing is retained here, and
 * what a device hears goes by the {@link Roster}; of the acknowledgements of devices it is told.
 */
import { Readable } from 'node:stream';
import type { Client } from 'aedes';

/** @param onAcknowledged a device has acknowledged the message with this packet id */
export function noSessions(onAcknowledged: (client: Client, packetId: number) => void) {
  const nothing = async () => {};
  return {
    setup: nothing,
    destroy: nothing,
    cleanSubscriptions: nothing,
    cleanIncoming: nothing,
    delWill: nothing,
    async outgoingClearMessageId(client: Client, { messageId }: { messageId: number }) {
      onAcknowledged(client, messageId);
    },
    outgoingStream: () => Readable.from([]),
    createRetainedStreamCombi: () => ({ pipe() {} }),
    // QoS 2 is refused before anything is kept of it; whoever releases what is not there is answered all the same.
    async incomingGetPacket() {},
    // Nobody leaves a last will.
    streamWill: () => Readable.from([]),
  };
}
