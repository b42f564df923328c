import type { Descriptor } from '../../content/descriptor.ts'
import type { ContentGraph } from '../../graph/graph.ts'
import type { GraphFlags } from '../flags.ts'
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
    await writeData(await render(built, format))
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

/** Only the renderer that is wanted is loaded: the layout of pictures takes a while. */
async function render(built: ContentGraph, format: GraphFlags['format']): Promise<string> {
  switch (format) {
    case 'tree':
      return `${(await import('../../graph/render-tree.ts')).renderTree(built)}\n`
    case 'json':
      return `${(await import('../../graph/render-json.ts')).renderJson(built)}\n`
    case 'dot':
      return (await import('../../graph/render-dot.ts')).renderDot(built)
    case 'mermaid':
      return (await import('../../graph/render-mermaid.ts')).renderMermaid(built)
    case 'svg':
      return (await import('../../graph/render-svg.ts')).renderSvg(built)
    case 'html':
      return (await import('../../graph/render-html.ts')).renderHtml(built)
    default:
      return format satisfies never
  }
}
