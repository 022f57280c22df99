/** All that the agent itself is told to do. */
import type { DeadLetters } from '../functions/dead-letters.ts';
import type { OfferedEvent } from '../functions/event-queue.ts';
import type { LogLeaseHolder } from '../functions/log-lease.ts';
import { type AgentCommands, ping } from './agent-commands.ts';
import { endAlert } from './end-alert.ts';
import { type LocalPublishPorts, localPublish } from './local-publish.ts';

export interface OwnCommandPorts extends LocalPublishPorts {
  letters: DeadLetters;
  logLease: LogLeaseHolder;
  offerEvent: (event: OfferedEvent) => Promise<void>;
}

export function ownCommands({ letters, logLease, ...ports }: OwnCommandPorts): AgentCommands {
  return new Map([
    ['weir.ping', ping],
    ['weir.replay-dead-letters', letters.replay],
    ['weir.remove-dead-letters', letters.remove],
    ['weir.logs', logLease.grant],
    ['weir.end-alert', endAlert(ports)],
    ['weir.publish', localPublish(ports)],
  ]);
}
