import type { TrialLimits } from './rehearsals.ts';

/** What is new is only started once beside what runs. */
export const NO_TRIAL: TrialLimits = { readingsMax: 0, spanMax: 0, endsMax: 0 };
