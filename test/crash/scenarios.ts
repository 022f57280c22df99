import { agentDiskFull, hubDiskFull } from './disk-full.ts';
import { frozen } from './frozen.ts';
import { agentIoError, hubIoError } from './io-error.ts';
import { kill } from './kill.ts';
import { line } from './line.ts';
import { offline } from './offline.ts';
import { overflow } from './overflow.ts';
import type { Scenario } from './scenario.ts';
import { agentWorn, hubWorn } from './worn.ts';

export const SCENARIOS: Record<string, Scenario> = {
  kill,
  'agent-disk-full': agentDiskFull,
  'hub-disk-full': hubDiskFull,
  'agent-worn': agentWorn,
  'hub-worn': hubWorn,
  'agent-io-error': agentIoError,
  'hub-io-error': hubIoError,
  frozen,
  line,
  offline,
  overflow,
};
