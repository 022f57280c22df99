import type { AlertTransition } from './transition.ts';

/** What a webhook of our own is told of one transition, by the hub or by a device itself: the same body. */
export function transitionBody(transition: AlertTransition, about: { origin: 'edge' | 'cloud'; why?: string }): string {
  return JSON.stringify({
    type: `alert.${transition.state}`,
    timestamp: new Date(transition.ts).toISOString(),
    data: { ...transition, ...about },
  });
}
