/**
 * @param json as the data plane has them: an array of objects with one name and its value each
 * @see AWS IoT API reference, Publish: userProperties
 */
export function userPropertiesIn(json: string): Record<string, string[]> {
  // No prototype: a property may have any name.
  const properties: Record<string, string[]> = Object.create(null);
  for (const each of JSON.parse(json) as Record<string, string>[]) {
    for (const [name, value] of Object.entries(each)) {
      properties[name] ??= [];
      properties[name].push(value);
    }
  }
  return properties;
}
