/** One connection to the hub, as the uplink needs it. Made anew for each attempt. */
export interface Link {
  /** QoS 1: resolves when the hub has acknowledged; rejects when the connection ends before. */
  publish(topic: string, payload: Uint8Array): Promise<void>;
  /**
   * Bytes on the wire until now, in both directions, as well as can be known; also after its end. Absent: they are not known.
   */
  wireBytes?(): number;
  /** Ends at once; `onClosed` is not called any more. Idempotent. */
  close(): void;
}

export interface LinkEvents {
  /** Connected, and subscribed to what was asked for. */
  onOpen: () => void;
  onMessage: (topic: string, payload: Uint8Array) => void;
  /** Once, whether it was open or never came up. */
  onClosed: (reason: string) => void;
}

export type OpenLink = (subscriptions: readonly string[], events: LinkEvents) => Link;
