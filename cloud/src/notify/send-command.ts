/** Messages to actuators of devices: a command is delivered to the device by those who keep commands, until it has answered. */
import { UsageError } from '@weir/runtime';
import type { Commands } from '../commands/commands.ts';
import type { NotifierPorts } from './notify.ts';

/** Of a device that has too many commands waiting: that passes. */
const PASSING = 'limit-exceeded';

export function sendCommandBy(commands: () => Pick<Commands, 'make'>): NotifierPorts['sendCommand'] {
  return async ({ device, id, name, payload, expiryMs }) => {
    try {
      await commands().make(device, { id, name, payload, expiryMs });
      return { kind: 'delivered', detail: `command ${id} for ${device}` };
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      return { kind: error.code === PASSING ? 'unavailable' : 'refused', detail: error.message };
    }
  };
}
