/** What is kept of a subject. */
import type { Subject } from '../conditions/signals.ts';
import type { BacklogState } from './backlog.ts';
import type { GapState } from './gap.ts';
import type { MemberState } from './members.ts';
import type { OrderState } from './order.ts';
import type { PaceState } from './pace.ts';
import type { TrackState } from './track.ts';
import type { OpenState } from './transitions.ts';

export interface SubjectState {
  of: Subject;
  unit?: string;
  /** How far its latest sample was behind the clock when it arrived, and how far apart samples are, as a rule; ms. */
  lagMs: number;
  pace?: PaceState;
  /** As it was kept before. */
  paceMs?: number;
  order: OrderState;
  /** Of series that are the same for all subjects. */
  shared?: OrderState;
  track: TrackState;
  open?: OpenState;
  gaps?: GapState[];
  backlog?: BacklogState;
  /** Of a group. */
  members?: MemberState[];
}
