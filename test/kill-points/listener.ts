/** A local actuator: what it hears was committed, or the agent has told the world of something that never was. */
import { connect, type MqttClient } from 'mqtt';
import type { AgentProcess } from './agent-process.ts';

export class Listener {
  /** `topic payload`, repeats included. */
  readonly heard: string[] = [];
  #client: MqttClient | undefined;
  #isStopped = false;

  /** Listens to it as soon as it is up, and to no other from now on. */
  follow(agent: AgentProcess): void {
    this.#client?.end(true);
    agent.ready.then(
      (port) => this.#attach(port, agent.password),
      // Killed before it was up.
      () => {},
    );
  }

  stop(): void {
    this.#isStopped = true;
    this.#client?.end(true);
  }

  #attach(port: number, password: string): void {
    if (this.#isStopped) return;
    const client = connect(`mqtt://127.0.0.1:${port}`, { username: 'sensor', password, reconnectPeriod: 0 });
    this.#client = client;
    client.on('error', () => {});
    client.on('connect', () => client.subscribe('cmd/#', { qos: 1 }));
    client.on('message', (topic, payload) => this.heard.push(`${topic} ${payload}`));
  }
}
