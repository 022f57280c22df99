/** Starts a hub as the quickstart does, and stays until it is killed. */
import { Programs } from './processes.ts';

const [data = '', log = ''] = process.argv.slice(2);
const programs = new Programs(() => {});
const anyPort = ['--mqtt-port', '0', '--device-port', '0', '--api-port', '0'];
const ports = await programs.start<object>('weir', ['hub', '--data', data, ...anyPort], log);
process.stdout.write(`${JSON.stringify(ports)}\n`);
