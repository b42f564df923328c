import type { Descriptor } from '../../content/descriptor.ts'
import type { SignalOptions } from '../../events.ts'
import type { Source } from '../../targets/target.ts'
import type { ResolveFlags } from '../flags.ts'
import { formatJson, writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { parseSource } from '../references.ts'
import { runOnTarget } from '../run-on-target.ts'
import { soleReference } from '../sole-reference.ts'

/** `copygraph resolve`: prints the digest of a reference, or its descriptor. */
export async function resolve(
  text: string,
  flags: ResolveFlags,
  { signal }: CommandContext,
): Promise<number> {
  const address = parseSource(text, { isLayout: flags.ociLayout })
  return runOnTarget({ ...address, operation: 'resolve' }, flags, signal, async (target, options) => {
    const found = await target.resolve(await soleReference(target, address, options), options)
    const descriptor = await onPlatform(target, found, flags, options)
    await writeData(flags.format === 'json' ? formatJson(descriptor) : `${descriptor.digest}\n`)
    return { descriptor }
  })
}

async function onPlatform(
  target: Source,
  found: Descriptor,
  { platform }: ResolveFlags,
  options: SignalOptions,
): Promise<Descriptor> {
  if (platform === undefined) return found
  const { selectPlatform } = await import('../../copy/select-platform.ts')
  return selectPlatform(target, found, platform, options)
}
