import type { Descriptor } from '../../content/descriptor.ts'
import type { GraphFlags } from '../flags.ts'
import { renderGraph } from '../output/render-graph.ts'
import { writeData } from '../output/stdout.ts'
import type { CommandContext } from '../program.ts'
import { parseSource } from '../references.ts'
import { resolveAddress } from '../resolve-address.ts'
import { runOnTarget } from '../run-on-target.ts'

/** `copygraph graph`: prints the graph around a reference. */
export async function graph(text: string, flags: GraphFlags, { signal }: CommandContext): Promise<number> {
  const address = parseSource(text, { isLayout: flags.ociLayout })
  const { platform, direction, depth, format } = flags
  return runOnTarget({ ...address, operation: 'read' }, flags, signal, async (target, options) => {
    const root = await resolveAddress(target, address, { ...options, platform })
    const { buildGraph } = await import('../../graph/graph.ts')
    const tags = tagsOf(address.tags, root, flags)
    const built = await buildGraph(target, root, { ...options, direction, depth, tags })
    await writeData(await renderGraph(built, format))
    return { descriptor: root }
  })
}

/** The tag that was typed, unless it named what the image was chosen from. */
function tagsOf(
  tags: readonly string[],
  { digest }: Descriptor,
  { platform }: GraphFlags,
): ReadonlyMap<Descriptor['digest'], readonly string[]> {
  return new Map(tags.length === 0 || platform !== undefined ? [] : [[digest, tags]])
}
