import { isGatherer } from '@weir/protocols';
import { FleetError } from './error.ts';

export function unknownDevice(device: string): FleetError {
  if (isGatherer(device)) {
    const message = `"${device}" is no device, but a function that gathers`;
    return new FleetError('device-unknown', message, `see how it does: weir deploy status --device ${device}`);
  }
  return new FleetError('device-unknown', `there is no device "${device}"`, 'see which there are: weir device list');
}
