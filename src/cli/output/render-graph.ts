import { partsOf } from '../../graph/assemble-graph.ts'
import type { ContentGraph } from '../../graph/graph.ts'

/** The forms in which a graph is printed. */
export type GraphFormat = 'tree' | 'json' | 'dot' | 'mermaid' | 'svg' | 'html'

/** A graph as text; only the renderer that is wanted is loaded: the layout of pictures takes a while. */
export async function renderGraph(built: ContentGraph, format: GraphFormat): Promise<string> {
  switch (format) {
    case 'tree':
      return renderTrees(built)
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

/** A tree is of what hangs together with its root: what is attached by tags alone has trees of its own. */
async function renderTrees(graph: ContentGraph): Promise<string> {
  const { renderTree } = await import('../../graph/render-tree.ts')
  const { root } = graph.graph()
  const trees = partsOf(graph).map((id) => renderTree(graph.setGraph({ root: id })))
  graph.setGraph({ root })
  return `${trees.join('\n')}\n`
}
