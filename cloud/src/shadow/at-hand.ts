import { type JsonObject, ShadowError, WEIR_SHADOW } from '@weir/protocols';
import type { Shadows } from './shadows.ts';

/** The shadow `weir` of a device, without the way over the data plane. */
export async function shadowAtHand(shadows: Shadows, device: string): Promise<JsonObject | undefined> {
  try {
    return await shadows.get(device, WEIR_SHADOW);
  } catch (error) {
    if (error instanceof ShadowError && error.code === 404) return undefined;
    throw error;
  }
}
