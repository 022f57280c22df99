/** A person ended an alert at the hub: whatever raised it here lets go of it, so that the next one is one of its own. */
import { alertTransitionSchema } from '@weir/protocols';
import { eventPosition } from '@weir/runtime';
import { z } from 'zod';
import type { OfferedEvent } from '../functions/event-queue.ts';
import type { AgentCommand } from './agent-commands.ts';

const payloadSchema = z.object({ episode: alertTransitionSchema.shape.episode });

/** Run twice it does no harm: the second time nobody has it open. */
export function endAlert({ offerEvent }: { offerEvent: (event: OfferedEvent) => Promise<void> }): AgentCommand {
  return async (payload) => {
    const { data, error } = payloadSchema.safeParse(payload);
    if (error !== undefined) return { outcome: 'failed', detail: z.prettifyError(error) };
    const { episode } = data;
    let isOpen = false;
    await offerEvent({
      event: { kind: 'end', episode },
      position: eventPosition('end', episode),
      settled: (output) => {
        isOpen = output !== undefined;
        return {};
      },
    });
    return isOpen ? { outcome: 'done' } : { outcome: 'done', detail: 'nothing here has it open' };
  };
}
