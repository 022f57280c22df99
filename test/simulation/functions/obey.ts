/** Does what it is told, and says so: from what arrives anybody can see whether a command was lost or done twice. */
import { defineFunction } from '@weir/runtime/author';

export default defineFunction({
  name: 'obey',
  version: '1.0.0',
  outputs: [{ metric: 'obeyed' }],
  command(command, ctx) {
    const { n } = command.payload as { n: number };
    ctx.emit({ metric: 'obeyed', value: n });
  },
});
