/** @param folder of which an agent was asked @returns what to say when none runs on it, and what to do */
export function notRunning(folder: string): string {
  return (
    `the agent does not run on ${folder}\n` +
    `  start it with: weir-agent run --data ${folder}; if it runs on another folder, name that with --data\n`
  );
}
