/** Asks the running gateway what `weir-agent status --json` prints, over the socket in its data folder. */
import { get } from 'node:http';
import { join, relative } from 'node:path';

export interface AgentStatus {
  /** Readings accepted since the data folder was made. */
  accepted: number;
  /** `nextSeq`: items that ever entered; `items`: those that wait. */
  lanes: { lane: string; nextSeq: number; items: number; dropped: number }[];
}

export function agentStatus(data: string): Promise<AgentStatus> {
  // Relative: the path of a socket may have no more than 107 bytes.
  const socketPath = relative('.', join(data, 'agent.sock'));
  return new Promise((resolve, reject) => {
    get({ socketPath, path: '/status' }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text) as AgentStatus));
    }).on('error', reject);
  });
}
