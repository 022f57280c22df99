import { threshold } from '@weir/runtime/author';

/** Magnus' formula: the temperature at which water begins to condense. */
function dewPoint(temperature: number, humidity: number): number {
  const gamma = Math.log(humidity / 100) + (17.62 * temperature) / (243.12 + temperature);
  return (243.12 * gamma) / (17.62 - gamma);
}

/** Fires when a wall is no warmer than the dew point of the air in its room. */
export default threshold({
  name: 'condensation',
  sensor: 'wall*',
  metric: 'temperature',
  inputs: [{ sensor: 'air' }],
  when: (readings) => {
    const wall = readings.number('temperature');
    const air = readings.number('temperature', 'air');
    const humidity = readings.number('humidity', 'air');
    if (wall === undefined || air === undefined || humidity === undefined) return undefined;
    return wall <= dewPoint(air, humidity);
  },
  for: '10m',
  severity: 'critical',
  summary: 'water condenses on {sensor}',
});
