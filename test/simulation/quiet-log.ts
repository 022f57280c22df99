/** A logger that keeps to itself what is said, or shows it. */
import type { AgentPorts } from '@weir/edge-agent';

type Logger = AgentPorts['log'];

export function quietLog(show: ((line: string) => void) | undefined): Logger {
  const say = (level: string) => (fields: unknown, text?: string) => {
    if (show === undefined) return;
    const { err, ...rest } = (typeof fields === 'object' ? fields : {}) as { err?: Error };
    show(`${level} ${text ?? String(fields)} ${JSON.stringify(rest)}${err === undefined ? '' : ` ${err.stack}`}`);
  };
  const levels = ['fatal', 'error', 'warn', 'info', 'debug', 'trace'];
  return Object.fromEntries(levels.map((level) => [level, say(level)])) as unknown as Logger;
}
