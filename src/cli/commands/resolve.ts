import type { ResolveFlags } from '../flags.ts'
import { formatJson, writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { parseSource } from '../references.ts'
import { resolveAddress } from '../resolve-address.ts'
import { runOnTarget } from '../run-on-target.ts'

/** `copygraph resolve`: prints the digest of a reference, or its descriptor. */
export async function resolve(
  text: string,
  flags: ResolveFlags,
  { signal }: CommandContext,
): Promise<number> {
  const address = parseSource(text, { isLayout: flags.ociLayout })
  return runOnTarget({ ...address, operation: 'resolve' }, flags, signal, async (target, options) => {
    const descriptor = await resolveAddress(target, address, { ...options, platform: flags.platform })
    await writeData(flags.format === 'json' ? formatJson(descriptor) : `${descriptor.digest}\n`)
    return { descriptor }
  })
}
