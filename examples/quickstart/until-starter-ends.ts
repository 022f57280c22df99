/**
 * Loaded into each program before its own code. Its standard input is a pipe that the quickstart holds and never
 * writes to: the pipe ends when the quickstart does, however that came about, and then the program ends as it would
 * on Ctrl-C.
 */
process.stdin.on('close', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.on('error', () => {});
process.stdin.resume();
// It keeps nothing running by itself.
(process.stdin as { unref?: () => void }).unref?.();
