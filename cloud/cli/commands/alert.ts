import type { Command } from 'commander';
import { family, type Session } from '../session.ts';
import { actionCommands } from './alert-actions.ts';
import { alertExplainCommand } from './alert-explain.ts';
import { exportCommand } from './alert-export.ts';
import { listCommand } from './alert-list.ts';
import { policyCommand } from './alert-policy.ts';
import { showCommand } from './alert-show.ts';
import { silenceCommand } from './alert-silence.ts';
import { watchCommand } from './alert-watch.ts';

export function alertCommands(session: Session): Command {
  const alert = family('alert', 'alerts: what fired, whether it ended, and who looks after it');
  alert.addCommand(listCommand(session));
  alert.addCommand(showCommand(session));
  alert.addCommand(alertExplainCommand(session));
  alert.addCommand(watchCommand(session));
  for (const command of actionCommands(session)) alert.addCommand(command);
  alert.addCommand(silenceCommand(session));
  alert.addCommand(policyCommand(session));
  alert.addCommand(exportCommand(session));
  return alert;
}
