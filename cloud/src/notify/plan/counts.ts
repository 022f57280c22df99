/** What the plan counts, for metrics; from the start of the hub. */
import type { AlertMessage, MessageReason } from '../message.ts';
import type { HoldReason } from './state.ts';

export class PlanCounts {
  readonly messages = new Map<MessageReason, number>();
  readonly held = new Map<HoldReason, number>();
  /** Alerts that digests and groups stand for without naming them. */
  leftOut = 0;
  /** Alerts that the plan knows of now. */
  open: () => number = () => 0;

  heldBack(by: HoldReason): void {
    this.held.set(by, (this.held.get(by) ?? 0) + 1);
  }

  sent(messages: readonly AlertMessage[]): void {
    for (const { why, leftOut } of messages) {
      this.messages.set(why, (this.messages.get(why) ?? 0) + 1);
      this.leftOut += leftOut;
    }
  }
}
