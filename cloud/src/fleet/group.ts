/** What is said of groups: {@link Fleet} takes and gives it. */
import type { DeploymentRecord } from './fleet.ts';

/** What can be set of a group; absent: as it is. */
export interface GroupSettings {
  /** As people write it; null: by list only. @throws {FleetError} `selector-invalid` */
  selector?: string | null;
  /** Of groups that want the same name the highest goes first. */
  priority?: number;
  /** How long one of its devices may be away before somebody is told; null: nobody is. */
  alertAfterMs?: number | null | 'default';
}

export interface GroupSummary {
  name: string;
  createdAt: number;
  /** Takes devices by their tags, beside those that are listed. */
  selector?: string;
  priority: number;
  /** null: nobody is told. Absent: as the hub has it. */
  alertAfterMs?: number | null;
}

export interface GroupMember {
  device: string;
  /** It was put into the group, or joined with a token for it. */
  listed: boolean;
  /** The selector takes its tags. */
  matched: boolean;
}

export interface GroupRecord extends GroupSummary {
  /** `listed` and `matched` may be the same devices. */
  members: { total: number; listed: number; matched: number };
  /** The first thousand. */
  devices: string[];
  deployments: DeploymentRecord[];
  /** Devices that were looked at, of all, while a change of a selector is carried out. */
  placing?: number;
}

/** Tags to set and to take off. */
export interface TagChange {
  set?: Readonly<Record<string, string>>;
  remove?: readonly string[];
}
