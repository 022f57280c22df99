import { threshold } from '@weir/runtime/author';

/** As many degrees over the setpoint of the recipe as each severity bears. */
const degrees = { info: 3, warning: 6, critical: 12 };

export default threshold({
  name: 'oven-band',
  sensor: 'oven*',
  metric: 'temperature',
  unit: 'Cel',
  severities: Object.fromEntries(
    Object.entries(degrees).map(([severity, plus]) => [severity, { above: { metric: 'setpoint', plus } }]),
  ),
  for: '1m',
});
