// Owns `tsdctl doctor`. Must not know what a leak is: the daemon tells.
import { type Leaks, routes } from '../../../api-spec/index.ts';
import { command } from '../command.ts';

/** `link veth0: no endpoint has it (healed)`. */
export function leakLine({ Kind, Name, Problem, Healable, Healed, Error: error }: Leaks['Leaks'][number]): string {
  const outcome =
    Healed === true
      ? ' (healed)'
      : error !== undefined
        ? ` (could not be healed: ${error})`
        : Healable
          ? ''
          : ' (cannot be healed)';
  return `${Kind} ${Name}: ${Problem}${outcome}`;
}

/** Exit code 0: nothing is amiss, or all of it is healed; 1: something is. */
export const doctor = command({
  name: 'doctor',
  usage: '[OPTIONS]',
  summary: 'Show what the engine has left over in the kernel and on the disk',
  options: {
    heal: { help: 'Remove what can be removed' },
    format: { value: 'FORMAT', help: 'text or json' },
  },
  arguments: [0, 0],
  async run({ client, stdout, stderr }, values) {
    const { body } = await client.call(values.heal ? routes.TsdLeaksHeal : routes.TsdLeaks);
    const open = body.Leaks.filter(({ Healed }) => Healed !== true);
    if (values.format === 'json') {
      stdout.write(`${JSON.stringify(body)}\n`);
      return open.length === 0 ? 0 : 1;
    }
    for (const leak of body.Leaks) stdout.write(`${leakLine(leak)}\n`);
    if (body.Leaks.length === 0) stdout.write(`instance ${body.Instance}: nothing is left over\n`);
    if (open.some(({ Healable }) => Healable) && !values.heal) stderr.write('Run `tsdctl doctor --heal` to heal.\n');
    return open.length === 0 ? 0 : 1;
  },
});
